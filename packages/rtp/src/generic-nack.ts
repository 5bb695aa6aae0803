import { type ByteReader, ByteWriter, FormatError, seqAdd16, seqDelta16 } from '@conclave/bytes';

/** Packets that a receiver misses (RFC 4585 §6.2.1). */
export interface GenericNack {
  readonly type: 'nack';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  /**
   * Sequence numbers of the missing packets, in the order of the entries. A peer can put 17 into each four bytes: who
   * answers them needs a budget.
   */
  readonly sequences: readonly number[];
}

/** Reads the body of a generic NACK. Throws `FormatError` `truncated` or `bad-nack`. */
export function parseGenericNack(reader: ByteReader): GenericNack {
  const senderSsrc = reader.u32();
  const mediaSsrc = reader.u32();
  if (reader.remaining === 0) throw new FormatError('bad-nack', 'a NACK has at least one entry');
  const sequences: number[] = [];
  while (reader.remaining > 0) {
    const first = reader.u16();
    const mask = reader.u16();
    sequences.push(first);
    for (let bit = 0; bit < 16; bit++) {
      if (((mask >>> bit) & 1) !== 0) sequences.push(seqAdd16(first, bit + 1));
    }
  }
  return { type: 'nack', senderSsrc, mediaSsrc, sequences };
}

/** The body of a generic NACK: numbers in ascending order take the fewest entries. Throws `RangeError` on none. */
export function encodeGenericNack({ senderSsrc, mediaSsrc, sequences }: GenericNack): Uint8Array {
  if (sequences.length === 0) throw new RangeError('a NACK has at least one entry');
  const out = new ByteWriter().u32(senderSsrc).u32(mediaSsrc);
  let at = 0;
  while (at < sequences.length) {
    const first = sequences[at++]!;
    let mask = 0;
    for (; at < sequences.length; at++) {
      const ahead = seqDelta16(first, sequences[at]!);
      if (ahead < 1 || ahead > 16) break;
      mask |= 1 << (ahead - 1);
    }
    out.u16(first).u16(mask);
  }
  return out.finish();
}
