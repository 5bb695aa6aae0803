import type { ConnectionQuality } from './conference.ts';

/** Readings in a row that a better verdict needs. Lower lets the sign flicker; higher keeps bad news for longer. */
export const READINGS_TO_IMPROVE = 3;

/** Readings in a row that a worse verdict needs. */
export const READINGS_TO_WORSEN = 2;

const STEPS: readonly ConnectionQuality[] = ['good', 'fair', 'poor'];

/** From which loss (0 to 1) and round trip a connection is worse than `good`, and than `fair`. */
export const QUALITY_LIMITS: readonly [QualityLimit, QualityLimit] = [
  { loss: 0.03, roundTripMs: 300 },
  { loss: 0.1, roundTripMs: 600 },
];

/** A limit of {@link QUALITY_LIMITS}; at or beyond it the next step begins. */
export interface QualityLimit {
  readonly loss: number;
  readonly roundTripMs: number;
}

/** One reading of a connection. */
export interface QualityReading {
  readonly lossSent: number | undefined;
  readonly lossReceived: number | undefined;
  readonly roundTripMs: number | undefined;
}

/** How good a connection is, in three steps, with inertia. */
export class QualityMeter {
  #step = 0;
  #towards = 0;
  #readings = 0;

  get quality(): ConnectionQuality {
    return STEPS[this.#step]!;
  }

  /** Takes a reading; returns whether the verdict changed. */
  update(reading: QualityReading): boolean {
    const step = stepOf(reading);
    const direction = Math.sign(step - this.#step);
    if (direction !== this.#towards) this.#readings = 0;
    this.#towards = direction;
    if (direction === 0) return false;
    this.#readings++;
    if (this.#readings < (direction < 0 ? READINGS_TO_IMPROVE : READINGS_TO_WORSEN)) return false;
    // Worse at once, better one step at a time.
    this.#step = direction > 0 ? step : this.#step - 1;
    this.#readings = 0;
    return true;
  }
}

function stepOf({ lossSent, lossReceived, roundTripMs }: QualityReading): number {
  const loss = Math.max(lossSent ?? 0, lossReceived ?? 0);
  return QUALITY_LIMITS.filter((limit) => loss >= limit.loss || (roundTripMs ?? 0) >= limit.roundTripMs)
    .length;
}
