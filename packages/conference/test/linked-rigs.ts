import { encodeLinkMessage, type LinkMessage, parseLinkMessage } from '@conclave/econn';
import type { AudioSample, LegId, LinkId, LinkRole, Sister, VideoLayer } from '../src/index.ts';
import { ConferenceRig, type JoinOptions, type RigClient } from './conference-rig.ts';

interface Side {
  readonly rig: ConferenceRig;
  readonly link: LinkId;
}

interface Wire {
  readonly anchor: Side;
  readonly joiner: Side;
  /** Messages under way, as text, each way. */
  readonly toAnchor: string[];
  readonly toJoiner: string[];
  up: boolean;
}

const STEP_MS = 10;

/**
 * One conference at several servers on one virtual clock: the first rig is the anchor, the others have a link to it.
 * Messages arrive one step later, in order, as the text that really goes over the link.
 */
export class LinkedRigs {
  readonly rigs: readonly ConferenceRig[];
  readonly wires: Wire[] = [];
  /** Characters of all messages that went over links. */
  linkCharacters = 0;
  #nextLink = 1;
  #nextSsrc = 0x7000_0000;

  /** @param connected whether all have their link from the beginning */
  constructor(servers: number, connected = true) {
    this.rigs = Array.from({ length: servers }, (_, i) => {
      const rig = new ConferenceRig({ url: `https://sft${i}.example` }, i + 1);
      rig.nextLeg = 1 + i * 10_000;
      rig.readings = true;
      rig.importedLevels = () => this.#importedLevels(rig);
      rig.onLink = (effect) =>
        this.#onLink(rig, effect.link, effect.type === 'send-link' ? effect.message : undefined);
      return rig;
    });
    for (let i = 1; connected && i < servers; i++) this.connect(i);
  }

  /** Makes a link from the joiner of that number to the anchor, whose clients it takes over if they are to be moved. */
  connect(joiner: number, moves = false): void {
    const anchorSide = { rig: this.rigs[0]!, link: this.#nextLink++ as LinkId };
    const joinerSide = { rig: this.rigs[joiner]!, link: this.#nextLink++ as LinkId };
    this.wires.push({ anchor: anchorSide, joiner: joinerSide, toAnchor: [], toJoiner: [], up: true });
    this.#open(anchorSide, 'anchor', moves ? 'successor' : undefined);
    this.#open(joinerSide, 'joiner', moves ? 'predecessor' : undefined);
  }

  /** Leads the client from the anchor to that server, as far as the options say. */
  move(client: RigClient, joiner: number, options: JoinOptions = {}): void {
    const rig = this.rigs[joiner]!;
    rig.clients.add(client);
    rig.update(client, options);
    if (options.until === undefined) this.rigs[0]!.clients.delete(client);
  }

  /** The link of that joiner breaks without a word. */
  cut(joiner: number): void {
    for (const wire of this.wires) {
      if (wire.joiner.rig !== this.rigs[joiner] || !wire.up) continue;
      wire.up = false;
      for (const { rig, link } of [wire.anchor, wire.joiner]) {
        rig.conference.linkClosed(rig.now, link);
        rig.drain();
      }
    }
  }

  /** Lets time pass everywhere. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      for (const wire of this.wires) {
        this.#deliver(wire.anchor, wire.toAnchor);
        this.#deliver(wire.joiner, wire.toJoiner);
      }
      for (const rig of this.rigs) rig.advance(STEP_MS);
    }
  }

  /** The leg that stands for the client at that server: its own, or an imported one. */
  legAt(rig: ConferenceRig, client: RigClient): LegId | undefined {
    if (rig.clients.has(client)) return client.leg;
    for (const [leg, { audioCsrc }] of rig.imports)
      if (audioCsrc === client.audioSsrc && !rig.closed.has(leg)) return leg;
    return undefined;
  }

  /** Whether packets of the stream get to that server. */
  arrives(rig: ConferenceRig, client: RigClient, layer: VideoLayer | 'audio'): boolean {
    if (rig.clients.has(client)) return true;
    const leg = this.legAt(rig, client);
    const imported = leg === undefined ? undefined : rig.imports.get(leg);
    const ssrc = imported?.streams.find(({ stream }) => stream === layer)?.ssrc;
    if (ssrc === undefined) return false;
    const from = this.#across(rig, imported!.link);
    if (from === undefined) return false;
    const exported = [...from.rig.exports.values()].find(
      (one) => one.link === from.link && one.stream.ssrc === ssrc,
    );
    return (
      exported?.source !== undefined &&
      exported.source.leg === this.legAt(from.rig, client) &&
      this.arrives(from.rig, client, layer)
    );
  }

  /** Whether the receiver at this server hears the sender, wherever that is. */
  hears(rig: ConferenceRig, receiver: RigClient, sender: RigClient): boolean {
    const leg = this.legAt(rig, sender);
    return (
      leg !== undefined &&
      rig.slots.includes(leg) &&
      (rig.permissions.get(receiver.leg)?.includes(leg) ?? false) &&
      this.arrives(rig, sender, 'audio')
    );
  }

  #open({ rig, link }: Side, role: LinkRole, sister: Sister | undefined): void {
    rig.conference.linkOpened(rig.now, {
      link,
      role,
      sister,
      drawSsrc: () => this.#nextSsrc++,
      drawLeg: () => rig.nextLeg++ as LegId,
    });
    rig.drain();
  }

  #onLink(rig: ConferenceRig, link: LinkId, message: LinkMessage | undefined): void {
    const wire = this.wires.find(
      ({ anchor, joiner }) =>
        (anchor.rig === rig && anchor.link === link) || (joiner.rig === rig && joiner.link === link),
    );
    if (wire === undefined || !wire.up || message === undefined) return;
    const text = encodeLinkMessage(message);
    this.linkCharacters += text.length;
    (wire.anchor.rig === rig ? wire.toJoiner : wire.toAnchor).push(text);
  }

  #deliver({ rig, link }: Side, queue: string[]): void {
    for (const text of queue.splice(0)) {
      rig.conference.linkMessage(rig.now, link, parseLinkMessage(text));
      rig.drain();
    }
  }

  #across(rig: ConferenceRig, link: LinkId): Side | undefined {
    for (const { anchor, joiner, up } of this.wires) {
      if (!up) continue;
      if (anchor.rig === rig && anchor.link === link) return joiner;
      if (joiner.rig === rig && joiner.link === link) return anchor;
    }
    return undefined;
  }

  #importedLevels(rig: ConferenceRig): AudioSample[] {
    const samples: AudioSample[] = [];
    for (const other of this.rigs) {
      if (other === rig) continue;
      for (const [client, level] of other.levels) {
        const leg = this.legAt(rig, client);
        if (leg === undefined || other.closed.has(client.leg) || !this.arrives(rig, client, 'audio'))
          continue;
        samples.push({
          leg,
          packets: 3,
          meanLevel: level,
          peakLevel: level,
          voicePackets: level < 100 ? 3 : 0,
        });
      }
    }
    return samples;
  }
}
