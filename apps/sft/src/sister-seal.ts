import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Secret } from '@conclave/bytes';

/** What a seal is made and judged with. */
export interface SisterSealOptions {
  /** Secrets that all servers of the installation share, the one in use first; asked for each time, as files change. */
  readonly secrets: () => readonly Secret<Uint8Array>[];
  /** Wall clock in milliseconds since 1970. */
  readonly wallClockMs: () => number;
}

/** What is sealed: who it is for and what it asks, besides the body. */
export interface SealedRequest {
  /** URL of the server that it is for, so that nobody can hand it to another one. */
  readonly to: string;
  /** What is asked of that server. */
  readonly action: string;
  readonly body: Uint8Array;
}

/** How far two servers' clocks may be apart. Lower: less time for copies; higher: clocks may be worse. */
const MAX_CLOCK_DIFFERENCE_MS = 30_000;
/** Seals that are remembered, lest they are used twice; beyond, requests are refused until old ones are forgotten. */
const MAX_REMEMBERED = 50_000;
const CONTEXT = 'conclave-sister-1';
const MAC_LENGTH = 32;

/**
 * Shows that a request comes from a server of the same installation: an HMAC-SHA-256 (RFC 2104) over receiver, action, time, a
 * random number and body. A seal is good once and for {@link MAX_CLOCK_DIFFERENCE_MS} about its time.
 */
export class SisterSeal {
  readonly #options: SisterSealOptions;
  /** When each seal that was used may be forgotten, oldest first. */
  readonly #used = new Map<string, number>();

  constructor(options: SisterSealOptions) {
    this.#options = options;
  }

  /** The seal of a request. Throws `TypeError` when there is no secret. */
  make(request: SealedRequest): string {
    const [secret] = this.#options.secrets();
    if (secret === undefined) throw new TypeError('no secret');
    const timeMs = String(Math.trunc(this.#options.wallClockMs()));
    const nonce = randomBytes(16).toString('hex');
    return `${timeMs}.${nonce}.${macOf(secret, request, timeMs, nonce).toString('hex')}`;
  }

  /** Whether the seal is of one of the secrets, of now, for this request, and was not used before. */
  accepts(request: SealedRequest, seal: string): boolean {
    const match = /^(\d{1,15})\.([0-9a-f]{32})\.([0-9a-f]{64})$/.exec(seal);
    if (match === null) return false;
    const [, timeMs = '', nonce = '', mac = ''] = match;
    const now = this.#options.wallClockMs();
    if (Math.abs(now - Number(timeMs)) > MAX_CLOCK_DIFFERENCE_MS) return false;
    const shown = Buffer.from(mac, 'hex');
    let isGood = false;
    for (const secret of this.#options.secrets()) {
      const right = macOf(secret, request, timeMs, nonce);
      if (shown.length === MAC_LENGTH && timingSafeEqual(right, shown)) isGood = true;
    }
    if (!isGood) return false;
    for (const [used, untilMs] of this.#used) {
      if (untilMs >= now) break;
      this.#used.delete(used);
    }
    if (this.#used.has(mac) || this.#used.size >= MAX_REMEMBERED) return false;
    this.#used.set(mac, now + 2 * MAX_CLOCK_DIFFERENCE_MS);
    return true;
  }
}

function macOf(
  secret: Secret<Uint8Array>,
  { to, action, body }: SealedRequest,
  timeMs: string,
  nonce: string,
): Buffer {
  return createHmac('sha256', secret.reveal())
    .update(`${CONTEXT}\n${to}\n${action}\n${timeMs}\n${nonce}\n`)
    .update(body)
    .digest();
}
