import { type NowMs, type RandomBytes, toBase64 } from '@conclave/bytes';
import { encodeMessage, type ParticipantsMessageOptions, participantsMessage } from '@conclave/econn';
import type { LegId } from './conference-effect.ts';
import type { ConferenceTimings } from './conference-options.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Leg, Membership } from './membership.ts';

const ENTROPY_LENGTH = 16;

/** What a roster needs from outside. */
export interface RosterBroadcastOptions {
  readonly url: string;
  readonly epochAtZeroMs: number;
  readonly random: RandomBytes;
  readonly nextSeqno: () => number;
  readonly timings: ConferenceTimings;
  /** Number of other servers that hold a part of the conference. */
  readonly linkCount: () => number;
  /** Their URLs, as far as known. */
  readonly otherUrls: () => readonly string[];
}

/**
 * Tells everybody who takes part, after every change of the list. The first change goes out at once, later ones
 * together, no faster than the interval. One text serves all receivers, so that all see the same list in the same
 * order under the same number; only who has to announce the conference gets its own.
 */
export class RosterBroadcast {
  readonly #membership: Membership;
  readonly #effects: EffectQueue;
  readonly #options: RosterBroadcastOptions;
  #changed = false;
  #notBeforeMs: NowMs | undefined;
  /** Somebody has announced the conference, or was told to. */
  started = false;
  /** Lists made so far. */
  broadcasts = 0;

  constructor(membership: Membership, effects: EffectQueue, options: RosterBroadcastOptions) {
    this.#membership = membership;
    this.#effects = effects;
    this.#options = options;
  }

  /** The list changed; it goes out with the next {@link RosterBroadcast.flush} that is due. */
  markChanged(): void {
    this.#changed = true;
  }

  /** When a list is due that was put off. */
  pollTimeout(): NowMs | undefined {
    return this.#changed ? this.#notBeforeMs : undefined;
  }

  /** Sends the list if it changed and the interval since the last one is over; says whether it was due. */
  flush(now: NowMs): boolean {
    if (this.#membership.listed.length === 0 && this.#options.linkCount() === 0) this.#changed = false;
    if (!this.#changed || (this.#notBeforeMs !== undefined && now < this.#notBeforeMs)) return false;
    this.#changed = false;
    const receivers: Leg[] = [];
    for (const caller of this.#membership.listed) {
      if (caller.reachable !== undefined) receivers.push(caller.reachable);
    }
    if (receivers.length === 0 && this.#options.linkCount() === 0) return true;
    const { rosterIntervalMs, rosterIntervalPerParticipantMs } = this.#options.timings;
    const count = this.#membership.listed.length;
    if (count > 0)
      this.#notBeforeMs = now + Math.max(rosterIntervalMs, count * rosterIntervalPerParticipantMs);
    if (receivers.length > 0) this.#send(now, receivers);
    return true;
  }

  #send(now: NowMs, receivers: readonly Leg[]): void {
    const list = this.#list(now);
    this.broadcasts++;
    let rest = receivers;
    const starter = this.started ? undefined : receivers[0];
    if (starter !== undefined) {
      this.started = true;
      const text = encodeMessage(participantsMessage({ ...list, shouldStart: true }));
      this.#effects.push({ type: 'send', leg: starter.id, text });
      rest = receivers.filter((leg) => leg !== starter);
    }
    if (rest.length === 0) return;
    const legs: LegId[] = rest.map((leg) => leg.id);
    this.#effects.push({ type: 'broadcast', legs, text: encodeMessage(participantsMessage(list)) });
  }

  #list(now: NowMs): ParticipantsMessageOptions {
    const { url, epochAtZeroMs, random, nextSeqno } = this.#options;
    return {
      shouldStart: false,
      timestampMs: Math.floor(epochAtZeroMs + now),
      sequenceNumber: nextSeqno(),
      entropy: toBase64(random(ENTROPY_LENGTH)),
      participants: this.#membership.listed.map((caller) => ({
        userId: caller.userId,
        clientId: caller.clientId,
        authorized: false,
        audioSsrc: caller.audioSsrc,
        videoSsrc: caller.videoSsrc,
        timestamp: caller.joinIndex,
        muted: caller.props.muted,
      })),
      sfts: [url, ...this.#options.otherUrls()],
    };
  }
}
