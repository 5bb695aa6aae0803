import type { NowMs } from '@conclave/bytes';

/** Limits of a {@link RateLimiter}. */
export interface RateLimiterOptions {
  /**
   * Tokens that a key gains each second, above 0. A lower value holds a hostile source tighter, a higher one
   * spares many honest users behind one address.
   */
  readonly ratePerSecond: number;
  /** Tokens a key can save up, at least 1: how many requests may come at once. */
  readonly burst: number;
  /**
   * Keys that are remembered. When one more comes, the key unseen for the longest time is forgotten, which
   * gives it a full bucket again. A lower value saves memory (about 200 bytes a key), a higher one keeps the
   * limits true against more sources at a time.
   */
  readonly maxKeys: number;
}

/** Whether a request may go on; if not, after how many milliseconds the next one may. */
export type RateDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly retryAfterMs: number };

interface Bucket {
  tokens: number;
  filledAt: NowMs;
}

const ALLOWED: RateDecision = { allowed: true };

/** Token buckets by key (an address group, a user). Holds no timers; time comes in as an argument. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  // A Map keeps the order of insertion; a key is inserted anew at each use, so the first is the oldest.
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimiterOptions) {
    if (!(options.ratePerSecond > 0 && options.burst >= 1 && options.maxKeys >= 1)) {
      throw new TypeError('a rate limiter needs a rate above 0, a burst and a number of keys of at least 1');
    }
    this.#options = options;
  }

  /** Keys remembered now; never more than the limit. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes `cost` tokens from the key's bucket, or none when it holds fewer. A clock set back is no gain. */
  take(now: NowMs, key: string, cost = 1): RateDecision {
    const { ratePerSecond, burst, maxKeys } = this.#options;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAt: now };
    this.#buckets.delete(key);
    const gained = Math.max(0, now - bucket.filledAt) * (ratePerSecond / 1000);
    bucket.tokens = Math.min(burst, bucket.tokens + gained);
    bucket.filledAt = now;
    if (this.#buckets.size >= maxKeys) {
      const oldest = this.#buckets.keys().next();
      if (!oldest.done) this.#buckets.delete(oldest.value);
    }
    this.#buckets.set(key, bucket);
    if (bucket.tokens >= cost) {
      bucket.tokens -= cost;
      return ALLOWED;
    }
    return { allowed: false, retryAfterMs: Math.ceil(((cost - bucket.tokens) * 1000) / ratePerSecond) };
  }
}
