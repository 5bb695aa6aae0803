/** Frames that a receiver remembers by default. Fewer drop frames that arrive late; more cost an eighth of a byte each, per sender and key. */
export const DEFAULT_REPLAY_WINDOW_FRAMES = 1024;

/**
 * Remembers which of the last frame counters of one sender under one key were accepted. Counters are 32 bits, start
 * anywhere and wrap: "later" means less than 2^31 ahead.
 */
export class ReplayWindow {
  readonly #size: number;
  readonly #seen: Uint8Array;
  #highest: number | undefined;

  /** `sizeFrames`: 8 to 65536, rounded up to a power of two, so that positions stay right when the counter wraps. */
  constructor(sizeFrames: number) {
    this.#size = 2 ** Math.ceil(Math.log2(Math.min(Math.max(sizeFrames, 8), 65536)));
    this.#seen = new Uint8Array(this.#size / 8);
  }

  /** Whether a frame with this counter may be accepted: it is not remembered, and not older than the window. */
  isFresh(counter: number): boolean {
    if (this.#highest === undefined) return true;
    const ahead = (counter - this.#highest) | 0;
    if (ahead > 0) return true;
    return -ahead < this.#size && !this.#has(counter);
  }

  /**
   * Remembers the counter of an authentic frame. False, without effect, if it is not fresh (any more): two copies of
   * one frame may have been decrypted at the same time.
   */
  accept(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    const ahead = this.#highest === undefined ? this.#size : (counter - this.#highest) | 0;
    if (ahead >= this.#size) this.#seen.fill(0);
    else for (let step = 1; step < ahead; step++) this.#clear((this.#highest! + step) >>> 0);
    if (ahead > 0) this.#highest = counter;
    this.#set(counter);
    return true;
  }

  #has(counter: number): boolean {
    const at = counter & (this.#size - 1);
    return ((this.#seen[at >>> 3]! >>> (at & 7)) & 1) === 1;
  }

  #set(counter: number): void {
    const at = counter & (this.#size - 1);
    this.#seen[at >>> 3] = this.#seen[at >>> 3]! | (1 << (at & 7));
  }

  #clear(counter: number): void {
    const at = counter & (this.#size - 1);
    this.#seen[at >>> 3] = this.#seen[at >>> 3]! & ~(1 << (at & 7));
  }
}
