/** A state that is put together when somebody asks, and tells listeners once for many changes at a time. */
export class StateFeed<State> {
  readonly #snapshot: () => State;
  readonly #listeners = new Set<(state: State) => void>();
  #state: State | undefined;
  #pending = false;

  constructor(snapshot: () => State) {
    this.#snapshot = snapshot;
  }

  /** As it is now; the same object until the next change. */
  get state(): State {
    this.#state ??= this.#snapshot();
    return this.#state;
  }

  subscribe(listener: (state: State) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something that the state is made of has changed. */
  changed(): void {
    this.#state = undefined;
    if (this.#pending) return;
    this.#pending = true;
    queueMicrotask(() => {
      this.#pending = false;
      for (const listener of [...this.#listeners]) {
        // One may have been withdrawn by another just now.
        if (this.#listeners.has(listener)) listener(this.state);
      }
    });
  }
}
