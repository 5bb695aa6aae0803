/** Time that moves only when asked, from one scheduled action to the next. */
export class VirtualClock {
  #now = 0;
  #count = 0;
  readonly #actions: { at: number; order: number; run: () => void }[] = [];

  get now(): number {
    return this.#now;
  }

  /** Runs `run` at `at`, or at once when that is past; actions of one time run in the order they were given. */
  schedule(at: number, run: () => void): void {
    this.#actions.push({ at: Math.max(at, this.#now), order: this.#count++, run });
  }

  /** Moves on to `until`, or to the first moment `isDone` holds; returns whether it did. */
  run(until: number, isDone?: () => boolean): boolean {
    while (!isDone?.()) {
      let next = -1;
      for (let i = 0; i < this.#actions.length; i++) {
        const a = this.#actions[i]!;
        const b = this.#actions[next];
        if (!b || a.at < b.at || (a.at === b.at && a.order < b.order)) next = i;
      }
      const action = this.#actions[next];
      if (!action || action.at > until) {
        this.#now = until;
        return isDone?.() ?? false;
      }
      this.#actions.splice(next, 1);
      this.#now = action.at;
      action.run();
    }
    return true;
  }
}
