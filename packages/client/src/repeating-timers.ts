import type { Cancel } from './conference-platform.ts';

/** Things done over and over, which end together. */
export class RepeatingTimers {
  readonly #after: (delayMs: number, run: () => void) => Cancel;
  readonly #stops = new Set<{ stop: Cancel }>();

  constructor(after: (delayMs: number, run: () => void) => Cancel) {
    this.#after = after;
  }

  /** Runs this each time the period is over, until the end. */
  every(periodMs: number, run: () => void): void {
    const next = (): void => {
      entry.stop = this.#after(periodMs, () => {
        next();
        run();
      });
    };
    const entry = { stop: (): void => undefined };
    this.#stops.add(entry);
    next();
  }

  /** Also calls this at the end. */
  add(stop: Cancel): void {
    this.#stops.add({ stop });
  }

  close(): void {
    for (const { stop } of this.#stops) stop();
    this.#stops.clear();
  }
}
