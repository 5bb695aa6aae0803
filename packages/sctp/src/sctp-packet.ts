import { FormatError } from '@conclave/bytes';
import { packetChecksum } from './crc32c.ts';

/** One chunk as it stood in a packet. */
export interface Chunk {
  readonly type: number;
  readonly flags: number;
  /** What follows the four bytes of type, flags and length, padding excluded; shares the packet's memory. */
  readonly value: Uint8Array;
}

/** A packet whose checksum and chunk lengths are right; nothing inside the chunks has been looked at. */
export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  /** At least one. */
  readonly chunks: readonly Chunk[];
}

/** Length of the common header (RFC 9260 §3.1). */
export const COMMON_HEADER_BYTES = 12;

/**
 * Splits a packet into its chunks (RFC 9260 §3). The chunks share its memory. Throws {@link FormatError}:
 * `truncated`, `bad-checksum`, `bad-chunk-length`.
 */
export function parsePacket(bytes: Uint8Array): SctpPacket {
  const length = bytes.length;
  if (length < COMMON_HEADER_BYTES + 4) throw new FormatError('truncated', `a packet of ${length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  if (view.getUint32(8, true) !== packetChecksum(bytes)) {
    throw new FormatError('bad-checksum', 'the packet does not have the checksum it carries');
  }
  const chunks: Chunk[] = [];
  let at = COMMON_HEADER_BYTES;
  while (at < length) {
    if (length - at < 4)
      throw new FormatError('bad-chunk-length', `${length - at} bytes after the last chunk`);
    const chunkLength = view.getUint16(at + 2);
    if (chunkLength < 4 || chunkLength > length - at) {
      throw new FormatError('bad-chunk-length', `chunk length ${chunkLength} with ${length - at} bytes left`);
    }
    chunks.push({
      type: view.getUint8(at),
      flags: view.getUint8(at + 1),
      value: bytes.subarray(at + 4, at + chunkLength),
    });
    at += (chunkLength + 3) & ~3;
  }
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    verificationTag: view.getUint32(4),
    chunks,
  };
}
