import { type NowMs, type RandomBytes, randomUint32 } from '@conclave/bytes';
import type { StreamRequest, UserHash } from '@conclave/econn';
import type { LegId, LinkId } from './conference-effect.ts';
import type { ConferenceLimits } from './conference-options.ts';
import { MessageBudget } from './message-budget.ts';
import { ParticipantProps } from './properties.ts';
import type { VideoStream } from './video-stream.ts';

/** What the answer to a leg's offer settled. */
export interface LegAnswer {
  /**
   * SSRC of the audio the client sends; undefined (or 0) when the answer does not name it, which holds the client back
   * until it is seen. For a client that will never send audio any unused number does.
   */
  readonly audioSsrc: number | undefined;
  /** Video the client may send: nothing, one stream, or the layers low and high. */
  readonly video: 'none' | 'single' | 'simulcast';
  /** Shared audio slots the client receives; 0 for a client without any, which hears nobody. */
  readonly audioSlots: number;
  /** Video slots the client receives. */
  readonly videoSlots: number;
  /** Whether constant bit rate was settled for audio; only reported back to the client. Default true. */
  readonly audioCbr?: boolean;
}

/** One transport of a caller, as the conference sees it. */
export class Leg {
  readonly id: LegId;
  readonly caller: Caller;
  /** It was offered by an UPDATE. */
  readonly update: boolean;
  /** Its caller knows the conference from elsewhere. */
  readonly startsElsewhere: boolean;
  /** What its client may still say. */
  readonly budget: MessageBudget;
  /** Only an open leg is told anything; one that is being hung up waits for the confirmation. */
  state: 'offered' | 'answered' | 'open' | 'hanging-up' | 'remote' | 'closed' = 'offered';
  /** Set with the state `answered`. */
  answer: LegAnswer | undefined;
  /** Undefined until known. */
  audioSsrc: number | undefined;
  /** Its caller comes from a server that hands its conferences over, and keeps its place in the list. */
  keepsPlace = false;
  /** The forwarding plane has it as a receiver of the audio slots. */
  joinedAudio = false;
  /** The video its client may send, layer by layer. */
  streams: readonly VideoStream[] = [];

  constructor(
    now: NowMs,
    caller: Caller,
    request: { readonly leg: LegId; readonly update: boolean; readonly startsElsewhere: boolean },
    limits: ConferenceLimits,
  ) {
    this.id = request.leg;
    this.caller = caller;
    this.update = request.update;
    this.startsElsewhere = request.startsElsewhere;
    this.budget = new MessageBudget(now, limits.messagesPerSecond, limits.messageBurst);
  }
}

/**
 * One client in the conference. It is listed (visible to the others, as a participant) from the opening of its data
 * channel on.
 */
export class Caller {
  readonly userId: UserHash;
  readonly clientId: string;
  /** Stands for the caller's video in lists and as a CSRC; stays when the caller comes anew. */
  readonly videoSsrc: number;
  /** What the caller said about itself. */
  readonly props: ParticipantProps;
  /** The leg with the open channel, which carries media. */
  current: Leg | undefined;
  /** A newer leg that is not up yet. */
  pending: Leg | undefined;
  /** Audio SSRC in the list; meaningful while listed. */
  audioSsrc = 0;
  /** Grows with every listing; meaningful while listed. */
  joinIndex = 0;
  /** The link over which it comes, for a participant at another server. */
  home: LinkId | undefined;
  /** The others see it. */
  listed = false;
  /** Whose video the client asked for last, by slot. Stays over updates: clients do not repeat it. */
  wanted: readonly StreamRequest[] = [];

  constructor(userId: UserHash, clientId: string, videoSsrc: number, limits: ConferenceLimits) {
    this.userId = userId;
    this.clientId = clientId;
    this.videoSsrc = videoSsrc;
    this.props = new ParticipantProps(limits.maxUnknownPropsLength);
  }

  /** It is here or on its way here, rather than at another server alone. */
  get isLocal(): boolean {
    return this.home === undefined || this.pending !== undefined;
  }

  /** The leg, if its client can be told something. */
  get reachable(): Leg | undefined {
    return this.current?.state === 'open' ? this.current : undefined;
  }
}

/** Who is in the conference, over which legs, and in which order. */
export class Membership {
  readonly #random: RandomBytes;
  readonly #limits: ConferenceLimits;
  readonly #legs = new Map<LegId, Leg>();
  readonly #callers = new Map<string, Caller>();
  readonly #callersOfUser = new Map<string, Caller[]>();
  #order: Caller[] = [];
  #nextJoinIndex = 0;

  constructor(random: RandomBytes, limits: ConferenceLimits) {
    this.#random = random;
    this.#limits = limits;
  }

  /** Listed callers in the order of their listing: the order of the participant list. */
  get listed(): readonly Caller[] {
    return this.#order;
  }

  /** Number of legs, whatever their state. */
  get legCount(): number {
    return this.#legs.size;
  }

  /** Number of callers, listed or not. */
  get callerCount(): number {
    return this.#callers.size;
  }

  /** Number of callers that are here, rather than at another server. */
  get localCount(): number {
    let count = 0;
    for (const caller of this.#callers.values()) if (caller.isLocal) count++;
    return count;
  }

  /** All legs, in the order of adding. */
  get legs(): IterableIterator<Leg> {
    return this.#legs.values();
  }

  /** The leg of that id, unless it is gone. */
  leg(id: LegId): Leg | undefined {
    return this.#legs.get(id);
  }

  /** The caller of exactly these ids. */
  caller(userId: string, clientId: string): Caller | undefined {
    return this.#callers.get(callerKey(userId, clientId));
  }

  /** Callers with this user hash; usually at most one, because the hash covers the device. */
  callersOf(userId: string): readonly Caller[] {
    return this.#callersOfUser.get(userId) ?? [];
  }

  /** Adds a caller. `videoSsrc` is given when it continues an earlier one. */
  addCaller(userId: UserHash, clientId: string, videoSsrc?: number): Caller {
    const caller = new Caller(userId, clientId, videoSsrc ?? this.#freshSsrc(), this.#limits);
    this.#callers.set(callerKey(userId, clientId), caller);
    const ofUser = this.#callersOfUser.get(userId);
    if (ofUser === undefined) this.#callersOfUser.set(userId, [caller]);
    else ofUser.push(caller);
    return caller;
  }

  /** Forgets the caller; its legs must be gone. */
  removeCaller(caller: Caller): void {
    this.unlist(caller);
    this.#callers.delete(callerKey(caller.userId, caller.clientId));
    const rest = this.callersOf(caller.userId).filter((other) => other !== caller);
    if (rest.length === 0) this.#callersOfUser.delete(caller.userId);
    else this.#callersOfUser.set(caller.userId, rest);
  }

  /** Makes the leg known by its id. */
  addLeg(leg: Leg): void {
    this.#legs.set(leg.id, leg);
  }

  /** Forgets the leg's id. */
  removeLeg(leg: Leg): void {
    this.#legs.delete(leg.id);
  }

  /** Puts the caller at the end of the list, with the SSRC of its current leg and a new index. */
  list(caller: Caller, audioSsrc: number): void {
    this.unlist(caller);
    caller.listed = true;
    caller.audioSsrc = audioSsrc;
    caller.joinIndex = this.#nextJoinIndex++;
    this.#order.push(caller);
  }

  /** Gives the list the order of these indices, which come from the server that orders it; others follow in theirs. */
  arrange(indexOf: ReadonlyMap<Caller, number>): void {
    const known = this.#order.filter((caller) => indexOf.has(caller));
    for (const caller of known) caller.joinIndex = indexOf.get(caller)!;
    known.sort((a, b) => a.joinIndex - b.joinIndex);
    const rest = this.#order.filter((caller) => !indexOf.has(caller));
    this.#nextJoinIndex = Math.max(this.#nextJoinIndex, ...known.map((caller) => caller.joinIndex + 1));
    for (const caller of rest) caller.joinIndex = this.#nextJoinIndex++;
    this.#order = [...known, ...rest];
  }

  /** Whether anybody is here, rather than at another server. */
  get hasLocals(): boolean {
    for (const leg of this.#legs.values()) if (leg.state !== 'remote') return true;
    return false;
  }

  /** Takes the caller off the list. */
  unlist(caller: Caller): void {
    if (!caller.listed) return;
    caller.listed = false;
    this.#order = this.#order.filter((other) => other !== caller);
  }

  /** Whether anybody but this caller uses the SSRC, for audio or as the number of its video. */
  usesSsrc(ssrc: number, except?: Caller): boolean {
    for (const caller of this.#callers.values())
      if (caller !== except && caller.videoSsrc === ssrc) return true;
    for (const leg of this.#legs.values()) if (leg.caller !== except && leg.audioSsrc === ssrc) return true;
    return false;
  }

  #freshSsrc(): number {
    for (;;) {
      const ssrc = randomUint32(this.#random);
      if (ssrc !== 0 && !this.usesSsrc(ssrc)) return ssrc;
    }
  }
}

/** The length keeps pairs apart whose joined texts are the same. */
function callerKey(userId: string, clientId: string): string {
  return `${userId.length}:${userId}${clientId}`;
}
