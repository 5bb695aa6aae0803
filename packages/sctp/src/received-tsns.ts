import { serialAdd32, serialDelta32 } from '@conclave/bytes';
import type { GapBlock } from './sack-chunk.ts';

interface TsnRange {
  first: number;
  last: number;
}

/** What a TSN is to those received before it. */
export type TsnStanding = 'new' | 'duplicate' | 'too-far';

/** Duplicates remembered for one SACK; the peer needs them for statistics at most. */
const MAX_DUPLICATES = 16;

/** Which transmission sequence numbers have arrived: all up to a cumulative one, and ranges beyond it. */
export class ReceivedTsns {
  readonly #maxAhead: number;
  readonly #ranges: TsnRange[] = [];
  #cumulative: number;
  #duplicates: number[] = [];

  /** Expects `initialTsn` first; numbers more than `maxAhead` beyond the cumulative one are refused. */
  constructor(initialTsn: number, maxAhead: number) {
    this.#cumulative = serialAdd32(initialTsn, -1);
    this.#maxAhead = maxAhead;
  }

  /** Everything up to here has arrived or was given up by the peer. */
  get cumulative(): number {
    return this.#cumulative;
  }

  /** The highest that has arrived. */
  get highest(): number {
    return this.#ranges.at(-1)?.last ?? this.#cumulative;
  }

  /** Whether something is missing below what has arrived. */
  get hasGaps(): boolean {
    return this.#ranges.length > 0;
  }

  /** The ranges beyond the cumulative number as a SACK states them. */
  get gaps(): GapBlock[] {
    return this.#ranges.map(({ first, last }) => ({
      start: serialDelta32(this.#cumulative, first),
      end: serialDelta32(this.#cumulative, last),
    }));
  }

  /** Says what the number is; nothing is remembered. */
  standing(tsn: number): TsnStanding {
    const ahead = serialDelta32(this.#cumulative, tsn);
    if (ahead <= 0) return 'duplicate';
    if (ahead > this.#maxAhead) return 'too-far';
    const range = this.#ranges[this.#indexAtOrAfter(tsn)];
    return range && serialDelta32(range.first, tsn) >= 0 ? 'duplicate' : 'new';
  }

  /** Remembers a number whose standing is `new`. */
  add(tsn: number): void {
    if (tsn === serialAdd32(this.#cumulative, 1)) {
      this.#cumulative = tsn;
      this.#absorb();
      return;
    }
    const index = this.#indexAtOrAfter(tsn);
    const before = this.#ranges[index - 1];
    const after = this.#ranges[index];
    const joinsBefore = before !== undefined && serialAdd32(before.last, 1) === tsn;
    const joinsAfter = after !== undefined && serialAdd32(tsn, 1) === after.first;
    if (joinsBefore && joinsAfter) {
      before.last = after.last;
      this.#ranges.splice(index, 1);
    } else if (joinsBefore) {
      before.last = tsn;
    } else if (joinsAfter) {
      after.first = tsn;
    } else {
      this.#ranges.splice(index, 0, { first: tsn, last: tsn });
    }
  }

  /** Notes that a number arrived again, for the next SACK. */
  noteDuplicate(tsn: number): void {
    if (this.#duplicates.length < MAX_DUPLICATES) this.#duplicates.push(tsn);
  }

  /** The duplicates noted since the last call. */
  takeDuplicates(): number[] {
    const duplicates = this.#duplicates;
    if (duplicates.length > 0) this.#duplicates = [];
    return duplicates;
  }

  /** Counts everything up to `tsn` as arrived (RFC 3758 §3.6). Whether that changed anything. */
  skipTo(tsn: number): boolean {
    if (serialDelta32(this.#cumulative, tsn) <= 0) return false;
    this.#cumulative = tsn;
    let passed = 0;
    while (passed < this.#ranges.length && serialDelta32(this.#ranges[passed]!.last, tsn) >= 0) passed++;
    this.#ranges.splice(0, passed);
    const next = this.#ranges[0];
    if (next && serialDelta32(next.first, tsn) >= 0) next.first = serialAdd32(tsn, 1);
    this.#absorb();
    return true;
  }

  #absorb(): void {
    const next = this.#ranges[0];
    if (next && next.first === serialAdd32(this.#cumulative, 1)) {
      this.#cumulative = next.last;
      this.#ranges.shift();
    }
  }

  /** Index of the first range that ends at `tsn` or later. */
  #indexAtOrAfter(tsn: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (serialDelta32(this.#ranges[middle]!.last, tsn) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
