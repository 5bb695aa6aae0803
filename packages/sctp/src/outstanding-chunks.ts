import { serialAdd32, serialDelta32 } from '@conclave/bytes';
import { Fifo } from './fifo.ts';
import type { GapBlock, Sack } from './sack-chunk.ts';

/** A DATA chunk that was sent and is not below the peer's cumulative acknowledgement. */
export interface OutstandingChunk {
  readonly tsn: number;
  readonly streamId: number;
  readonly ssn: number;
  readonly ppid: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  sentAt: number;
  /** `acked`: in a gap block of the last SACK; `lost`: to be sent again. */
  state: 'in-flight' | 'acked' | 'lost';
  /** SACKs that reported it missing (RFC 9260 §7.2.4). */
  missingReports: number;
  /** Sent more than once: tells nothing about the round-trip time. */
  retransmitted: boolean;
  /** Repaired by fast retransmit once; a second loss waits for the timer (RFC 9260 §7.2.4). */
  fastRetransmitted: boolean;
}

/** What a SACK changed. */
export interface SackEffect {
  /** The cumulative TSN moved: the earliest outstanding chunk has arrived. */
  readonly advanced: boolean;
  /** Bytes acknowledged for the first time. */
  readonly ackedBytes: number;
  /** When the newest chunk was sent that was acknowledged for the first time and sent but once. */
  readonly sampleSentAt: number | undefined;
  /** Chunks were found lost by three reports. */
  readonly lossFound: boolean;
}

/** Reports of a chunk missing after which it counts as lost (RFC 9260 §7.2.4). */
const MISSING_REPORTS_UNTIL_LOST = 3;

/** Chunks sent and not yet cumulatively acknowledged, by TSN. */
export class OutstandingChunks {
  readonly #chunks = new Fifo<OutstandingChunk>();
  #firstTsn: number;
  #nextSampleTsn: number;
  #flightBytes = 0;
  #bytes = 0;
  #lostCount = 0;
  #ackedCount = 0;
  /** No chunk at a lower index is lost: saves searching from the front for every chunk sent again. */
  #searchLostFrom = 0;

  constructor(initialTsn: number) {
    this.#firstTsn = initialTsn;
    this.#nextSampleTsn = initialTsn;
  }

  get length(): number {
    return this.#chunks.length;
  }

  /** TSN of the next new chunk. */
  get nextTsn(): number {
    return serialAdd32(this.#firstTsn, this.#chunks.length);
  }

  /** Bytes believed to be in the network. */
  get flightBytes(): number {
    return this.#flightBytes;
  }

  /** Bytes of all outstanding chunks. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether chunks wait for being sent again. */
  get hasLost(): boolean {
    return this.#lostCount > 0;
  }

  /** Adds a chunk just sent for the first time; its TSN is {@link OutstandingChunks.nextTsn}. */
  add(chunk: OutstandingChunk): void {
    this.#chunks.push(chunk);
    this.#flightBytes += chunk.payload.length;
    this.#bytes += chunk.payload.length;
  }

  /** The lost chunk with the lowest TSN. */
  firstLost(): OutstandingChunk | undefined {
    if (this.#lostCount === 0) return undefined;
    for (; this.#searchLostFrom < this.#chunks.length; this.#searchLostFrom++) {
      const chunk = this.#chunks.at(this.#searchLostFrom)!;
      if (chunk.state === 'lost') return chunk;
    }
    return undefined;
  }

  /** A lost chunk is sent again. */
  resend(chunk: OutstandingChunk, now: number): void {
    chunk.state = 'in-flight';
    chunk.sentAt = now;
    chunk.missingReports = 0;
    chunk.retransmitted = true;
    this.#lostCount--;
    this.#flightBytes += chunk.payload.length;
  }

  /** Gives up everything in flight: the timer ran out (RFC 9260 §6.3.3 E3). */
  markAllLost(): void {
    for (let i = 0; i < this.#chunks.length; i++) {
      const chunk = this.#chunks.at(i)!;
      if (chunk.state === 'in-flight') this.#lose(chunk);
    }
  }

  /**
   * Whether the SACK speaks of nothing but what was sent and is not older than one before: 'old' ones arrive when
   * the network reorders, 'impossible' ones from peers that lie.
   */
  judge(sack: Sack): 'good' | 'old' | 'impossible' {
    if (serialDelta32(this.#firstTsn, serialAdd32(sack.cumulativeTsn, 1)) < 0) return 'old';
    const highest = serialAdd32(sack.cumulativeTsn, sack.gaps.at(-1)?.end ?? 0);
    return serialDelta32(highest, this.nextTsn) > 0 ? 'good' : 'impossible';
  }

  /**
   * Applies a SACK judged good (RFC 9260 §6.2.1, §7.2.4). With `cumulativeOnly` the gaps stay as they were known: a
   * SHUTDOWN says nothing of them.
   */
  acknowledge(sack: Sack, inFastRecovery: boolean, cumulativeOnly: boolean): SackEffect {
    let ackedBytes = 0;
    let sample: OutstandingChunk | undefined;
    const noteAcked = (chunk: OutstandingChunk): void => {
      ackedBytes += chunk.payload.length;
      if (!chunk.retransmitted && (!sample || chunk.sentAt >= sample.sentAt)) sample = chunk;
    };

    const passed = serialDelta32(this.#firstTsn, serialAdd32(sack.cumulativeTsn, 1));
    for (let i = 0; i < passed; i++) {
      const chunk = this.#chunks.shift()!;
      this.#bytes -= chunk.payload.length;
      if (chunk.state === 'acked') this.#ackedCount--;
      else noteAcked(chunk);
      if (chunk.state === 'in-flight') this.#flightBytes -= chunk.payload.length;
      if (chunk.state === 'lost') this.#lostCount--;
    }
    this.#firstTsn = serialAdd32(sack.cumulativeTsn, 1);
    this.#searchLostFrom = Math.max(0, this.#searchLostFrom - passed);

    let lossFound = false;
    if (!cumulativeOnly) {
      const highestNewIndex = this.#applyGaps(sack.gaps, noteAcked);
      // While losses are repaired, every advance counts reports for all that is still missing (§7.2.4).
      const inRepair = inFastRecovery && passed > 0;
      lossFound = this.#countMissing(inRepair ? (sack.gaps.at(-1)?.end ?? 0) - 1 : highestNewIndex);
    }

    let sampleSentAt: number | undefined;
    if (sample && serialDelta32(this.#nextSampleTsn, sample.tsn) >= 0) {
      sampleSentAt = sample.sentAt;
      this.#nextSampleTsn = this.nextTsn;
    }
    return { advanced: passed > 0, ackedBytes, sampleSentAt, lossFound };
  }

  /** Index of the highest chunk acknowledged for the first time, or -1. */
  #applyGaps(gaps: readonly GapBlock[], noteAcked: (chunk: OutstandingChunk) => void): number {
    let highestNewIndex = -1;
    let knownAcked = this.#ackedCount;
    let index = 0;
    // The chunk at index i has offset i + 1 from the cumulative TSN.
    for (const gap of gaps) {
      for (; index < gap.start - 1; index++) {
        const chunk = this.#chunks.at(index)!;
        if (chunk.state !== 'acked') continue;
        knownAcked--;
        this.#renege(chunk);
      }
      for (; index < gap.end; index++) {
        const chunk = this.#chunks.at(index)!;
        if (chunk.state === 'acked') {
          knownAcked--;
          continue;
        }
        noteAcked(chunk);
        if (chunk.state === 'in-flight') this.#flightBytes -= chunk.payload.length;
        else this.#lostCount--;
        chunk.state = 'acked';
        this.#ackedCount++;
        highestNewIndex = index;
      }
    }
    for (; knownAcked > 0; index++) {
      const chunk = this.#chunks.at(index)!;
      if (chunk.state !== 'acked') continue;
      knownAcked--;
      this.#renege(chunk);
    }
    return highestNewIndex;
  }

  /** Counts a report for every chunk missing below `index`. Whether that made one lost. */
  #countMissing(index: number): boolean {
    let lossFound = false;
    for (let i = 0; i < index; i++) {
      const chunk = this.#chunks.at(i)!;
      if (chunk.state !== 'in-flight' || chunk.fastRetransmitted) continue;
      chunk.missingReports++;
      if (chunk.missingReports < MISSING_REPORTS_UNTIL_LOST) continue;
      chunk.fastRetransmitted = true;
      this.#lose(chunk);
      lossFound = true;
    }
    return lossFound;
  }

  /** The peer took back an acknowledgement, as it may until the cumulative TSN passes (RFC 9260 §6.2.1). */
  #renege(chunk: OutstandingChunk): void {
    chunk.state = 'in-flight';
    chunk.missingReports = 1;
    this.#ackedCount--;
    this.#flightBytes += chunk.payload.length;
  }

  #lose(chunk: OutstandingChunk): void {
    chunk.state = 'lost';
    this.#lostCount++;
    this.#flightBytes -= chunk.payload.length;
    this.#searchLostFrom = Math.min(this.#searchLostFrom, serialDelta32(this.#firstTsn, chunk.tsn));
  }
}
