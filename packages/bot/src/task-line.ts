/** Asynchronous tasks that run one after the other, a bounded number at a time. */
export class TaskLine {
  readonly #maxWaiting: number;
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Adds a task. False, and nothing done, when too many wait. What a task throws becomes an uncaught exception; the line goes on. */
  add(task: () => Promise<void>): boolean {
    if (this.#waiting >= this.#maxWaiting) return false;
    this.#waiting++;
    this.#tail = this.#tail.then(task).then(
      () => {
        this.#waiting--;
      },
      (error: unknown) => {
        this.#waiting--;
        setImmediate(() => {
          throw error;
        });
      },
    );
    return true;
  }
}
