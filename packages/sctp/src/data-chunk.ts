import { FormatError } from '@conclave/bytes';
import { ChunkType } from './chunk-type.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { Chunk } from './sctp-packet.ts';

/** Flag bits of a DATA chunk (RFC 9260 §3.3.1). */
export const DataFlag = { end: 0x01, begin: 0x02, unordered: 0x04, immediate: 0x08 } as const;

/** Header of a DATA chunk with its four bytes of type, flags and length. */
export const DATA_HEADER_BYTES = 16;

/** One fragment of a message, or a whole one. */
export interface DataChunk {
  readonly tsn: number;
  readonly streamId: number;
  /** Stream sequence number; without meaning when `unordered`. */
  readonly ssn: number;
  readonly ppid: number;
  readonly begin: boolean;
  readonly end: boolean;
  readonly unordered: boolean;
  /** The sender wants its SACK at once (RFC 7053). */
  readonly immediate: boolean;
  /** At least one byte; shares the packet's memory. */
  readonly payload: Uint8Array;
}

/**
 * Reads a DATA chunk (RFC 9260 §3.3.1). Throws {@link FormatError}: `truncated`, or `no-user-data` for one that has
 * a header and nothing else.
 */
export function parseData(chunk: Chunk): DataChunk {
  const { value, flags } = chunk;
  if (value.length < 12) throw new FormatError('truncated', `a DATA chunk of ${value.length} bytes`);
  if (value.length === 12) throw new FormatError('no-user-data', 'a DATA chunk without data');
  const view = new DataView(value.buffer, value.byteOffset, 12);
  return {
    tsn: view.getUint32(0),
    streamId: view.getUint16(4),
    ssn: view.getUint16(6),
    ppid: view.getUint32(8),
    begin: (flags & DataFlag.begin) !== 0,
    end: (flags & DataFlag.end) !== 0,
    unordered: (flags & DataFlag.unordered) !== 0,
    immediate: (flags & DataFlag.immediate) !== 0,
    payload: value.subarray(12),
  };
}

/** Appends a DATA chunk to the packet, which must have room for it. */
export function writeData(
  packet: PacketWriter,
  flags: number,
  tsn: number,
  streamId: number,
  ssn: number,
  ppid: number,
  payload: Uint8Array,
): void {
  packet.begin(ChunkType.data, flags).u32(tsn).u16(streamId).u16(ssn).u32(ppid).bytes(payload).end();
}
