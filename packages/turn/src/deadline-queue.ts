/** Something that {@link DeadlineQueue} can hold. The two fields belong to the queue alone. */
export interface Deadlined {
  /** When it is due; meaningless while not in the queue. */
  deadlineMs: number;
  /** Its place in the queue, or -1. */
  heapIndex: number;
}

/**
 * Deadlines of many things, the earliest first: a binary heap in which every thing knows its place, so that
 * moving and removing cost O(log n) and nothing that is gone is remembered.
 */
export class DeadlineQueue<T extends Deadlined> {
  readonly #heap: T[] = [];

  /** How many things have a deadline. */
  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline, or `undefined` when there is none. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.deadlineMs;
  }

  /** Sets or moves the deadline of `item`. */
  set(item: T, deadlineMs: number): void {
    if (item.heapIndex < 0) {
      item.heapIndex = this.#heap.length;
      this.#heap.push(item);
    }
    item.deadlineMs = deadlineMs;
    this.#settle(item);
  }

  /** Takes `item` out; nothing happens when it is not in. */
  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    this.#put(last, at);
    this.#settle(last);
  }

  /** Takes out and returns one thing that is due at `now`, or `undefined`. */
  takeDue(now: number): T | undefined {
    const first = this.#heap[0];
    if (!first || first.deadlineMs > now) return undefined;
    this.remove(first);
    return first;
  }

  #put(item: T, at: number): void {
    this.#heap[at] = item;
    item.heapIndex = at;
  }

  #settle(item: T): void {
    let at = item.heapIndex;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#heap[parent]!.deadlineMs <= item.deadlineMs) break;
      this.#put(this.#heap[parent]!, at);
      at = parent;
    }
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) break;
      if (
        child + 1 < this.#heap.length &&
        this.#heap[child + 1]!.deadlineMs < this.#heap[child]!.deadlineMs
      ) {
        child++;
      }
      if (this.#heap[child]!.deadlineMs >= item.deadlineMs) break;
      this.#put(this.#heap[child]!, at);
      at = child;
    }
    this.#put(item, at);
  }
}
