import { concatBytes, FormatError } from '@conclave/bytes';
import type { RtpPacket } from './rtp-packet.ts';

/** Where a retransmission goes: the repair stream's own names and numbering. */
export interface RtxTarget {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly sequence: number;
}

/**
 * Packs a packet into its retransmission (RFC 4588 §4): the original sequence number goes before the payload;
 * timestamp, marker, CSRCs and extensions stay; padding is left out.
 */
export function encapsulateRtx(original: RtpPacket, target: RtxTarget): RtpPacket {
  const { sequence } = original;
  return {
    ...original,
    ...target,
    payload: concatBytes(Uint8Array.of(sequence >>> 8, sequence), original.payload),
    paddingLength: 0,
  };
}

/**
 * The packet that a retransmission carries, under the names given. Throws {@link FormatError} `short-rtx` when there
 * is no room for the original sequence number, as in a padding-only packet.
 */
export function decapsulateRtx(rtx: RtpPacket, original: { ssrc: number; payloadType: number }): RtpPacket {
  const { payload } = rtx;
  if (payload.length < 2) {
    throw new FormatError('short-rtx', 'a retransmission begins with a sequence number');
  }
  return {
    ...rtx,
    ssrc: original.ssrc,
    payloadType: original.payloadType,
    sequence: (payload[0]! << 8) | payload[1]!,
    payload: payload.subarray(2),
    paddingLength: 0,
  };
}
