import type { NowMs } from '@conclave/bytes';

interface Task {
  readonly atMs: NowMs;
  readonly order: number;
  readonly run: (now: NowMs) => void;
}

/**
 * A clock that stands still until it is told to go on, with tasks due at given times: hours of protocol time pass in
 * milliseconds, and always in the same way.
 */
export class VirtualClock {
  #now: NowMs;
  #order = 0;
  #tasks: Task[] = [];

  constructor(startMs: NowMs = 0) {
    this.#now = startMs;
  }

  /** The time it is, in milliseconds. */
  get now(): NowMs {
    return this.#now;
  }

  /** Time of the next task, if there is one. */
  get nextTaskMs(): NowMs | undefined {
    return this.#tasks[0]?.atMs;
  }

  /**
   * Has `run` called when the clock gets there; at once on the next advance if that time has passed. Tasks of the same
   * time run in the order in which they were given. Returns a function that withdraws the task.
   */
  at(atMs: NowMs, run: (now: NowMs) => void): () => void {
    const task: Task = { atMs: Math.max(atMs, this.#now), order: this.#order++, run };
    const later = this.#tasks.findIndex((other) => other.atMs > task.atMs);
    this.#tasks.splice(later < 0 ? this.#tasks.length : later, 0, task);
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== task);
    };
  }

  /** Has `run` called after a time from now. */
  after(delayMs: number, run: (now: NowMs) => void): () => void {
    return this.at(this.#now + delayMs, run);
  }

  /** Runs all tasks due up to that time, those they add included, and stands there. */
  advanceTo(untilMs: NowMs): void {
    while (this.#tasks.length > 0 && this.#tasks[0]!.atMs <= untilMs) this.runNext();
    this.#now = Math.max(this.#now, untilMs);
  }

  /** Moves on by a time. */
  advanceBy(durationMs: number): void {
    this.advanceTo(this.#now + durationMs);
  }

  /** Moves on to the next task and runs it; false if there is none. */
  runNext(): boolean {
    const task = this.#tasks.shift();
    if (task === undefined) return false;
    this.#now = task.atMs;
    task.run(task.atMs);
    return true;
  }
}
