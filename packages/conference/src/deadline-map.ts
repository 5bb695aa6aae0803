import type { NowMs } from '@conclave/bytes';

/**
 * At most one deadline per key, and which of them is next. The earliest one is cached and looked for again only
 * after it was moved or removed, so that re-arming the timers of many keys stays cheap.
 */
export class DeadlineMap<K> {
  readonly #atMs = new Map<K, NowMs>();
  #earliest: NowMs | undefined;
  #stale = false;

  /** Number of armed deadlines. */
  get size(): number {
    return this.#atMs.size;
  }

  /** Time of the key's deadline, if it is armed. */
  get(key: K): NowMs | undefined {
    return this.#atMs.get(key);
  }

  /** Arms the key's deadline, or moves it. */
  set(key: K, atMs: NowMs): void {
    if (this.#atMs.get(key) === this.#earliest) this.#stale = true;
    this.#atMs.set(key, atMs);
    if (this.#earliest === undefined || atMs < this.#earliest) this.#earliest = atMs;
  }

  /** Disarms the key's deadline; nothing happens when there is none. */
  delete(key: K): void {
    const atMs = this.#atMs.get(key);
    if (atMs === undefined) return;
    this.#atMs.delete(key);
    if (atMs === this.#earliest) this.#stale = true;
  }

  /** Time of the next deadline. */
  earliest(): NowMs | undefined {
    if (this.#stale) {
      this.#stale = false;
      this.#earliest = undefined;
      for (const atMs of this.#atMs.values()) {
        if (this.#earliest === undefined || atMs < this.#earliest) this.#earliest = atMs;
      }
    }
    return this.#earliest;
  }

  /** Removes and returns the keys whose time has come, in the order in which they were armed first. */
  takeDue(now: NowMs): K[] {
    const earliest = this.earliest();
    if (earliest === undefined || earliest > now) return [];
    const due: K[] = [];
    for (const [key, atMs] of this.#atMs) if (atMs <= now) due.push(key);
    for (const key of due) this.#atMs.delete(key);
    this.#stale = true;
    return due;
  }
}

/** The earlier of two deadlines, either of which may be absent. */
export function earlierOf(a: NowMs | undefined, b: NowMs | undefined): NowMs | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return Math.min(a, b);
}
