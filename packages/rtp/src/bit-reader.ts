import { FormatError } from '@conclave/bytes';

/** Reads bit fields, most significant bit first. Reading past the end throws {@link FormatError} `truncated`. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** Keeps a reference to `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next `count` (0-32) bits as an unsigned number. */
  bits(count: number): number {
    if (this.#at + count > this.#bytes.length * 8) throw new FormatError('truncated', 'needed more bits');
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      value = value * 2 + ((this.#bytes[this.#at >>> 3]! >>> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  /** The next bit. */
  flag(): boolean {
    return this.bits(1) === 1;
  }

  /** A number in 0..n-1 in the non-symmetric code `ns(n)` of the AV1 bitstream specification §4.10.7. */
  nonSymmetric(n: number): number {
    let width = 0;
    for (let rest = n; rest > 0; rest >>>= 1) width++;
    const short = 2 ** width - n;
    const value = this.bits(width - 1);
    return value < short ? value : value * 2 - short + this.bits(1);
  }
}
