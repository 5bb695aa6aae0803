import type { NowMs } from '@conclave/bytes';
import { AudioPermissions } from './audio-permissions.ts';
import { type AudioSample, AudioSlots } from './audio-slots.ts';
import type { Authorisation } from './authorisation.ts';
import type { LegId, VideoLayer } from './conference-effect.ts';
import type { ConferenceLimits, ConferenceTimings } from './conference-options.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Caller, Leg, Membership } from './membership.ts';
import { type LayerSample, type SlotSwitch, VideoSelection } from './video-selection.ts';
import type { VideoStream } from './video-stream.ts';

/** What the rules follow from. */
export interface MediaRulesOptions {
  readonly membership: Membership;
  readonly authorisation: Authorisation;
  readonly effects: EffectQueue;
  readonly timings: ConferenceTimings;
  readonly limits: ConferenceLimits;
}

/**
 * Keeps the forwarding plane's rules in line with the state of the conference. Changes are only noted; `settle` makes
 * the effects. What may no longer flow is cut with the next settling, what may flow from now on can wait a moment in
 * large conferences, where everybody authorises a newcomer at the same time.
 */
export class MediaRules {
  readonly #options: MediaRulesOptions;
  readonly #permissions: AudioPermissions;
  readonly #audio: AudioSlots;
  readonly #video: VideoSelection;
  /** Callers some of whose sources must go. */
  readonly #cuts = new Set<Caller>();
  /** Callers that may get more than they do. */
  readonly #grants = new Set<Caller>();
  #grantsNotBeforeMs: NowMs | undefined;
  #slotsChanged = false;
  /** The slots as the plane was told. */
  readonly #told: (LegId | undefined)[];
  /** Times an audio slot got another source or none. */
  speakerChanges = 0;

  constructor(options: MediaRulesOptions) {
    const { membership, authorisation, effects, timings, limits } = options;
    this.#options = options;
    this.#permissions = new AudioPermissions(authorisation, effects);
    this.#video = new VideoSelection(options);
    this.#told = new Array<LegId | undefined>(limits.audioSlots).fill(undefined);
    this.#audio = new AudioSlots(timings, limits, (legId) => {
      const caller = membership.leg(legId)?.caller;
      return caller !== undefined && authorisation.hasPeer(caller);
    });
  }

  /** Audio slots in use. */
  get speakers(): number {
    return this.#told.filter((leg) => leg !== undefined).length;
  }

  /** The audio slot that the leg is heard in, if any. */
  slotOf(leg: LegId | undefined): number | undefined {
    const slot = leg === undefined ? -1 : this.#told.indexOf(leg);
    return slot < 0 ? undefined : slot;
  }

  /** Legs that are heard in the shared slots. */
  get speakingLegs(): LegId[] {
    return this.#told.filter((leg) => leg !== undefined);
  }

  /** Video streams that somebody here gets or waits for. */
  watchedStreams(): Set<VideoStream> {
    return this.#video.watchedStreams();
  }

  /** Key-frame requests made so far. */
  get keyFrameRequests(): number {
    return this.#video.keyFrameRequests;
  }

  /** The caller carries its media over another leg now, `old` being the one before, if there is one. */
  moved(caller: Caller, old: Leg | undefined, leg: Leg): void {
    if (old === undefined) this.#audio.add(leg.id);
    else this.#audio.replace(old.id, leg.id);
    this.#slotsChanged = true;
    this.#cuts.add(caller);
  }

  /** The leg carries no media any more. */
  lost(leg: Leg): void {
    this.#audio.remove(leg.id);
    this.#slotsChanged = true;
    this.cut(this.#options.authorisation.peersOf(leg.caller));
  }

  /** These lost the right to somebody's media. */
  cut(receivers: Iterable<Caller>): void {
    for (const receiver of receivers) this.#cuts.add(receiver);
    this.#slotsChanged = true;
  }

  /** These gained the right to somebody's media. */
  grant(receivers: Iterable<Caller>): void {
    for (const receiver of receivers) this.#grants.add(receiver);
    this.#slotsChanged = true;
  }

  /** The list of participants changed. */
  reordered(): void {
    this.#slotsChanged = true;
  }

  /** The caller asked for other video. */
  wishesChanged(caller: Caller): void {
    this.#cuts.add(caller);
  }

  /** The caller is gone. */
  forgetCaller(caller: Caller): void {
    this.#cuts.delete(caller);
    this.#grants.delete(caller);
  }

  /** The leg is gone; no rule names it any more after the last settling. */
  forgetLeg(leg: Leg): void {
    this.#permissions.forget(leg);
    this.#video.forget(leg);
  }

  /** A reading of all audio levels. */
  handleLevels(now: NowMs, samples: readonly AudioSample[]): void {
    this.#audio.handleLevels(now, samples);
    this.#slotsChanged = true;
  }

  /** The leg just became loud. */
  handleOnset(now: NowMs, leg: LegId): void {
    this.#audio.handleOnset(now, leg);
    this.#slotsChanged = true;
  }

  /** A reading of all video layers. Says whether some fell silent or began to bring packets. */
  handleActivity(now: NowMs, samples: readonly LayerSample[]): boolean {
    if (!this.#video.handleActivity(now, samples)) return false;
    for (const { current, wanted } of this.#options.membership.listed) {
      if (current !== undefined && wanted.length > 0) this.#video.update(now, current);
    }
    return true;
  }

  /** A receiver of the layer cannot decode it. */
  handleKeyFrameNeeded(now: NowMs, leg: Leg, layer: VideoLayer): void {
    this.#video.handleKeyFrameNeeded(now, leg, layer);
  }

  /** The plane switched a slot. */
  handleSwitched(done: SlotSwitch): void {
    this.#video.handleSwitched(done);
  }

  /** The plane gave a switch up. */
  handleDeadlinePassed(now: NowMs, late: SlotSwitch): void {
    this.#video.handleDeadlinePassed(now, late);
  }

  /** When grants are due that were put off. */
  get grantsDueMs(): NowMs | undefined {
    return this.#grants.size > 0 ? this.#grantsNotBeforeMs : undefined;
  }

  /** When a key-frame request is due. */
  get requestsDueMs(): NowMs | undefined {
    return this.#video.pollTimeout();
  }

  /** Makes the key-frame requests that are due. */
  handleTimeout(now: NowMs): void {
    this.#video.handleTimeout(now);
  }

  /** Makes the effects of everything that changed. */
  settle(now: NowMs): void {
    if (this.#slotsChanged) this.#settleSlots(now);
    for (const caller of this.#cuts) {
      this.#grants.delete(caller);
      this.#updateReceiver(now, caller);
    }
    this.#cuts.clear();
    if (this.#grants.size === 0) return;
    if (this.#grantsNotBeforeMs !== undefined && now < this.#grantsNotBeforeMs) return;
    const { membership, timings } = this.#options;
    this.#grantsNotBeforeMs =
      now + Math.floor(membership.listed.length * timings.grantIntervalPerParticipantMs);
    for (const caller of this.#grants) this.#updateReceiver(now, caller);
    this.#grants.clear();
  }

  #updateReceiver(now: NowMs, caller: Caller): void {
    const leg = caller.current;
    if (leg === undefined) return;
    if (leg.joinedAudio) this.#permissions.update(leg);
    this.#video.update(now, leg);
  }

  #settleSlots(now: NowMs): void {
    this.#slotsChanged = false;
    this.#audio.setFirst(this.#options.membership.listed[0]?.current?.id);
    this.#audio.decide(now);
    const sources = this.#audio.sources;
    const before = [...this.#told];
    // Who moves leaves the old slot first, so that nobody is in two.
    for (const [slot, leg] of before.entries()) {
      if (leg !== undefined && leg !== sources[slot] && sources.includes(leg)) this.#setSlot(slot, undefined);
    }
    for (const [slot, leg] of sources.entries()) {
      if (this.#told[slot] !== leg) this.#setSlot(slot, leg);
      if (before[slot] !== leg) this.speakerChanges++;
    }
  }

  #setSlot(slot: number, source: LegId | undefined): void {
    this.#told[slot] = source;
    this.#options.effects.push({ type: 'set-audio-slot', slot, source });
  }
}
