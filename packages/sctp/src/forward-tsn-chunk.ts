import { ByteReader, FormatError } from '@conclave/bytes';

/** A FORWARD TSN chunk: the peer has given up on everything up to a TSN (RFC 3758 §3.2). */
export interface ForwardTsn {
  readonly newCumulativeTsn: number;
  /** Per ordered stream the largest stream sequence number that was skipped. */
  readonly skipped: readonly { readonly streamId: number; readonly ssn: number }[];
}

/** Reads the value of a FORWARD TSN chunk. Throws {@link FormatError} `truncated` when it ends within a field. */
export function parseForwardTsn(value: Uint8Array): ForwardTsn {
  const reader = new ByteReader(value);
  const newCumulativeTsn = reader.u32();
  if (reader.remaining % 4 !== 0) throw new FormatError('truncated', 'half a stream in FORWARD TSN');
  const skipped: { streamId: number; ssn: number }[] = [];
  while (reader.remaining > 0) skipped.push({ streamId: reader.u16(), ssn: reader.u16() });
  return { newCumulativeTsn, skipped };
}
