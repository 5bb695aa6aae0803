import { randomBytes } from 'node:crypto';
import { FormatError } from '@conclave/bytes';
import { Conference, type ConferenceTimings, type LegId } from '@conclave/conference';
import type { ConversationHash, UserHash } from '@conclave/econn';
import type { Forwarder, ForwarderEvent, GroupId, IngressId } from '@conclave/forwarder';
import type { IcePath } from '@conclave/ice';
import { type Answer, parseAnswer } from '@conclave/sdp';
import type {
  AnswerOutcome,
  AnswerRequest,
  ConferenceHost,
  ConferenceUsage,
  ConnectOutcome,
  ConnectRequest,
} from './conference-host.ts';
import { ConferenceSession } from './conference-session.ts';
import type { Anchor, AnchorRefusal, Federation, FederationOptions } from './federation.ts';
import { AUDIO_SLOTS, Leg, type LegSurroundings } from './leg.ts';
import type { LegQualityFigures } from './leg-quality.ts';
import { legOfEgress, legOfIngress, peerOf } from './rule-ids.ts';

/** What the registry needs to know of the server it belongs to. */
export interface RegistryOptions {
  readonly surroundings: LegSurroundings;
  /** Our own URL, as clients are told. */
  readonly url: string;
  readonly timings?: Partial<ConferenceTimings>;
  /** Links to other servers; absent: conferences are here alone. Made with what the registry gives it. */
  readonly federate?: (host: FederationHost) => Federation;
  /** A client named an anchor that its conference cannot be joined to. */
  readonly onAnchorRefused?: (conversation: ConversationHash, reason: AnchorRefusal) => void;
  readonly onJoined?: (durationMs: number) => void;
  readonly onLegClosed?: (conversation: ConversationHash, reason: string) => void;
  /** A STUN message was dropped: it named none of our legs, or its leg found it forged, outdated or of no use. */
  readonly onStunRefused?: (reason: 'unknown-peer' | 'not-accepted') => void;
  /** A defect showed in one conference, which was ended; the others go on. */
  readonly onFault?: (conversation: ConversationHash | undefined, error: unknown) => void;
  /** What is known of the way to one client, every few seconds. */
  readonly onQuality?: (figures: LegQualityFigures) => void;
  /** The last conference has ended. */
  readonly onIdle?: () => void;
}

/** What a registry gives to the federation that it makes. */
export type FederationHost = Pick<FederationOptions, 'drawPeer' | 'sessionOf'>;

/** No leg has this id. */
const NO_LEG = 0 as LegId;
/** How long one caller's requests that came by several servers count as one. */
const SAME_OFFER_MS = 5000;
/** Spacing of the reading of audio levels. Lower: speakers are chosen sooner; higher: less work. */
const LEVELS_INTERVAL_MS = 100;
/** Spacing of the reading of layer activity, in level readings. */
const ACTIVITY_EVERY = 2;

/**
 * All conferences of one server: finds or makes the conference of a request, places it on a forwarding thread, and
 * leads the forwarder's events to the conference and leg they are about.
 */
export class ConferenceRegistry implements ConferenceHost {
  readonly #options: RegistryOptions;
  readonly #forwarder: Forwarder;
  readonly #sessions = new Map<ConversationHash, ConferenceSession>();
  readonly #sessionOfLeg = new Map<LegId, ConferenceSession>();
  readonly #legs = new Map<LegId, Leg>();
  /** Which leg an accepted TCP connection belongs to. */
  readonly #legOfConnection = new Map<number, Leg>();
  readonly #federation: Federation | undefined;
  /** Offers as they were given, for as long as their legs are there. */
  readonly #offers = new WeakMap<Leg, ConnectOutcome>();
  /** Legs of requests that another server passed on. */
  readonly #passedOn = new WeakSet<Leg>();
  readonly #packetsSeen = new Map<IngressId, number>();
  readonly #udpSockets: ReadonlySet<number>;
  readonly #ticker: NodeJS.Timeout;
  readonly #epochAtZeroMs: number;
  #ticks = 0;
  #nextLeg = 1;
  #nextGroup = 1;
  #seqno = 0;
  #draining = false;
  #conferencesTotal = 0;
  #participantsTotal = 0;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#forwarder = options.surroundings.forwarder;
    this.#epochAtZeroMs = Date.now() - options.surroundings.now();
    this.#udpSockets = new Set(
      this.#forwarder.sockets.filter((s) => s.transport === 'udp').map((s) => s.socket),
    );
    this.#federation = options.federate?.({
      drawPeer: () => peerOf(this.#nextLeg++ as LegId),
      sessionOf: (conversation) => this.#sessions.get(conversation),
    });
    this.#ticker = setInterval(() => this.#tick(), LEVELS_INTERVAL_MS);
    this.#ticker.unref();
  }

  get draining(): boolean {
    return this.#draining;
  }

  get usage(): ConferenceUsage {
    let participants = 0;
    for (const session of this.#sessions.values()) participants += session.conference.callers;
    return {
      conferences: this.#sessions.size,
      participants,
      conferencesTotal: this.#conferencesTotal,
      participantsTotal: this.#participantsTotal,
    };
  }

  /** All conferences, oldest first. */
  get sessions(): IterableIterator<ConferenceSession> {
    return this.#sessions.values();
  }

  /** Links to other servers that are up. */
  get links(): number {
    return this.#federation?.links ?? 0;
  }

  isKnownCaller(conversation: ConversationHash, userId: UserHash, clientId: string): boolean {
    return this.#sessions.get(conversation)?.conference.hasCaller(userId, clientId) ?? false;
  }

  hasConference(conversation: ConversationHash): boolean {
    return this.#sessions.has(conversation);
  }

  /** Whether the conversation has a conference in which somebody takes part, here or at a linked server. */
  hasListedParticipants(conversation: ConversationHash): boolean {
    return (this.#sessions.get(conversation)?.conference.participants ?? 0) > 0;
  }

  participantsIn(conversation: ConversationHash): number {
    return this.#sessions.get(conversation)?.conference.callers ?? 0;
  }

  connect(request: ConnectRequest, signal: AbortSignal): Promise<ConnectOutcome> {
    if (signal.aborted) return Promise.resolve({ kind: 'refused', reason: 'superseded' });
    const known = this.isKnownCaller(request.conversation, request.userId, request.clientId);
    if (this.#draining && !known) return Promise.resolve({ kind: 'refused', reason: 'draining' });
    const waiting = this.#unansweredOffer(request);
    if (waiting !== undefined) return Promise.resolve(waiting);
    const elsewhere = request.anchor !== undefined && this.#federation?.isElsewhere(request.anchor) === true;
    const session =
      this.#sessions.get(request.conversation) ??
      this.#createSession(request.conversation, elsewhere ? 'elsewhere' : 'here');
    const leg = new Leg(
      this.#options.surroundings,
      {
        id: this.#nextLeg++ as LegId,
        thread: session.thread,
        audioSlots: request.selectiveAudio ? AUDIO_SLOTS : 0,
        videoSlots: request.selectiveVideo ? request.videoSlots : 0,
        simulcast: request.simulcast,
      },
      session,
    );
    this.#legs.set(leg.id, leg);
    this.#sessionOfLeg.set(leg.id, session);
    if (!known) this.#participantsTotal += 1;
    session.addLeg(leg, (conference, now) =>
      conference.addLeg(now, {
        leg: leg.id,
        userId: request.userId,
        clientId: request.clientId,
        update: request.update,
        startsElsewhere: request.anchor !== undefined,
      }),
    );
    if (request.passedOn) this.#passedOn.add(leg);
    const reoffer = request.update && known;
    if (elsewhere && session.anchor === 'elsewhere') this.#joinAnchor(session, request.anchor!);
    const tuple = session.anchor === 'elsewhere' ? undefined : this.#federation?.tupleOf(session.thread);
    const offer: ConnectOutcome = {
      kind: 'offer',
      sdp: leg.offer,
      update: request.update,
      withUrl: !reoffer,
      withDestination: reoffer,
      ...(tuple === undefined ? {} : { tuple }),
    };
    this.#offers.set(leg, offer);
    return Promise.resolve(offer);
  }

  /**
   * A client may ask several servers at once, which all pass its request on to the one that has the conference. Then it
   * takes the first offer that it gets, so that all have to be the same.
   */
  #unansweredOffer(request: ConnectRequest): ConnectOutcome | undefined {
    const session = this.#sessions.get(request.conversation);
    const legId = session?.conference.legOf(request.userId, request.clientId);
    const leg = legId === undefined ? undefined : session?.leg(legId);
    if (leg === undefined || leg.answer !== undefined || leg.closed) return undefined;
    if (!request.passedOn && !this.#passedOn.has(leg)) return undefined;
    if (this.#options.surroundings.now() - leg.createdAt > SAME_OFFER_MS) return undefined;
    const offer = this.#offers.get(leg);
    return offer?.kind === 'offer' && offer.update === request.update ? offer : undefined;
  }

  /**
   * Takes part in a conference of another server of the installation, whose clients will come here. False if this server
   * cannot take it over.
   */
  prepare(conversation: ConversationHash, predecessor: Anchor): boolean {
    const federation = this.#federation;
    if (this.#draining || federation === undefined) return false;
    const known = this.#sessions.get(conversation);
    if (known !== undefined && !known.movable) return false;
    const session = known ?? this.#createSession(conversation, 'here');
    if (federation.join(session, predecessor, 'predecessor') === undefined) return true;
    session.endUnlessUsed();
    return false;
  }

  /** Whether this very session goes on. */
  has(session: ConferenceSession): boolean {
    return this.#sessions.get(session.conversation) === session;
  }

  /** Where another server links to take part in the conference; undefined when links are not configured. */
  tupleOf(session: ConferenceSession): string | undefined {
    return this.#federation?.tupleOf(session.thread);
  }

  answer(request: AnswerRequest): AnswerOutcome {
    const session = this.#sessions.get(request.conversation);
    const legId = session?.conference.legOf(request.userId, request.clientId);
    const leg = legId === undefined ? undefined : session?.leg(legId);
    if (!session || !leg || leg.answer || leg.closed) {
      return {
        kind: 'rejected',
        reason: 'unexpected',
        detail: 'no offer of this caller is waiting for an answer',
      };
    }
    let answer: Answer;
    try {
      answer = parseAnswer(request.sdp);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { kind: 'rejected', reason: 'unusable', detail: error.message };
    }
    session.answered(leg, answer);
    return { kind: 'accepted' };
  }

  /** Takes no new callers from now on. */
  drain(): void {
    this.#draining = true;
    if (this.#sessions.size === 0) this.#options.onIdle?.();
  }

  /** Ends everything. */
  close(): void {
    clearInterval(this.#ticker);
    for (const session of [...this.#sessions.values()]) session.dispose();
    this.#federation?.close();
    for (const leg of this.#legs.values()) leg.close();
  }

  /** Takes what the forwarder has to tell. A defect that shows in one conference ends that one alone. */
  handleForwarderEvents(events: readonly ForwarderEvent[]): void {
    for (const event of events) {
      try {
        this.#handleForwarderEvent(event);
      } catch (error) {
        this.#fault(this.#sessionOf(event), error);
      }
    }
  }

  #handleForwarderEvent(event: ForwarderEvent): void {
    switch (event.type) {
      case 'stun': {
        if (this.#federation?.owns(event.path.socket)) {
          this.#federation.handleStun(event.path, event.bytes);
          break;
        }
        const leg = this.#options.surroundings.router.route(event.bytes);
        const path = this.#icePath(event.path);
        if (leg && path.transport === 'tcp') this.#legOfConnection.set(path.socket, leg);
        if (!leg) this.#options.onStunRefused?.('unknown-peer');
        else if (!leg.handleStun(path, event.bytes)) this.#options.onStunRefused?.('not-accepted');
        break;
      }
      case 'dtls':
        if (this.#federation?.handleDtls(event.peer, event.bytes)) break;
        this.#legs.get(event.peer as number as LegId)?.handleDtls(this.#icePath(event.path), event.bytes);
        break;
      case 'path-closed':
        this.#legOfConnection.get(event.socket)?.handlePathClosed(event.socket);
        this.#legOfConnection.delete(event.socket);
        break;
      default:
        this.#sessionOf(event)?.handleForwarderEvent(event);
        break;
    }
  }

  #sessionOf(event: ForwarderEvent): ConferenceSession | undefined {
    switch (event.type) {
      case 'stun':
        return this.#sessionOfLeg.get(this.#options.surroundings.router.route(event.bytes)?.id ?? NO_LEG);
      case 'path-closed':
        return this.#sessionOfLeg.get(this.#legOfConnection.get(event.socket)?.id ?? NO_LEG);
      case 'dtls':
      case 'unknown-ssrc':
        return this.#sessionOfLeg.get(event.peer as number as LegId);
      case 'receiver-report':
        return this.#sessionOfLeg.get(legOfEgress(event.egress));
      default:
        return this.#sessionOfLeg.get(legOfIngress(event.ingress));
    }
  }

  #fault(session: ConferenceSession | undefined, error: unknown): void {
    this.#options.onFault?.(session?.conversation, error);
    session?.dispose();
  }

  #icePath(path: { socket: number; address: string; port: number }): IcePath {
    return {
      socket: path.socket,
      address: path.address,
      port: path.port,
      transport: this.#udpSockets.has(path.socket) ? 'udp' : 'tcp',
    };
  }

  #createSession(conversation: ConversationHash, anchor: 'here' | 'elsewhere'): ConferenceSession {
    const now = this.#options.surroundings.now;
    const thread = this.#leastLoadedThread();
    const conference = new Conference({
      conversation,
      url: this.#options.url,
      epochAtZeroMs: this.#epochAtZeroMs,
      random: (size) => randomBytes(size),
      nextSeqno: () => {
        this.#seqno = (this.#seqno + 1) >>> 0;
        return this.#seqno;
      },
      ...(this.#options.timings ? { timings: this.#options.timings } : {}),
    });
    const session = new ConferenceSession(
      {
        forwarder: this.#forwarder,
        now,
        onJoined: (leg) => this.#options.onJoined?.(now() - leg.createdAt),
        onQuality: (leg) => this.#options.onQuality?.(leg.quality.figures),
        onLegClosed: (leg, reason) => this.#forget(leg, conversation, reason),
        onLegReleased: (leg) => this.#legs.delete(leg.id),
        onFault: (faulty, error) => this.#fault(faulty, error),
        drawLeg: (owner) => {
          const leg = this.#nextLeg++ as LegId;
          this.#sessionOfLeg.set(leg, owner);
          return leg;
        },
        onLegDropped: (leg) => this.#sessionOfLeg.delete(leg),
        onParted: (parted) => this.#federation?.parted(parted),
        onEnded: (ended) => this.#endSession(ended),
      },
      conference,
      { conversation, group: this.#nextGroup++ as GroupId, thread, audioSlots: AUDIO_SLOTS, anchor },
    );
    this.#sessions.set(conversation, session);
    this.#conferencesTotal += 1;
    return session;
  }

  #joinAnchor(session: ConferenceSession, anchor: Anchor): void {
    const refusal = this.#federation?.join(session, anchor);
    if (refusal !== undefined) this.#options.onAnchorRefused?.(session.conversation, refusal);
  }

  #leastLoadedThread(): number {
    const load = this.#options.surroundings.socketsOfThread.map(() => 0);
    for (const session of this.#sessions.values()) load[session.thread]! += session.conference.callers;
    return load.indexOf(Math.min(...load));
  }

  #forget(leg: Leg, conversation: ConversationHash, reason: string): void {
    this.#sessionOfLeg.delete(leg.id);
    this.#options.onLegClosed?.(conversation, reason);
  }

  #endSession(session: ConferenceSession): void {
    if (this.#sessions.get(session.conversation) === session) this.#sessions.delete(session.conversation);
    for (const [id, owner] of this.#sessionOfLeg) if (owner === session) this.#sessionOfLeg.delete(id);
    this.#federation?.forget(session);
    if (this.#draining && this.#sessions.size === 0) this.#options.onIdle?.();
  }

  #tick(): void {
    if (this.#sessions.size === 0) return;
    this.#ticks += 1;
    this.#forEachSession(this.#forwarder.readAudioLevels(), (session, samples) =>
      session.audioLevels(samples),
    );
    if (this.#ticks % ACTIVITY_EVERY !== 0) return;
    const all = this.#forwarder.readIngressStats();
    const alive = new Set<IngressId>();
    const changes = all.map((stats) => {
      alive.add(stats.ingress);
      const packets = stats.packets - (this.#packetsSeen.get(stats.ingress) ?? 0);
      this.#packetsSeen.set(stats.ingress, stats.packets);
      return { ingress: stats.ingress, stats, packets };
    });
    for (const ingress of this.#packetsSeen.keys())
      if (!alive.has(ingress)) this.#packetsSeen.delete(ingress);
    this.#forEachSession(changes, (session, samples) => session.layerActivity(samples));
  }

  /** Gives every conference the samples of its own streams, none included. */
  #forEachSession<Sample extends { readonly ingress: IngressId }>(
    samples: readonly Sample[],
    give: (session: ConferenceSession, samples: readonly Sample[]) => void,
  ): void {
    const grouped = new Map<ConferenceSession, Sample[]>();
    for (const session of this.#sessions.values()) grouped.set(session, []);
    for (const sample of samples) {
      const session = this.#sessionOfLeg.get(legOfIngress(sample.ingress));
      if (session) grouped.get(session)?.push(sample);
    }
    for (const [session, own] of grouped) {
      try {
        give(session, own);
      } catch (error) {
        this.#fault(session, error);
      }
    }
  }
}
