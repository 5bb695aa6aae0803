import type { NowMs } from '@conclave/bytes';
import { SeededRandom } from './seeded-random.ts';

/** How one direction of a link treats datagrams. Everything is perfect by default. */
export interface LossyLinkOptions {
  /** Seed of all its chances. Default 1. */
  readonly seed?: number;
  /** Share of datagrams that vanish, 0-1. */
  readonly loss?: number;
  /** Share of datagrams that arrive twice; the copy takes a delay of its own. */
  readonly duplication?: number;
  /** Time on the way, in milliseconds. */
  readonly delayMs?: number;
  /** Up to so many milliseconds are added to the delay, evenly spread. */
  readonly jitterMs?: number;
  /** Whether jitter lets a datagram overtake another. Default true. */
  readonly reordering?: boolean;
  /** Bits per second that pass; what comes faster waits. Default: no limit. */
  readonly rateBps?: number;
  /** Bytes that may wait for their turn; more are dropped. Default 65536; only with `rateBps`. */
  readonly queueBytes?: number;
  /** Datagrams longer than this vanish. Default: none. */
  readonly mtu?: number;
}

interface Flight {
  readonly arrivalMs: NowMs;
  readonly order: number;
  readonly bytes: Uint8Array;
}

/**
 * One direction of a link, sans-IO: datagrams go in with the time of sending and come out when they have arrived. The
 * same seed and the same datagrams at the same times give the same result.
 */
export class LossyLink {
  readonly #options: LossyLinkOptions;
  readonly #random: SeededRandom;
  readonly #flights: Flight[] = [];
  #order = 0;
  #busyUntilMs = Number.NEGATIVE_INFINITY;
  #lastArrivalMs = Number.NEGATIVE_INFINITY;
  /** What happened so far, for assertions that the test met what it meant to. */
  readonly counts: { sent: number; lost: number; duplicated: number; delivered: number } = {
    sent: 0,
    lost: 0,
    duplicated: 0,
    delivered: 0,
  };

  constructor(options: LossyLinkOptions = {}) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed ?? 1);
  }

  /** Puts a datagram on its way. Keeps a copy. */
  send(now: NowMs, bytes: Uint8Array): void {
    const { loss = 0, duplication = 0, mtu = Number.POSITIVE_INFINITY } = this.#options;
    this.counts.sent++;
    const leavesMs = this.#leavingTime(now, bytes.length);
    // The chances are drawn in any case, so that one datagram's fate does not depend on another's.
    const lost = this.#random.chance(loss);
    const twice = this.#random.chance(duplication);
    if (leavesMs === undefined || lost || bytes.length > mtu) {
      this.counts.lost++;
      return;
    }
    this.#launch(leavesMs, bytes);
    if (twice) {
      this.counts.duplicated++;
      this.#launch(leavesMs, bytes);
    }
  }

  /** When the next datagram arrives, if any is on its way. */
  pollTimeout(): NowMs | undefined {
    return this.#flights[0]?.arrivalMs;
  }

  /** The next datagram that has arrived by now. */
  receive(now: NowMs): Uint8Array | undefined {
    const next = this.#flights[0];
    if (next === undefined || next.arrivalMs > now) return undefined;
    this.#flights.shift();
    this.counts.delivered++;
    return next.bytes;
  }

  /** `undefined` when the queue is full. */
  #leavingTime(now: NowMs, length: number): NowMs | undefined {
    const { rateBps, queueBytes = 65536 } = this.#options;
    if (rateBps === undefined) return now;
    const startsMs = Math.max(now, this.#busyUntilMs);
    if (((startsMs - now) * rateBps) / 8000 + length > queueBytes) return undefined;
    this.#busyUntilMs = startsMs + (length * 8000) / rateBps;
    return this.#busyUntilMs;
  }

  #launch(leavesMs: NowMs, bytes: Uint8Array): void {
    const { delayMs = 0, jitterMs = 0, reordering = true } = this.#options;
    let arrivalMs = leavesMs + delayMs + this.#random.fraction() * jitterMs;
    if (!reordering) arrivalMs = Math.max(arrivalMs, this.#lastArrivalMs);
    this.#lastArrivalMs = Math.max(arrivalMs, this.#lastArrivalMs);
    const flight = { arrivalMs, order: this.#order++, bytes: Uint8Array.from(bytes) };
    const later = this.#flights.findIndex((other) => other.arrivalMs > arrivalMs);
    this.#flights.splice(later < 0 ? this.#flights.length : later, 0, flight);
  }
}
