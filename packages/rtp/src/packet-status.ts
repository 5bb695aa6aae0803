import { type ByteReader, type ByteWriter, FormatError } from '@conclave/bytes';

/** Whether a packet has arrived, and how wide the delta of its arrival time is. */
export type PacketStatus = 'lost' | 'small' | 'large';

const SYMBOLS: readonly PacketStatus[] = ['lost', 'small', 'large'];

/** Lengths of a status vector by symbol size, and the longest run a run-length chunk counts. */
const ONE_BIT_VECTOR = 14;
const TWO_BIT_VECTOR = 7;
const LONGEST_RUN = 0x1fff;

/**
 * Reads packet status chunks (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.2-3.1.4) until `count`
 * statuses are known; what the last chunk holds beyond is ignored. Throws {@link FormatError} `truncated`, or
 * `bad-transport-feedback` on the reserved symbol and on a run of nothing.
 */
export function readPacketStatuses(reader: ByteReader, count: number): PacketStatus[] {
  const statuses: PacketStatus[] = [];
  while (statuses.length < count) {
    const chunk = reader.u16();
    const wanted = count - statuses.length;
    if (chunk >>> 15 === 0) {
      const run = Math.min(chunk & LONGEST_RUN, wanted);
      if (run === 0) throw new FormatError('bad-transport-feedback', 'a run of length zero');
      const status = statusOf(chunk >>> 13);
      for (let i = 0; i < run; i++) statuses.push(status);
    } else if (((chunk >>> 14) & 1) === 0) {
      for (let i = 0; i < Math.min(ONE_BIT_VECTOR, wanted); i++)
        statuses.push(statusOf((chunk >>> (13 - i)) & 1));
    } else {
      for (let i = 0; i < Math.min(TWO_BIT_VECTOR, wanted); i++)
        statuses.push(statusOf((chunk >>> (12 - 2 * i)) & 3));
    }
  }
  return statuses;
}

/** Writes the statuses in few chunks: a run where it covers more than a vector would, else the longer vector that fits. */
export function writePacketStatuses(out: ByteWriter, statuses: readonly PacketStatus[]): void {
  let at = 0;
  while (at < statuses.length) {
    const run = runLength(statuses, at);
    const oneBit = statuses.slice(at, at + ONE_BIT_VECTOR);
    const fitsOneBit = !oneBit.includes('large');
    if (run >= (fitsOneBit ? ONE_BIT_VECTOR : TWO_BIT_VECTOR) || at + run === statuses.length) {
      out.u16((SYMBOLS.indexOf(statuses[at]!) << 13) | run);
      at += run;
    } else if (fitsOneBit) {
      out.u16(oneBit.reduce((chunk, s, i) => chunk | (SYMBOLS.indexOf(s) << (13 - i)), 0x8000));
      at += oneBit.length;
    } else {
      const twoBit = statuses.slice(at, at + TWO_BIT_VECTOR);
      out.u16(twoBit.reduce((chunk, s, i) => chunk | (SYMBOLS.indexOf(s) << (12 - 2 * i)), 0xc000));
      at += twoBit.length;
    }
  }
}

function runLength(statuses: readonly PacketStatus[], at: number): number {
  let run = 1;
  while (run < LONGEST_RUN && statuses[at + run] === statuses[at]) run++;
  return run;
}

function statusOf(symbol: number): PacketStatus {
  const status = SYMBOLS[symbol & 3];
  if (status === undefined) throw new FormatError('bad-transport-feedback', 'reserved packet status symbol');
  return status;
}
