import type { NowMs } from '@conclave/bytes';

/** A loudness older than this says nothing about now: packets of a voice come every 20 to 60 ms. */
const LEVEL_HOLDS_MS = 300;

/** Loudness of a voice at the moment, from the levels of its packets. Sans-IO. */
export class LevelMeter {
  #levelDbov = 127;
  #atMs: NowMs = Number.NEGATIVE_INFINITY;

  /** Takes a packet's level in −dBov, 0 (loudest) to 127 (silence). */
  take(now: NowMs, levelDbov: number): void {
    this.#levelDbov = levelDbov;
    this.#atMs = now;
  }

  /** Share of full scale, 0 to 1; 0 when nothing came lately. */
  amplitude(now: NowMs): number {
    if (now - this.#atMs > LEVEL_HOLDS_MS || this.#levelDbov >= 127) return 0;
    return 10 ** (-this.#levelDbov / 20);
  }
}
