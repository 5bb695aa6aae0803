import type { SctpTimings } from './sctp-options.ts';

/** Below this the variance would make the timeout shorter than clocks can tell (RFC 9260 §6.3.1 C3, G). */
const CLOCK_GRANULARITY_MS = 1;

/** The retransmission timeout of the path, after RFC 9260 §6.3.1. */
export class RetransmissionTimeout {
  readonly #timings: SctpTimings;
  #smoothedMs: number | undefined;
  #variationMs = 0;
  #rtoMs: number;

  constructor(timings: SctpTimings) {
    this.#timings = timings;
    this.#rtoMs = timings.rtoInitialMs;
  }

  /** How long to wait for an acknowledgement now. */
  get rtoMs(): number {
    return this.#rtoMs;
  }

  /** Smoothed round-trip time; `undefined` before the first measurement. */
  get smoothedMs(): number | undefined {
    return this.#smoothedMs;
  }

  /** Takes a round trip measured on a packet that was sent only once (Karn's rule, RFC 9260 §6.3.1 C5). */
  measure(roundTripMs: number): void {
    const sample = Math.max(0, roundTripMs);
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = sample;
      this.#variationMs = sample / 2;
    } else {
      this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - sample);
      this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * sample;
    }
    const rtoMs = this.#smoothedMs + 4 * Math.max(this.#variationMs, CLOCK_GRANULARITY_MS);
    this.#rtoMs = Math.min(this.#timings.rtoMaxMs, Math.max(this.#timings.rtoMinMs, rtoMs));
  }

  /** Doubles the timeout after it ran out (RFC 9260 §6.3.3 E2). */
  backOff(): void {
    this.#rtoMs = Math.min(this.#timings.rtoMaxMs, this.#rtoMs * 2);
  }
}
