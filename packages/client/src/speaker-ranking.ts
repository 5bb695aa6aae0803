import type { NowMs } from '@conclave/bytes';
import type { ParticipantId } from './conference.ts';

/** Loudness from which somebody speaks, 0 to 1: -40 dB of full scale. Lower takes noise for speech. */
export const SPEAKING_LEVEL = 0.01;

/** How long somebody still counts as speaking after falling silent. Lower flickers between words. */
export const SPEAKING_HOLD_MS = 800;

/** How much louder somebody has to be to come before another, as a factor. Lower lets the order waver. */
export const OVERTAKING_FACTOR = 1.6;

/** Weight of the newest reading in the average. */
const SMOOTHING = 0.5;

interface Voice {
  average: number;
  loudAt: NowMs;
}

/** Who speaks, loudest first, with an order that does not waver. */
export class SpeakerRanking {
  readonly #voices = new Map<ParticipantId, Voice>();
  #order: readonly ParticipantId[] = [];

  /** Loudest first. The same array until it changes. */
  get speakers(): readonly ParticipantId[] {
    return this.#order;
  }

  /** Takes readings, one for everybody whose voice arrives; who is missing is silent. Returns whether the order changed. */
  update(now: NowMs, levels: ReadonlyMap<ParticipantId, number>): boolean {
    for (const id of levels.keys()) {
      if (!this.#voices.has(id)) this.#voices.set(id, { average: 0, loudAt: Number.NEGATIVE_INFINITY });
    }
    for (const [id, voice] of this.#voices) {
      const level = levels.get(id) ?? 0;
      voice.average += SMOOTHING * (level - voice.average);
      if (level >= SPEAKING_LEVEL) voice.loudAt = now;
      if (now - voice.loudAt > SPEAKING_HOLD_MS) this.#voices.delete(id);
    }
    const order = this.#order.filter((id) => this.#voices.has(id));
    for (const id of this.#voices.keys()) if (!order.includes(id)) order.push(id);
    // An insertion sort that swaps neighbours only when the difference is clear: stable against small differences.
    for (let i = 1; i < order.length; i++) {
      for (let j = i; j > 0 && this.#clearlyLouder(order[j]!, order[j - 1]!); j--) {
        [order[j - 1], order[j]] = [order[j]!, order[j - 1]!];
      }
    }
    const same = order.length === this.#order.length && order.every((id, i) => id === this.#order[i]);
    if (!same) this.#order = order;
    return !same;
  }

  #clearlyLouder(a: ParticipantId, b: ParticipantId): boolean {
    return this.#voices.get(a)!.average > OVERTAKING_FACTOR * this.#voices.get(b)!.average;
  }
}
