import type { LinkMessage, LinkParticipantId, LinkStream } from '@conclave/econn';
import type { ExportId, LegId, LinkId, VideoLayer } from './conference-effect.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Caller, Leg } from './membership.ts';

/** What this server is for the other one. The anchor orders the list and passes on between its joiners. */
export type LinkRole = 'anchor' | 'joiner';

/**
 * What the other server is for a conference that is moved between servers of one installation: it takes our callers
 * over, one by one, or we take over its.
 */
export type Sister = 'successor' | 'predecessor';

/** What a link needs of its surroundings. */
export interface LinkOptions {
  readonly link: LinkId;
  readonly role: LinkRole;
  /** Set where the conference is being moved; a successor is the joiner's end, a predecessor the anchor's. */
  readonly sister?: Sister | undefined;
  /** An SSRC that nothing sent over the same connection has. */
  readonly drawSsrc: () => number;
  /** An id for a leg that stands for a participant behind the link. */
  readonly drawLeg: () => LegId;
}

/** One stream of a participant as this server sends it over the link. */
interface Export {
  readonly id: ExportId;
  readonly stream: LinkStream;
  /** The leg whose stream is sent now. */
  source: LegId | undefined;
}

/** All that this server sends of one participant. */
interface ExportedCaller {
  readonly exports: readonly Export[];
  /** Layers it was offered with: another camera set makes a new export. */
  readonly layers: string;
}

/** What the other server told of a participant of its own. */
export interface RemoteCaller {
  readonly caller: Caller;
  /** Its streams on the link; new numbers mean a new leg. */
  readonly streams: string;
  /** Whom it authorises, by name: some may become known only later. */
  authorised: readonly LinkParticipantId[];
}

/**
 * One link of a conference: what was told and sent over it, so that only differences go out. Which streams flow is
 * decided by its owner.
 */
export class ConferenceLink {
  readonly id: LinkId;
  readonly role: LinkRole;
  readonly options: LinkOptions;
  /** URL by which clients know the other server; undefined until it said so. */
  url: string | undefined;
  /** Participants behind the link, by name. */
  readonly remote: Map<string, RemoteCaller> = new Map();
  /** Streams that somebody behind the link watches, by name. */
  wants: readonly (LinkParticipantId & { readonly layer: VideoLayer })[] = [];
  /** What the server at the other end is while the conference is moved. */
  readonly sister: Sister | undefined;
  readonly #conversation: string;
  readonly #effects: EffectQueue;
  readonly #exports = new Map<Caller, ExportedCaller>();
  /** Last message of a kind about a participant (or about all), so that nothing is repeated. */
  readonly #told = new Map<string, string>();
  #nextExport = 1;

  constructor(conversation: string, effects: EffectQueue, options: LinkOptions) {
    this.#conversation = conversation;
    this.#effects = effects;
    this.options = options;
    this.id = options.link;
    this.role = options.role;
    this.sister = options.sister;
  }

  /** Sends the message, unless the last one under the same key said the same. */
  tell(key: string, message: WithoutConversation<LinkMessage>): void {
    const whole = { ...message, conversation: this.#conversation } as LinkMessage;
    const text = JSON.stringify(whole);
    if (this.#told.get(key) === text) return;
    this.#told.set(key, text);
    this.#effects.push({ type: 'send-link', link: this.id, message: whole });
  }

  /** The streams of this participant on the link, with room made for them; while it reconnects those it had. */
  exportsOf(caller: Caller, leg: Leg | undefined): readonly LinkStream[] {
    const known = this.#exports.get(caller);
    const layers = leg?.streams.map((stream) => stream.layer) ?? [];
    if (known !== undefined && (leg === undefined || known.layers === layers.join())) {
      return known.exports.map((e) => e.stream);
    }
    if (leg === undefined) return [];
    if (known !== undefined) this.forgetExports(caller);
    const { drawSsrc } = this.options;
    const exports = (['audio', ...layers] as const).map((stream): Export => {
      const repaired = stream === 'audio' ? {} : { rtxSsrc: drawSsrc() };
      return {
        id: this.#nextExport++ as ExportId,
        stream: { stream, ssrc: drawSsrc(), ...repaired },
        source: undefined,
      };
    });
    this.#exports.set(caller, { exports, layers: layers.join() });
    for (const { id, stream } of exports) {
      this.#effects.push({ type: 'add-export', link: this.id, export: id, stream });
    }
    return exports.map((e) => e.stream);
  }

  /** Sends these streams of the participant from now on, and no others of it. */
  send(caller: Caller, streams: ReadonlySet<VideoLayer | 'audio'>): void {
    for (const one of this.#exports.get(caller)?.exports ?? []) {
      const layer = one.stream.stream;
      const source = streams.has(layer) ? caller.current?.id : undefined;
      if (source === one.source) continue;
      one.source = source;
      this.#effects.push({
        type: 'set-export',
        link: this.id,
        export: one.id,
        source: source === undefined ? undefined : { leg: source, layer },
      });
    }
  }

  /** Participants that room was made for. */
  get exported(): IterableIterator<Caller> {
    return this.#exports.keys();
  }

  /** The participant is not sent any more. */
  forgetExports(caller: Caller): void {
    for (const { id } of this.#exports.get(caller)?.exports ?? []) {
      this.#effects.push({ type: 'remove-export', link: this.id, export: id });
    }
    this.#exports.delete(caller);
    for (const kind of ['props', 'layers', 'authorisation', 'wishes'])
      this.#told.delete(`${kind} ${nameOf(caller)}`);
  }
}

/** The message without what every message of a conference carries. */
type WithoutConversation<M> = M extends unknown ? Omit<M, 'conversation'> : never;

/** A participant's name in maps. The length keeps pairs apart whose joined texts are the same. */
export function nameOf(id: LinkParticipantId): string {
  return `${id.userId.length}:${id.userId}${id.clientId}`;
}
