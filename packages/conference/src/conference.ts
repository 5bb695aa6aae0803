import type { NowMs } from '@conclave/bytes';
import type { LinkMessage, Props } from '@conclave/econn';
import type { AudioSample } from './audio-slots.ts';
import { Authorisation, authorisedTargets } from './authorisation.ts';
import { ClientMessages } from './client-messages.ts';
import type { CloseReason, ConferenceEffect, LegId, LinkId, VideoLayer } from './conference-effect.ts';
import type { LinkOptions } from './conference-link.ts';
import { ConferenceLinks } from './conference-links.ts';
import {
  type ConferenceLimits,
  type ConferenceOptions,
  type ConferenceTimings,
  DEFAULT_LIMITS,
  DEFAULT_TIMINGS,
  type LegRequest,
} from './conference-options.ts';
import {
  type ConferenceSnapshot,
  type ConferenceStats,
  count,
  describeParticipants,
  type ParticipantDescription,
} from './conference-stats.ts';
import { DeadlineMap, earlierOf } from './deadline-map.ts';
import { EffectQueue } from './effect-queue.ts';
import { Liveness } from './liveness.ts';
import { MediaRules } from './media-rules.ts';
import { type Caller, Leg, type LegAnswer, Membership } from './membership.ts';
import { PropsFanOut } from './properties.ts';
import { RosterBroadcast } from './roster-broadcast.ts';
import type { LayerSample, SlotSwitch } from './video-selection.ts';
import { streamsOf } from './video-stream.ts';

/**
 * One conference: who is in it, who may get whose media, who is heard and seen, and what everybody is told. A state
 * machine without clock, sockets or ids of its own: inputs are calls, outputs are effects to be polled after each
 * input, and {@link Conference.handleTimeout} is to be called when {@link Conference.pollTimeout} says.
 */
export class Conference {
  readonly #timings: ConferenceTimings;
  readonly #limits: ConferenceLimits;
  readonly #effects = new EffectQueue();
  readonly #membership: Membership;
  readonly #authorisation = new Authorisation();
  readonly #liveness: Liveness;
  readonly #roster: RosterBroadcast;
  readonly #propsFanOut: PropsFanOut;
  readonly #media: MediaRules;
  readonly #links: ConferenceLinks;
  /** When listed callers without a live leg are taken off the list, although a new leg may still come up. */
  readonly #grace = new DeadlineMap<Caller>();
  #retired: { readonly leg: Leg; readonly reason: CloseReason }[] = [];
  /** Somebody was here, so that the end can come. */
  #inhabited = false;
  #closing = false;
  #ended = false;
  #listings = 0;
  readonly #messages: ClientMessages;
  readonly #closedLegs: Partial<Record<CloseReason, number>> = {};

  constructor(options: ConferenceOptions) {
    this.#timings = { ...DEFAULT_TIMINGS, ...options.timings };
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#membership = new Membership(options.random, this.#limits);
    this.#liveness = new Liveness(this.#timings);
    this.#roster = new RosterBroadcast(this.#membership, this.#effects, {
      ...options,
      timings: this.#timings,
      linkCount: () => this.#links.size,
      otherUrls: () => this.#links.urls,
    });
    this.#propsFanOut = new PropsFanOut(this.#authorisation, this.#effects, this.#timings.propsIntervalMs);
    this.#media = new MediaRules({
      membership: this.#membership,
      authorisation: this.#authorisation,
      effects: this.#effects,
      timings: this.#timings,
      limits: this.#limits,
    });
    this.#messages = new ClientMessages(options.conversation, this.#effects, {
      alive: (now, leg) => this.#liveness.arm(now, leg),
      say: (now, leg, props) => this.#say(now, leg.caller, props),
      authorise: (leg, participants) =>
        this.#authorise(leg.caller, authorisedTargets(this.#membership, leg.caller, participants)),
      watch: ({ caller }, streams) => {
        caller.wanted = streams.slice(0, this.#limits.maxVideoSlots);
        this.#media.wishesChanged(caller);
        this.#links.wishesChanged(caller);
      },
      hungUp: (now, leg) => this.#retireCaller(now, leg.caller, 'hangup'),
    });
    this.#links = new ConferenceLinks({
      conversation: options.conversation,
      url: options.url,
      membership: this.#membership,
      authorisation: this.#authorisation,
      media: this.#media,
      effects: this.#effects,
      timings: this.#timings,
      limits: this.#limits,
      takeOver: (now, leg, keepsPlace) => {
        this.#takeOver(now, leg);
        this.#list(leg, keepsPlace);
      },
      retire: (now, caller) => this.#retireRemote(now, caller),
      authorise: (caller, targets) => this.#authorise(caller, targets),
      say: (now, caller, props) => this.#say(now, caller, props),
      relist: () => this.#roster.markChanged(),
    });
  }

  /** No leg is left. True from the beginning until the first one is added. */
  get empty(): boolean {
    return this.#membership.legCount === 0;
  }

  /** The limit of participants is reached: a new caller should be refused. */
  get full(): boolean {
    return this.#membership.callerCount >= this.#limits.maxParticipants;
  }

  /** Number of participants in the list. */
  get participants(): number {
    return this.#membership.listed.length;
  }

  /** Number of callers of this server, those included whose channel is not open yet. */
  get callers(): number {
    return this.#membership.localCount;
  }

  /** Totals for metrics. */
  get stats(): ConferenceStats {
    return {
      listings: this.#listings,
      messages: this.#messages.heard,
      ignoredMessages: { ...this.#messages.ignored },
      closedLegs: { ...this.#closedLegs },
      rosterBroadcasts: this.#roster.broadcasts,
      keyFrameRequests: this.#media.keyFrameRequests,
      speakerChanges: this.#media.speakerChanges,
    };
  }

  /** The present state, for metrics. */
  snapshot(): ConferenceSnapshot {
    return {
      participants: this.participants,
      callers: this.#membership.callerCount,
      legs: this.#membership.legCount,
      muted: this.#membership.listed.filter((caller) => caller.props.muted).length,
      speakers: this.#media.speakers,
      started: this.#roster.started,
    };
  }

  /** Everybody in the list, in its order, for operators who look at a call. */
  describe(): ParticipantDescription[] {
    return describeParticipants(this.#membership.listed, (leg) => this.#media.slotOf(leg));
  }

  /** Whether exactly this client has a call here, in whatever state. */
  hasCaller(userId: string, clientId: string): boolean {
    return this.#local(userId, clientId) !== undefined;
  }

  /** The caller's newest leg: the one that an answer is for. */
  legOf(userId: string, clientId: string): LegId | undefined {
    const caller = this.#local(userId, clientId);
    return (caller?.pending ?? caller?.current)?.id;
  }

  /**
   * A caller was offered a transport. Without `update` an earlier call of the same caller ends at once; with it the
   * earlier leg serves until the channel of the new one opens. An update of an unknown caller is a new call in a
   * conference that was started before. Throws `TypeError` when the leg's id is in use.
   */
  addLeg(now: NowMs, request: LegRequest): void {
    if (this.#membership.leg(request.leg) !== undefined) throw new TypeError('the leg exists already');
    if (this.#closing || this.#ended) {
      this.#effects.push({ type: 'close-leg', leg: request.leg, reason: 'ended' });
      return;
    }
    this.#inhabited = true;
    const caller = this.#admit(now, request);
    const leg = new Leg(now, caller, request, this.#limits);
    leg.keepsPlace = this.#links.awaits(caller);
    const waiting = caller.pending;
    caller.pending = leg;
    this.#membership.addLeg(leg);
    this.#liveness.arm(now, leg);
    if (waiting !== undefined) this.#retireLeg(now, waiting, 'replaced');
    this.#settle(now);
  }

  /** The client answered the offer. Ignored for a leg that is gone, and when it was answered before. */
  legAnswered(now: NowMs, legId: LegId, answer: LegAnswer): void {
    const leg = this.#membership.leg(legId);
    if (leg?.state !== 'offered') return;
    leg.state = 'answered';
    leg.answer = answer;
    leg.streams = streamsOf(leg, answer, this.#timings);
    this.#liveness.arm(now, leg);
    if (answer.audioSsrc !== undefined) this.#assignSsrc(now, leg, answer.audioSsrc);
    this.#settle(now);
  }

  /**
   * The SSRC of the client's audio, which its answer did not name, was seen on its packets. Until then the client
   * neither appears in lists nor gets any.
   */
  audioSsrcLearned(now: NowMs, legId: LegId, ssrc: number): void {
    const leg = this.#membership.leg(legId);
    if (leg?.answer === undefined || leg.audioSsrc !== undefined) return;
    this.#assignSsrc(now, leg, ssrc);
    if (leg.caller.current === leg) this.#list(leg);
    this.#settle(now);
  }

  /** The leg's data channel is open: the client can be told things, and takes part from now on. */
  channelOpened(now: NowMs, legId: LegId): void {
    const leg = this.#membership.leg(legId);
    if (leg?.state !== 'answered' || leg.answer === undefined) return;
    leg.state = 'open';
    this.#liveness.arm(now, leg);
    if (leg.startsElsewhere) this.#roster.started = true;
    const { caller } = leg;
    const isMoved = caller.listed && leg.keepsPlace;
    if (caller.home !== undefined) this.#links.arrived(caller);
    this.#takeOver(now, leg);
    if (leg.answer.audioSlots > 0) {
      leg.joinedAudio = true;
      this.#effects.push({ type: 'join-audio', leg: leg.id });
    }
    this.#messages.sendServerProps(leg, false);
    this.#list(leg, isMoved);
    this.#settle(now);
  }

  /** A text came on the leg's data channel. Bad ones are counted and otherwise ignored; a flood ends the call. */
  message(now: NowMs, legId: LegId, text: string): void {
    const leg = this.#membership.leg(legId);
    if (leg === undefined) return;
    if (!this.#messages.handle(now, leg, text)) this.#retireCaller(now, leg.caller, 'message-rate');
    this.#settle(now);
  }

  /** The leg's data channel or transport is gone. */
  legClosed(now: NowMs, legId: LegId, _reason: string): void {
    const leg = this.#membership.leg(legId);
    if (leg === undefined) return;
    this.#retireLeg(now, leg, 'transport-lost');
    this.#settle(now);
  }

  /** The reading of all audio levels, each 100 ms. A leg that is missing was silent. */
  audioLevels(now: NowMs, samples: readonly AudioSample[]): void {
    this.#media.handleLevels(now, samples);
    this.#settle(now);
  }

  /** A leg that is in no slot just became loud: decides at once, so that its first word is heard. */
  audioOnset(now: NowMs, leg: LegId): void {
    this.#media.handleOnset(now, leg);
    this.#settle(now);
  }

  /** The reading of all video layers, each 250 ms. */
  layerActivity(now: NowMs, samples: readonly LayerSample[]): void {
    if (this.#media.handleActivity(now, samples)) this.#links.layersChanged(now);
  }

  /** A receiver of the layer cannot decode it, or the forwarding plane wants a key frame for another reason. */
  keyFrameNeeded(now: NowMs, legId: LegId, layer: VideoLayer): void {
    const leg = this.#membership.leg(legId);
    if (leg !== undefined) this.#media.handleKeyFrameNeeded(now, leg, layer);
  }

  /** The forwarding plane switched a slot to the source it was told. */
  sourceSwitched(_now: NowMs, done: SlotSwitch): void {
    this.#media.handleSwitched(done);
  }

  /** The forwarding plane gave a source up, because no key frame came in time. */
  switchDeadlinePassed(now: NowMs, late: SlotSwitch): void {
    this.#media.handleDeadlinePassed(now, late);
  }

  /** Hangs up everybody and takes nobody any more; ends when the clients have confirmed or their time is over. */
  drain(now: NowMs): void {
    this.#closing = true;
    this.#links.leave(now);
    for (const leg of [...this.#membership.legs]) {
      if (leg.state === 'open') this.#hangUp(now, leg);
      else if (leg.state !== 'hanging-up') this.#retireLeg(now, leg, 'closed');
    }
    this.#settle(now);
  }

  /** Tells everybody that the call is over, and ends at once. */
  close(now: NowMs): void {
    this.#closing = true;
    this.#links.leave(now);
    for (const leg of [...this.#membership.legs]) {
      if (leg.state === 'open') this.#messages.sendHangup(leg, false);
      this.#retireLeg(now, leg, 'closed');
    }
    this.#settle(now);
  }

  /**
   * A connection to another server that holds a part of the conference is up. When it breaks, who is behind it stays
   * listed for `reconnectGraceMs`, and goes on where it was if a new link names it within that time.
   */
  linkOpened(now: NowMs, options: LinkOptions): void {
    if (this.#closing || this.#ended) {
      this.#effects.push({ type: 'close-link', link: options.link });
      return;
    }
    if (options.sister === 'predecessor') {
      this.#inhabited = true;
      this.#roster.started = true;
    }
    this.#links.open(options);
    this.#settle(now);
  }

  /** The other server said something about this conference. */
  linkMessage(now: NowMs, link: LinkId, message: LinkMessage): void {
    if (this.#ended) return;
    this.#links.handleMessage(now, link, message);
    this.#settle(now);
  }

  /** The connection is gone, without a word. */
  linkClosed(now: NowMs, link: LinkId): void {
    if (this.#ended) return;
    this.#links.close(now, link);
    this.#settle(now);
  }

  /** When {@link Conference.handleTimeout} is to be called next. */
  pollTimeout(): NowMs | undefined {
    let next = earlierOf(this.#liveness.pollTimeout(), this.#grace.earliest());
    next = earlierOf(next, this.#propsFanOut.pollTimeout());
    next = earlierOf(next, this.#media.requestsDueMs);
    next = earlierOf(next, this.#media.grantsDueMs);
    return earlierOf(next, this.#roster.pollTimeout());
  }

  /** Does what is due. */
  handleTimeout(now: NowMs): void {
    for (const verdict of this.#liveness.takeDue(now)) {
      if (verdict.action === 'hang-up') this.#hangUp(now, verdict.leg);
      else this.#retireLeg(now, verdict.leg, this.#closing ? 'closed' : verdict.reason);
    }
    for (const caller of this.#grace.takeDue(now)) {
      if (caller.pending === undefined) this.#removeCaller(caller);
      else this.#unlist(caller);
    }
    this.#propsFanOut.handleTimeout(now);
    this.#media.handleTimeout(now);
    this.#settle(now);
  }

  /** The next thing to be done. */
  pollEffect(): ConferenceEffect | undefined {
    return this.#effects.shift();
  }

  #admit(now: NowMs, request: LegRequest): Caller {
    const known = this.#membership.caller(request.userId, request.clientId);
    if (known !== undefined && request.update && this.#links.awaits(known)) return known;
    if (known?.home !== undefined) {
      // Who was at another server is here now.
      known.home = undefined;
      this.#retireCaller(now, known, 'replaced');
      if (this.#membership.caller(request.userId, request.clientId) === known) this.#removeCaller(known);
      return this.#membership.addCaller(request.userId, request.clientId, known.videoSsrc);
    }
    if (known !== undefined && request.update) return known;
    if (known !== undefined) this.#retireCaller(now, known, 'replaced');
    if (request.update) this.#roster.started = true;
    return this.#membership.addCaller(request.userId, request.clientId, known?.videoSsrc);
  }

  /** The caller of these ids, unless it is at another server. */
  #local(userId: string, clientId: string): Caller | undefined {
    const caller = this.#membership.caller(userId, clientId);
    return caller?.isLocal ? caller : undefined;
  }

  #assignSsrc(now: NowMs, leg: Leg, ssrc: number): void {
    if (ssrc === 0) return;
    if (this.#membership.usesSsrc(ssrc, leg.caller)) {
      this.#retireLeg(now, leg, 'ssrc-conflict');
      return;
    }
    leg.audioSsrc = ssrc;
    this.#effects.push({ type: 'assign-csrc', leg: leg.id, audio: ssrc, video: leg.caller.videoSsrc });
  }

  /** Makes the leg the one that carries its caller's media. */
  #takeOver(now: NowMs, leg: Leg): void {
    const caller = leg.caller;
    const old = caller.current;
    const abandoned = caller.pending === leg ? undefined : caller.pending;
    caller.current = leg;
    caller.pending = undefined;
    if (abandoned !== undefined) this.#retireLeg(now, abandoned, 'replaced');
    this.#grace.delete(caller);
    this.#media.cut(this.#authorisation.drop(caller));
    this.#media.moved(caller, old, leg);
    if (old !== undefined) this.#retireLeg(now, old, 'replaced');
  }

  /**
   * Puts the leg's caller at the end of the list, or lets it keep its place there, or takes it off while its SSRC is
   * unknown.
   */
  #list(leg: Leg, keepsPlace = false): void {
    if (leg.state !== 'open' && leg.state !== 'remote') return;
    if (leg.audioSsrc === undefined) {
      this.#unlist(leg.caller);
      return;
    }
    if (keepsPlace) leg.caller.audioSsrc = leg.audioSsrc;
    else this.#membership.list(leg.caller, leg.audioSsrc);
    this.#listings++;
    this.#roster.markChanged();
    this.#media.reordered();
  }

  #unlist(caller: Caller): void {
    if (!caller.listed) return;
    this.#media.cut(this.#authorisation.drop(caller));
    this.#membership.unlist(caller);
    this.#roster.markChanged();
    this.#media.reordered();
  }

  #retireLeg(now: NowMs, leg: Leg, reason: CloseReason): void {
    if (leg.state === 'closed') return;
    const caller = leg.caller;
    leg.state = 'closed';
    this.#liveness.forget(leg);
    this.#membership.removeLeg(leg);
    this.#retired.push({ leg, reason });
    count(this.#closedLegs, reason);
    if (caller.pending === leg) caller.pending = undefined;
    if (caller.current === leg) {
      caller.current = undefined;
      this.#media.lost(leg);
      if (caller.listed) this.#grace.set(caller, now + this.#timings.reconnectGraceMs);
    }
    if (caller.current !== undefined || caller.pending !== undefined) return;
    // Whose server cannot be reached may be back in a moment, and is waited for as after any loss of a transport. So is who
    // was sent to another server and closes its transport here: that server's word of it is on its way.
    const isMoving = reason === 'transport-lost' && this.#links.hasSuccessor;
    const isAwaited = (caller.home !== undefined || isMoving) && this.#grace.get(caller) !== undefined;
    if (!isAwaited) this.#removeCaller(caller);
  }

  /** Ends what stands for a caller at another server; one that is on its way here goes on coming. */
  #retireRemote(now: NowMs, caller: Caller): void {
    if (caller.pending === undefined) {
      this.#retireCaller(now, caller, 'remote');
      return;
    }
    caller.home = undefined;
    if (caller.current !== undefined) this.#retireLeg(now, caller.current, 'remote');
  }

  /** Ends all legs of the caller: it is the caller that goes, not a transport of it. */
  #retireCaller(now: NowMs, caller: Caller, reason: CloseReason): void {
    if (caller.pending !== undefined) this.#retireLeg(now, caller.pending, reason);
    if (caller.current !== undefined) this.#retireLeg(now, caller.current, reason);
  }

  #removeCaller(caller: Caller): void {
    this.#unlist(caller);
    this.#media.cut(this.#authorisation.drop(caller));
    this.#grace.delete(caller);
    this.#propsFanOut.forget(caller);
    this.#membership.removeCaller(caller);
    this.#media.forgetCaller(caller);
    this.#links.forgetCaller(caller);
  }

  #say(now: NowMs, caller: Caller, props: Props): void {
    caller.props.merge(props);
    this.#propsFanOut.changed(now, caller);
    this.#links.propsChanged(caller);
  }

  #authorise(caller: Caller, targets: ReadonlySet<Caller>): void {
    const change = this.#authorisation.replace(caller, targets);
    this.#propsFanOut.introduce(caller, change.added);
    this.#links.authorisationChanged(caller);
    if (change.peersLost.length > 0) this.#media.cut([caller, ...change.peersLost]);
    if (change.peersWon.length > 0) this.#media.grant([caller, ...change.peersWon]);
  }

  #hangUp(now: NowMs, leg: Leg): void {
    leg.state = 'hanging-up';
    this.#liveness.arm(now, leg);
    this.#messages.sendHangup(leg, false);
  }

  /**
   * Makes the effects of what changed, once per input: what may no longer flow is cut before anything is announced,
   * and legs are closed when nothing refers to them any more.
   */
  #settle(now: NowMs): void {
    if (this.#inhabited && !this.#membership.hasLocals && !this.#links.needed) this.#links.leave(now);
    this.#media.settle(now);
    if (this.#roster.flush(now)) this.#links.announce(now);
    this.#links.settle();
    for (const { leg, reason } of this.#retired) {
      this.#media.forgetLeg(leg);
      if (leg.joinedAudio) this.#effects.push({ type: 'leave-audio', leg: leg.id });
      this.#effects.push({ type: 'close-leg', leg: leg.id, reason });
    }
    if (this.#inhabited && !this.#ended && this.#membership.legCount === 0 && this.#links.size === 0) {
      this.#ended = true;
      this.#effects.push({ type: 'ended' });
    }
    this.#retired = [];
  }
}
