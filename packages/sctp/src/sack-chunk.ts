import { ByteReader, FormatError } from '@conclave/bytes';
import { ChunkType } from './chunk-type.ts';
import type { PacketWriter } from './packet-writer.ts';

/** Consecutive TSNs as offsets from the cumulative TSN, both ends included (RFC 9260 §3.3.4). */
export interface GapBlock {
  /** 1..65535. */
  readonly start: number;
  /** `start`..65535. */
  readonly end: number;
}

/** A selective acknowledgement. The duplicates it reports are not kept: nothing is done with them. */
export interface Sack {
  readonly cumulativeTsn: number;
  /** Bytes the peer has room for, what is in flight included. */
  readonly advertisedWindow: number;
  /** Ascending, apart from one another. */
  readonly gaps: readonly GapBlock[];
}

/**
 * Reads the value of a SACK chunk (RFC 9260 §3.3.4). Throws {@link FormatError}: `truncated` when the counts promise
 * more than there is, `bad-gap-block` for blocks that are empty, descend or overlap, which no honest peer sends and
 * which would cost time out of proportion to work through.
 */
export function parseSack(value: Uint8Array): Sack {
  const reader = new ByteReader(value);
  const cumulativeTsn = reader.u32();
  const advertisedWindow = reader.u32();
  const gapCount = reader.u16();
  const duplicateCount = reader.u16();
  if (reader.remaining < 4 * (gapCount + duplicateCount)) {
    throw new FormatError(
      'truncated',
      `${gapCount} gaps and ${duplicateCount} duplicates in ${value.length} bytes`,
    );
  }
  const gaps: GapBlock[] = [];
  let previousEnd = 0;
  for (let i = 0; i < gapCount; i++) {
    const start = reader.u16();
    const end = reader.u16();
    if (start <= previousEnd || end < start) {
      throw new FormatError('bad-gap-block', `block ${start}..${end} after ${previousEnd}`);
    }
    gaps.push({ start, end });
    previousEnd = end;
  }
  return { cumulativeTsn, advertisedWindow, gaps };
}

/** Bytes of a SACK chunk without gaps and duplicates, its header included. */
export const SACK_BASE_BYTES = 16;

/**
 * Appends a SACK to the packet: as many gaps, lowest first, and then duplicates as there is room for. The packet must
 * have room for {@link SACK_BASE_BYTES}.
 */
export function writeSack(packet: PacketWriter, sack: Sack, duplicates: readonly number[]): void {
  const room = Math.floor((packet.remaining - SACK_BASE_BYTES) / 4);
  const gapCount = Math.min(sack.gaps.length, room);
  const duplicateCount = Math.min(duplicates.length, room - gapCount);
  packet
    .begin(ChunkType.sack, 0)
    .u32(sack.cumulativeTsn)
    .u32(sack.advertisedWindow)
    .u16(gapCount)
    .u16(duplicateCount);
  for (let i = 0; i < gapCount; i++) packet.u16(sack.gaps[i]!.start).u16(sack.gaps[i]!.end);
  for (let i = 0; i < duplicateCount; i++) packet.u32(duplicates[i]!);
  packet.end();
}
