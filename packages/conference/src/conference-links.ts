import type { NowMs } from '@conclave/bytes';
import type { LinkMessage, LinkParticipant, LinkParticipantId, Props } from '@conclave/econn';
import type { Authorisation } from './authorisation.ts';
import type { LinkId, VideoLayer } from './conference-effect.ts';
import { ConferenceLink, type LinkOptions, nameOf } from './conference-link.ts';
import type { ConferenceLimits, ConferenceTimings } from './conference-options.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { MediaRules } from './media-rules.ts';
import { type Caller, Leg, type Membership } from './membership.ts';
import { VideoStream } from './video-stream.ts';

/** What the links need of the conference they belong to. */
export interface ConferenceLinksOptions {
  readonly conversation: string;
  /** URL by which clients know this server. */
  readonly url: string;
  readonly membership: Membership;
  readonly authorisation: Authorisation;
  readonly media: MediaRules;
  readonly effects: EffectQueue;
  readonly timings: ConferenceTimings;
  readonly limits: ConferenceLimits;
  /** The leg carries its caller's media from now on; unless it keeps its place, the caller goes to the end of the list. */
  readonly takeOver: (now: NowMs, leg: Leg, keepsPlace: boolean) => void;
  /** Ends what stands here for a caller at another server. */
  readonly retire: (now: NowMs, caller: Caller) => void;
  /** Replaces whom the caller authorises. */
  readonly authorise: (caller: Caller, targets: ReadonlySet<Caller>) => void;
  /** The caller said something about itself. */
  readonly say: (now: NowMs, caller: Caller, props: Props) => void;
  /** The list, or what it says besides participants, changed. */
  readonly relist: () => void;
}

/**
 * The part of a conference that is at other servers. Of the participants there it makes callers with legs that no client
 * is behind; to the other servers it tells everything about those here, and sends what somebody there may and wants to
 * have: audio of who is in a slot, video of who is watched, in the layers that are watched, once for all.
 *
 * One of the servers is the anchor. Joiners have one link, to it; it has one to each of them and passes on between them.
 */
export class ConferenceLinks {
  readonly #options: ConferenceLinksOptions;
  readonly #links = new Map<LinkId, ConferenceLink>();
  /** Callers whose authorisations changed since they were told. */
  readonly #authorisers = new Set<Caller>();

  constructor(options: ConferenceLinksOptions) {
    this.#options = options;
  }

  /** Number of links. */
  get size(): number {
    return this.#links.size;
  }

  /** URLs of the other servers, as they named themselves. */
  get urls(): string[] {
    const others = [...this.#links.values()].filter((link) => link.sister === undefined);
    return others.flatMap((link) => (link.url === undefined ? [] : [link.url]));
  }

  /** Whether the conference is needed here although nobody is: others joined it, or are about to be moved here. */
  get needed(): boolean {
    for (const link of this.#links.values()) {
      if (link.sister === 'predecessor' || (link.role === 'anchor' && link.sister === undefined)) return true;
    }
    return false;
  }

  /** Whether callers of this server are being moved to another one. */
  get hasSuccessor(): boolean {
    for (const link of this.#links.values()) if (link.sister === 'successor') return true;
    return false;
  }

  /** Whether the caller is at a server whose callers are being moved here. */
  awaits(caller: Caller): boolean {
    return caller.home !== undefined && this.#links.get(caller.home)?.sister === 'predecessor';
  }

  /** The caller is here now, and not at another server any more. */
  arrived(caller: Caller): void {
    for (const link of this.#links.values()) link.remote.delete(nameOf(caller));
    caller.home = undefined;
  }

  /** Whether the caller's server can be reached at present. */
  reaches(caller: Caller): boolean {
    return caller.home !== undefined && this.#links.has(caller.home);
  }

  /** A connection to another server of the conference is there. */
  open(options: LinkOptions): void {
    const link = new ConferenceLink(this.#options.conversation, this.#options.effects, options);
    this.#links.set(link.id, link);
    link.tell('hello', { type: 'hello', url: this.#options.url });
    this.#options.relist();
  }

  /** The connection is gone. Who is behind it stays listed for a while: it may come back. */
  close(now: NowMs, id: LinkId): void {
    const link = this.#links.get(id);
    if (link === undefined) return;
    this.#links.delete(id);
    for (const { caller } of [...link.remote.values()]) this.#options.retire(now, caller);
    this.#options.relist();
  }

  /** Parts from all other servers, because nobody is here any more. */
  leave(now: NowMs): void {
    for (const link of [...this.#links.values()]) {
      link.tell('bye', { type: 'bye' });
      this.#part(now, link);
    }
  }

  /** Takes what another server said. Of participants that it did not name as its own nothing is taken. */
  handleMessage(now: NowMs, id: LinkId, message: LinkMessage): void {
    const link = this.#links.get(id);
    if (link === undefined || message.conversation.toLowerCase() !== this.#options.conversation.toLowerCase())
      return;
    switch (message.type) {
      case 'hello':
        link.url = message.url;
        this.#options.relist();
        return;
      case 'participants':
        this.#handleParticipants(now, link, message.participants);
        return;
      case 'authorisation': {
        const remote = link.remote.get(nameOf(message));
        if (remote === undefined) return;
        remote.authorised = message.authorised;
        this.#options.authorise(remote.caller, this.#known(remote.authorised));
        return;
      }
      case 'props': {
        const remote = link.remote.get(nameOf(message));
        if (remote !== undefined) this.#options.say(now, remote.caller, message.props);
        return;
      }
      case 'layers':
        this.#handleLayers(now, link, message, message.active);
        return;
      case 'wants':
        link.wants = message.streams;
        return;
      case 'wishes': {
        const remote = link.remote.get(nameOf(message));
        if (remote !== undefined && link.sister === 'predecessor')
          remote.caller.wanted = message.streams.slice(0, this.#options.limits.maxVideoSlots);
        return;
      }
      case 'bye':
        this.#part(now, link);
        return;
    }
  }

  /** The caller wants to see others than before. */
  wishesChanged(caller: Caller): void {
    for (const link of this.#links.values()) if (this.#exports(link, caller)) this.#tellWishes(link, caller);
  }

  /** The caller authorises others than before. */
  authorisationChanged(caller: Caller): void {
    if (this.#links.size > 0) this.#authorisers.add(caller);
  }

  /** Tells of what the caller says about itself. */
  propsChanged(caller: Caller): void {
    for (const link of this.#links.values()) if (this.#exports(link, caller)) this.#tellProps(link, caller);
  }

  /** Some layer fell silent or began to bring packets. */
  layersChanged(now: NowMs): void {
    for (const link of this.#links.values())
      for (const caller of link.exported) this.#tellLayers(now, link, caller);
  }

  /** The caller is gone. */
  forgetCaller(caller: Caller): void {
    this.#authorisers.delete(caller);
    for (const link of this.#links.values()) {
      link.forgetExports(caller);
      if (link.remote.get(nameOf(caller))?.caller === caller) link.remote.delete(nameOf(caller));
    }
  }

  /** Tells all servers who takes part, after a change; paced by the caller as lists to clients are. */
  announce(now: NowMs): void {
    for (const link of this.#links.values()) {
      const { listed } = this.#options.membership;
      const exported = listed.filter((caller) => this.#exports(link, caller));
      const told = link.role === 'anchor' ? listed : exported;
      link.tell('participants', {
        type: 'participants',
        participants: told.map((caller) => this.#describe(link, caller)),
      });
      const kept = new Set(exported);
      for (const caller of [...link.exported]) if (!kept.has(caller)) link.forgetExports(caller);
      for (const caller of exported) {
        this.#tellProps(link, caller);
        this.#tellLayers(now, link, caller);
        this.#tellAuthorisation(link, caller);
        this.#tellWishes(link, caller);
      }
    }
  }

  /** Brings what flows over the links in line with who speaks, is watched and is authorised. */
  settle(): void {
    if (this.#links.size === 0) return;
    for (const link of this.#links.values()) {
      for (const caller of this.#authorisers)
        if (this.#exports(link, caller)) this.#tellAuthorisation(link, caller);
    }
    this.#authorisers.clear();
    const watched = this.#watched();
    for (const link of this.#links.values()) {
      this.#send(link);
      const wanted = watched.filter((stream) => stream.leg.caller.home === link.id);
      link.tell('wants', {
        type: 'wants',
        streams: wanted.map(({ leg, layer }) => ({
          userId: leg.caller.userId,
          clientId: leg.caller.clientId,
          layer,
        })),
      });
    }
  }

  /** Ends the link for good: nobody behind it is waited for. */
  #part(now: NowMs, link: ConferenceLink): void {
    this.#options.effects.push({ type: 'close-link', link: link.id });
    for (const { caller } of link.remote.values()) caller.home = undefined;
    this.close(now, link.id);
  }

  #handleParticipants(now: NowMs, link: ConferenceLink, participants: readonly LinkParticipant[]): void {
    const { membership } = this.#options;
    const named = new Set<string>();
    const indexOf = new Map<Caller, number>();
    for (const entry of participants) {
      const name = nameOf(entry);
      const known = membership.caller(entry.userId, entry.clientId);
      const foreign = known !== undefined && !this.#mayClaim(link, known);
      if (!foreign && entry.streams.length > 0) {
        named.add(name);
        const streams = `${entry.audioSsrc} ${entry.videoSsrc} ${JSON.stringify(entry.streams)}`;
        const told = link.remote.get(name);
        if (told?.streams !== streams || told.caller.current === undefined) {
          const caller = this.#adopt(now, link, entry, known);
          if (caller !== undefined) {
            link.remote.set(name, { caller, streams, authorised: told?.authorised ?? [] });
          }
        }
      }
      const caller = membership.caller(entry.userId, entry.clientId);
      if (caller?.listed) indexOf.set(caller, entry.joinIndex);
    }
    for (const [name, { caller }] of [...link.remote]) {
      if (named.has(name)) continue;
      link.remote.delete(name);
      caller.home = undefined;
      this.#options.retire(now, caller);
    }
    if (link.role === 'joiner') membership.arrange(indexOf);
    this.#options.relist();
    // Those who were authorised by name may be known only now.
    for (const other of this.#links.values()) {
      for (const { caller, authorised } of other.remote.values())
        this.#options.authorise(caller, this.#known(authorised));
    }
  }

  /** A participant here, or behind another link that is up, is not the other server's to tell of: but a successor's. */
  #mayClaim(link: ConferenceLink, caller: Caller): boolean {
    if (caller.home === undefined) return link.sister === 'successor';
    return caller.home === link.id || !this.reaches(caller);
  }

  #adopt(
    now: NowMs,
    link: ConferenceLink,
    entry: LinkParticipant,
    known: Caller | undefined,
  ): Caller | undefined {
    const { membership, limits, timings, effects } = this.#options;
    if (known === undefined && membership.callerCount >= limits.maxParticipants) return undefined;
    // Clients would take one for the other.
    if (membership.usesSsrc(entry.audioSsrc, known) || membership.usesSsrc(entry.videoSsrc, known))
      return undefined;
    if (known !== undefined && known.videoSsrc !== entry.videoSsrc) {
      known.home = undefined;
      this.#options.retire(now, known);
    }
    const caller =
      membership.caller(entry.userId, entry.clientId) ??
      membership.addCaller(entry.userId as Caller['userId'], entry.clientId, entry.videoSsrc);
    caller.home = link.id;
    const leg = new Leg(
      now,
      caller,
      { leg: link.options.drawLeg(), update: false, startsElsewhere: true },
      limits,
    );
    const layers = entry.streams.flatMap(({ stream }) => (stream === 'audio' ? [] : [stream]));
    leg.state = 'remote';
    leg.audioSsrc = entry.audioSsrc;
    leg.answer = {
      audioSsrc: entry.audioSsrc,
      video: layers.length === 0 ? 'none' : layers.includes('single') ? 'single' : 'simulcast',
      audioSlots: 0,
      videoSlots: 0,
    };
    leg.streams = layers.map((layer) => {
      const stream = new VideoStream(leg, layer, timings);
      stream.remoteStatus = 'silent';
      return stream;
    });
    membership.addLeg(leg);
    effects.push({
      type: 'import-leg',
      leg: leg.id,
      link: link.id,
      streams: entry.streams,
      audioCsrc: entry.audioSsrc,
      videoCsrc: entry.videoSsrc,
    });
    this.#options.takeOver(now, leg, link.sister === 'successor' && caller === known && caller.listed);
    return caller;
  }

  #handleLayers(
    now: NowMs,
    link: ConferenceLink,
    id: LinkParticipantId,
    active: readonly VideoLayer[],
  ): void {
    const leg = link.remote.get(nameOf(id))?.caller.current;
    if (leg === undefined) return;
    for (const stream of leg.streams)
      stream.remoteStatus = active.includes(stream.layer) ? 'steady' : 'silent';
    this.#options.media.handleActivity(now, []);
    this.layersChanged(now);
  }

  /** Whether this server tells the other one of the caller: joiners of their own people only. */
  #exports(link: ConferenceLink, caller: Caller): boolean {
    if (!caller.listed) return false;
    return link.role === 'anchor' ? caller.home !== link.id : caller.home === undefined;
  }

  #describe(link: ConferenceLink, caller: Caller): LinkParticipant {
    const leg = caller.current;
    return {
      userId: caller.userId,
      clientId: caller.clientId,
      audioSsrc: caller.audioSsrc,
      videoSsrc: caller.videoSsrc,
      joinIndex: caller.joinIndex,
      streams: this.#exports(link, caller) ? link.exportsOf(caller, leg) : [],
    };
  }

  #tellProps(link: ConferenceLink, caller: Caller): void {
    if (caller.props.empty) return;
    const { userId, clientId } = caller;
    link.tell(`props ${nameOf(caller)}`, { type: 'props', userId, clientId, props: caller.props.all() });
  }

  #tellLayers(now: NowMs, link: ConferenceLink, caller: Caller): void {
    const streams = caller.current?.streams ?? [];
    if (streams.length === 0) return;
    const { userId, clientId } = caller;
    const active = streams.filter((stream) => stream.status(now) !== 'silent').map((stream) => stream.layer);
    link.tell(`layers ${nameOf(caller)}`, { type: 'layers', userId, clientId, active });
  }

  /** Clients do not repeat what they want to see: who takes them over has to know. */
  #tellWishes(link: ConferenceLink, caller: Caller): void {
    if (link.sister !== 'successor' || caller.home !== undefined) return;
    const { userId, clientId, wanted } = caller;
    link.tell(`wishes ${nameOf(caller)}`, { type: 'wishes', userId, clientId, streams: wanted });
  }

  #tellAuthorisation(link: ConferenceLink, caller: Caller): void {
    const { userId, clientId } = caller;
    const behind = [...this.#options.authorisation.authorisedBy(caller)].filter(
      (other) => other.home === link.id,
    );
    link.tell(`authorisation ${nameOf(caller)}`, {
      type: 'authorisation',
      userId,
      clientId,
      authorised: behind.map((other) => ({ userId: other.userId, clientId: other.clientId })),
    });
  }

  /** Streams from other servers that somebody here, or behind another link, may see and watches. */
  #watched(): VideoStream[] {
    const watched = new Set<VideoStream>();
    for (const stream of this.#options.media.watchedStreams())
      if (stream.leg.caller.home !== undefined) watched.add(stream);
    for (const link of this.#links.values()) {
      for (const stream of this.#wantedBy(link))
        if (stream.leg.caller.home !== undefined) watched.add(stream);
    }
    return [...watched];
  }

  /** Streams that the server behind the link wants and somebody there may have. */
  #wantedBy(link: ConferenceLink): VideoStream[] {
    return link.wants.flatMap((want) => {
      const caller = this.#options.membership.caller(want.userId, want.clientId);
      if (caller === undefined || !this.#exports(link, caller) || !this.#mayGo(link, caller)) return [];
      return caller.current?.streams.filter((stream) => stream.layer === want.layer) ?? [];
    });
  }

  #send(link: ConferenceLink): void {
    const wanted = new Map<Caller, Set<VideoLayer | 'audio'>>();
    const add = (caller: Caller, stream: VideoLayer | 'audio'): void => {
      const streams = wanted.get(caller);
      if (streams === undefined) wanted.set(caller, new Set([stream]));
      else streams.add(stream);
    };
    for (const legId of this.#options.media.speakingLegs) {
      const caller = this.#options.membership.leg(legId)?.caller;
      if (caller !== undefined && this.#exports(link, caller) && this.#mayGo(link, caller))
        add(caller, 'audio');
    }
    for (const { leg, layer } of this.#wantedBy(link)) add(leg.caller, layer);
    const nothing: ReadonlySet<VideoLayer | 'audio'> = new Set();
    for (const caller of link.exported) link.send(caller, wanted.get(caller) ?? nothing);
  }

  /** Nothing of anybody leaves for a server where nobody may have it. */
  #mayGo(link: ConferenceLink, caller: Caller): boolean {
    for (const other of this.#options.authorisation.authorisedBy(caller)) {
      if (other.home === link.id && this.#options.authorisation.authorises(other, caller)) return true;
    }
    return false;
  }

  #known(ids: readonly LinkParticipantId[]): Set<Caller> {
    const callers = new Set<Caller>();
    for (const { userId, clientId } of ids) {
      const caller = this.#options.membership.caller(userId, clientId);
      if (caller?.listed) callers.add(caller);
    }
    return callers;
  }
}
