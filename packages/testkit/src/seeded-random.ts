/**
 * Random numbers that are the same for the same seed, so that a failing test can be run again (xoshiro128**, Blackman and
 * Vigna 2018). Not for secrets.
 */
export class SeededRandom {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** The seed is any integer; its low 32 bits count. */
  constructor(seed: number) {
    // The state must not be zero and should differ in all words: each is a step of a mixed counter.
    let counter = seed | 0;
    const word = (): number => {
      counter = (counter + 0x9e3779b9) | 0;
      let z = Math.imul(counter ^ (counter >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = word();
    this.#b = word();
    this.#c = word();
    this.#d = word() | 1;
  }

  /** An integer in 0..2^32 - 1. */
  uint32(): number {
    const scrambled = Math.imul(this.#b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer in 0..bound - 1. */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One of the values. Throws `RangeError` when there is none. */
  pick<T>(values: readonly T[]): T {
    if (values.length === 0) throw new RangeError('nothing to pick from');
    return values[this.below(values.length)]!;
  }

  /** Fresh bytes; bound to the object, so that it can be passed where a `RandomBytes` is wanted. */
  readonly bytes = (size: number): Uint8Array =>
    Uint8Array.from({ length: size }, () => this.uint32() >>> 24);
}
