import { ByteWriter, FormatError } from '@conclave/bytes';

/** One type-length-value item of a chunk: a parameter (RFC 9260 §3.2.1) or an error cause (§3.3.10). */
export interface TlvParameter {
  readonly type: number;
  /** Without the four bytes of header and without padding; shares the chunk's memory. */
  readonly value: Uint8Array;
  /** Header and value, for reports about it. */
  readonly whole: Uint8Array;
}

/**
 * Splits the bytes into their parameters. The last one may come without its padding. Throws {@link FormatError}
 * `bad-parameter-length` when a length is under four or reaches past the end.
 */
export function parseParameters(bytes: Uint8Array): TlvParameter[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parameters: TlvParameter[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.length - at < 4 ? 0 : view.getUint16(at + 2);
    if (length < 4 || length > bytes.length - at) {
      throw new FormatError('bad-parameter-length', `length ${length} with ${bytes.length - at} bytes left`);
    }
    parameters.push({
      type: view.getUint16(at),
      value: bytes.subarray(at + 4, at + length),
      whole: bytes.subarray(at, at + length),
    });
    at += (length + 3) & ~3;
  }
  return parameters;
}

/** Appends a parameter, after padding what is there to four bytes: a chunk's length ends with its last parameter. */
export function writeParameter(out: ByteWriter, type: number, value: Uint8Array): void {
  out
    .padTo(4)
    .u16(type)
    .u16(4 + value.length)
    .bytes(value);
}

/** One parameter as bytes, without padding. */
export function encodeParameter(type: number, value: Uint8Array): Uint8Array {
  const out = new ByteWriter(8 + value.length);
  writeParameter(out, type, value);
  return out.finish();
}
