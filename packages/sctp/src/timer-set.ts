import type { NowMs } from '@conclave/bytes';

/** Named deadlines of a sans-IO core. */
export class TimerSet<Name extends string> {
  readonly #deadlines = new Map<Name, NowMs>();

  start(name: Name, at: NowMs): void {
    this.#deadlines.set(name, at);
  }

  /** Leaves a running timer alone. */
  startIfStopped(name: Name, at: NowMs): void {
    if (!this.#deadlines.has(name)) this.#deadlines.set(name, at);
  }

  stop(name: Name): void {
    this.#deadlines.delete(name);
  }

  stopAll(): void {
    this.#deadlines.clear();
  }

  /** The earliest deadline. */
  next(): NowMs | undefined {
    let earliest: NowMs | undefined;
    for (const at of this.#deadlines.values()) if (earliest === undefined || at < earliest) earliest = at;
    return earliest;
  }

  /** Removes and returns the timers that are due, earliest first. */
  takeDue(now: NowMs): Name[] {
    const due = [...this.#deadlines].filter(([, at]) => at <= now).sort((a, b) => a[1] - b[1]);
    for (const [name] of due) this.#deadlines.delete(name);
    return due.map(([name]) => name);
  }
}
