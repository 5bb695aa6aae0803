import type { NowMs } from '@conclave/bytes';
import type { StreamRequest } from '@conclave/econn';
import type { Authorisation } from './authorisation.ts';
import type { LegId, VideoLayer } from './conference-effect.ts';
import type { ConferenceLimits, ConferenceTimings } from './conference-options.ts';
import type { EffectQueue } from './effect-queue.ts';
import { KeyFrames } from './key-frames.ts';
import type { Caller, Leg, Membership } from './membership.ts';
import { chooseStream, type StreamStatus, type VideoStream } from './video-stream.ts';

/** Packets of one layer since the last reading. Padding does not count. */
export interface LayerSample {
  readonly leg: LegId;
  readonly layer: VideoLayer;
  readonly packets: number;
}

/** A slot of a receiver and the source it was about to get. */
export interface SlotSwitch {
  readonly receiver: LegId;
  readonly slot: number;
  readonly source: LegId;
  readonly layer: VideoLayer;
}

/** What the forwarding plane was told of one slot, and what it told back. */
interface VideoSlot {
  /** The stream it was told last. */
  wish: VideoStream | undefined;
  /** The stream that flows, as far as is known. */
  live: VideoStream | undefined;
  wishedAtMs: NowMs;
  quality: number | undefined;
}

/** What the selection works on. */
export interface VideoSelectionOptions {
  readonly membership: Membership;
  readonly authorisation: Authorisation;
  readonly effects: EffectQueue;
  readonly timings: ConferenceTimings;
  readonly limits: ConferenceLimits;
}

/**
 * Whose video each receiver sees, and in which layer. The receiver's list of wishes is kept for as long as the
 * receiver stays: a wished participant that comes later, is authorised later or comes back gets its slot then.
 */
export class VideoSelection {
  readonly #options: VideoSelectionOptions;
  readonly #keyFrames: KeyFrames;
  readonly #slots = new Map<Leg, VideoSlot[]>();
  readonly #waiting = new Map<VideoStream, Set<VideoSlot>>();

  constructor(options: VideoSelectionOptions) {
    this.#options = options;
    this.#keyFrames = new KeyFrames(options.effects, options.timings.keyFrameIntervalMs, (now, stream) =>
      this.#isAwaited(now, stream),
    );
  }

  /** Key-frame requests made so far. */
  get keyFrameRequests(): number {
    return this.#keyFrames.requests;
  }

  /** When the next key-frame request is due. */
  pollTimeout(): NowMs | undefined {
    return this.#keyFrames.pollTimeout();
  }

  /** Makes the key-frame requests that are due. */
  handleTimeout(now: NowMs): void {
    this.#keyFrames.handleTimeout(now);
  }

  /** Brings the receiver's slots in line with its wishes and with who may be seen. */
  update(now: NowMs, receiver: Leg): void {
    const slots = this.#slotsOf(receiver);
    const seen = new Set<Caller>();
    for (const [index, slot] of slots.entries()) {
      const request = receiver.caller.wanted[index];
      const sender = request === undefined ? undefined : this.#findSender(receiver.caller, request);
      const twice = sender !== undefined && seen.has(sender);
      if (sender !== undefined) seen.add(sender);
      const stream = twice ? undefined : this.#choose(now, slot, sender, request);
      slot.quality = request?.quality;
      this.#steer(now, receiver, index, slot, stream);
    }
  }

  /** Streams that flow to receivers or are waited for. */
  watchedStreams(): Set<VideoStream> {
    const watched = new Set<VideoStream>();
    for (const slots of this.#slots.values()) {
      for (const { wish, live } of slots) {
        if (wish !== undefined) watched.add(wish);
        if (live !== undefined) watched.add(live);
      }
    }
    return watched;
  }

  /** The leg is gone, as a receiver and as a sender. Its receivers must have been updated before. */
  forget(leg: Leg): void {
    for (const slot of this.#slots.get(leg) ?? []) this.#stopWaiting(slot);
    this.#slots.delete(leg);
    for (const stream of leg.streams) {
      this.#keyFrames.forget(stream);
      this.#waiting.delete(stream);
    }
  }

  /** A reading of all layers. Returns whether any receiver may want another one now. */
  handleActivity(now: NowMs, samples: readonly LayerSample[]): boolean {
    let changed = false;
    for (const sample of samples) {
      const leg = this.#options.membership.leg(sample.leg);
      const stream = leg?.streams.find((candidate) => candidate.layer === sample.layer);
      if (stream !== undefined && sample.packets > 0) stream.markActive(now);
    }
    for (const leg of this.#options.membership.legs) {
      for (const stream of leg.streams) {
        const before: StreamStatus = stream.seenStatus;
        stream.seenStatus = stream.status(now);
        if (stream.seenStatus === before) continue;
        changed = true;
        if (before === 'silent' && this.#waiting.has(stream)) this.#keyFrames.request(now, stream);
      }
    }
    this.#refresh(now);
    return changed;
  }

  /** A receiver of the stream cannot decode it. */
  handleKeyFrameNeeded(now: NowMs, leg: Leg, layer: VideoLayer): void {
    const stream = leg.streams.find((candidate) => candidate.layer === layer);
    if (stream !== undefined) this.#keyFrames.request(now, stream);
  }

  /** The wished source flows. */
  handleSwitched(done: SlotSwitch): void {
    const slot = this.#slotOf(done);
    if (slot?.wish === undefined || slot.wish.leg.id !== done.source) return;
    slot.live = slot.wish.leg.streams.find((stream) => stream.layer === done.layer);
    if (slot.live === slot.wish) this.#stopWaiting(slot);
  }

  /** No key frame came in time: the forwarding plane has forgotten the wish, and is told again. */
  handleDeadlinePassed(now: NowMs, late: SlotSwitch): void {
    const slot = this.#slotOf(late);
    const stream = slot?.wish;
    if (slot === undefined || stream === undefined || !this.#waiting.get(stream)?.has(slot)) return;
    if (stream.leg.id !== late.source || stream.layer !== late.layer) return;
    this.#wishAtKeyFrame(now, late.receiver, late.slot, stream);
  }

  #refresh(now: NowMs): void {
    const watched = new Set<VideoStream>();
    for (const slots of this.#slots.values()) {
      for (const slot of slots) if (slot.live !== undefined) watched.add(slot.live);
    }
    const { keyFrameRefreshMs } = this.#options.timings;
    for (const stream of watched) this.#keyFrames.refresh(now, stream, keyFrameRefreshMs);
  }

  #slotsOf(receiver: Leg): VideoSlot[] {
    let slots = this.#slots.get(receiver);
    if (slots === undefined) {
      const count = Math.min(receiver.answer?.videoSlots ?? 0, this.#options.limits.maxVideoSlots);
      slots = Array.from({ length: count }, () => ({
        wish: undefined,
        live: undefined,
        wishedAtMs: 0,
        quality: undefined,
      }));
      this.#slots.set(receiver, slots);
    }
    return slots;
  }

  #slotOf(change: SlotSwitch): VideoSlot | undefined {
    const receiver = this.#options.membership.leg(change.receiver);
    return receiver === undefined ? undefined : this.#slots.get(receiver)?.[change.slot];
  }

  #findSender(receiver: Caller, request: StreamRequest): Caller | undefined {
    return this.#options.membership
      .callersOf(request.userId)
      .find((caller) => caller.current !== undefined && this.#options.authorisation.mutual(receiver, caller));
  }

  #choose(
    now: NowMs,
    slot: VideoSlot,
    sender: Caller | undefined,
    request: StreamRequest | undefined,
  ): VideoStream | undefined {
    const leg = sender?.current;
    if (leg === undefined || request === undefined) return undefined;
    // Whoever asks for another quality gets it without the inertia that guards against wavering layers.
    const keeps = slot.wish?.leg === leg && slot.quality === request.quality;
    return chooseStream(now, leg.streams, request.quality, keeps ? slot.wish : undefined);
  }

  #steer(now: NowMs, receiver: Leg, index: number, slot: VideoSlot, stream: VideoStream | undefined): void {
    if (stream === slot.wish) return;
    const before = slot.wish;
    this.#stopWaiting(slot);
    slot.wish = stream;
    if (stream === undefined) {
      slot.live = undefined;
      this.#tell(receiver.id, index, undefined, 'now');
      return;
    }
    if (stream === slot.live) {
      this.#tell(receiver.id, index, stream, 'now');
      return;
    }
    // Another sender's picture must not stay in the slot until the key frame: it may not be allowed there any more,
    // and the new one may never send any.
    if (before !== undefined && before.leg !== stream.leg) {
      slot.live = undefined;
      this.#tell(receiver.id, index, undefined, 'now');
    }
    slot.wishedAtMs = now;
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) this.#waiting.set(stream, new Set([slot]));
    else waiting.add(slot);
    this.#wishAtKeyFrame(now, receiver.id, index, stream);
  }

  #wishAtKeyFrame(now: NowMs, receiver: LegId, index: number, stream: VideoStream): void {
    this.#tell(receiver, index, stream, 'key-frame');
    this.#keyFrames.request(now, stream);
  }

  #tell(receiver: LegId, slot: number, stream: VideoStream | undefined, at: 'now' | 'key-frame'): void {
    this.#options.effects.push({
      type: 'set-video-source',
      receiver,
      slot,
      source: stream === undefined ? undefined : { leg: stream.leg.id, layer: stream.layer },
      at,
      deadlineMs: at === 'now' ? 0 : this.#options.timings.switchDeadlineMs,
    });
  }

  #stopWaiting(slot: VideoSlot): void {
    if (slot.wish === undefined) return;
    const waiting = this.#waiting.get(slot.wish);
    waiting?.delete(slot);
    if (waiting?.size === 0) this.#waiting.delete(slot.wish);
  }

  /** A silent stream is asked again only for a while, and then with each renewed wish: its camera may be off. */
  #isAwaited(now: NowMs, stream: VideoStream): boolean {
    const waiting = this.#waiting.get(stream);
    if (waiting === undefined) return false;
    if (stream.status(now) !== 'silent') return true;
    for (const slot of waiting)
      if (now - slot.wishedAtMs < this.#options.timings.switchDeadlineMs) return true;
    return false;
  }
}
