import type { NowMs } from '@conclave/bytes';

interface Bucket {
  tokens: number;
  atMs: NowMs;
}

/**
 * A token bucket per source, for answers that a forged address would make a victim receive. Memory is bounded:
 * over `maxSources` the source that was silent longest is forgotten.
 */
export class SourceRateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #maxSources: number;
  readonly #buckets = new Map<string, Bucket>();

  /**
   * @param perSecond answers a source gets for good: lower slows clients behind one NAT, higher lets more
   *   be reflected at a victim
   * @param burst answers it gets at once
   * @param maxSources sources remembered: lower lets a flood of sources make the limit forget, higher costs
   *   about 150 bytes each
   */
  constructor(perSecond: number, burst: number, maxSources: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#maxSources = maxSources;
  }

  /** How many sources are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether this source may have one more answer, which is counted. */
  take(now: NowMs, source: string): boolean {
    const bucket = this.#buckets.get(source) ?? { tokens: this.#burst, atMs: now };
    const elapsedMs = Math.max(0, now - bucket.atMs);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (elapsedMs * this.#perSecond) / 1000);
    bucket.atMs = Math.max(now, bucket.atMs);
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens -= 1;
    // Inserted anew, so that the map's order is that of last use.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    if (this.#buckets.size > this.#maxSources) this.#buckets.delete(this.#buckets.keys().next().value!);
    return allowed;
  }
}
