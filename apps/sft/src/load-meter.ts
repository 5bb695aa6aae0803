/** What {@link LoadMeter} reads. */
export interface LoadMeterOptions {
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Processor time that the process has used since its start, in milliseconds. */
  readonly cpuMs: () => number;
  /** Threads that can be at work at the same time, at least 1. */
  readonly threads: number;
}

/** Shortest time that is judged. Lower: follows sooner; higher: short peaks count less. */
const SPAN_MS = 5000;

/** How busy the process was lately, between two readings at least {@link SPAN_MS} apart. */
export class LoadMeter {
  readonly #options: LoadMeterOptions;
  #at: { readonly ms: number; readonly cpuMs: number };
  #share = 0;

  constructor(options: LoadMeterOptions) {
    this.#options = options;
    this.#at = { ms: options.now(), cpuMs: options.cpuMs() };
  }

  /** Part of the processor time of all threads, 0 to 1. */
  read(): number {
    const { now, cpuMs, threads } = this.#options;
    const spanMs = now() - this.#at.ms;
    if (spanMs >= SPAN_MS) {
      const usedMs = cpuMs() - this.#at.cpuMs;
      this.#share = Math.min(1, Math.max(0, usedMs / (spanMs * threads)));
      this.#at = { ms: now(), cpuMs: cpuMs() };
    }
    return this.#share;
  }
}
