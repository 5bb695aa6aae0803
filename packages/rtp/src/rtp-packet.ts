import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';
import { encodeHeaderExtensions, type HeaderExtension, readHeaderExtensions } from './header-extension.ts';

/**
 * An RTP packet (RFC 3550 §5.1):
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---+-+-+-------+-+-------------+-------------------------------+
 * |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 * +---+-+-+-------+-+-------------+-------------------------------+
 * |                           timestamp                           |
 * +---------------------------------------------------------------+
 * |                             SSRC                              |
 * +---------------------------------------------------------------+
 * |                    CSRC, 0 to 15 of them                      |
 * +---------------------------------------------------------------+
 * ```
 */
export interface RtpPacket {
  readonly marker: boolean;
  /** 0-127. */
  readonly payloadType: number;
  /** 16 bits. */
  readonly sequence: number;
  /** 32 bits, in ticks of the stream's clock. */
  readonly timestamp: number;
  readonly ssrc: number;
  /** At most 15. */
  readonly csrcs: readonly number[];
  readonly extensions: readonly HeaderExtension[];
  /** Without padding. Parsing gives a view of the packet's memory. */
  readonly payload: Uint8Array;
  /** Padding bytes after the payload, their count byte included; 0 means that the padding bit is clear. */
  readonly paddingLength: number;
}

/** Bytes of the fixed header. */
export const RTP_HEADER_LENGTH = 12;

/**
 * Whether a datagram with this beginning is RTCP and not RTP, on a port that carries both: the payload type falls
 * into 64-95, which RTP then may not use (RFC 5761 §4).
 */
export function isRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1] ?? 0;
  return isRtpOrRtcp(bytes) && type >= 192 && type <= 223;
}

/** Whether a datagram with this beginning is RTP or RTCP, and not STUN, DTLS or TURN (RFC 7983 §7). */
export function isRtpOrRtcp(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  return first >= 128 && first <= 191;
}

/**
 * Reads a packet; its payload and extension values share the memory of `bytes`. Throws {@link FormatError}:
 * `bad-version`, `truncated` (header, CSRCs or extension longer than the packet), `bad-padding` (a count of zero or
 * more than there is).
 */
export function parseRtpPacket(bytes: Uint8Array): RtpPacket {
  const reader = new ByteReader(bytes);
  const first = reader.u8();
  if (first >>> 6 !== 2) throw new FormatError('bad-version', `RTP version ${first >>> 6}`);
  const second = reader.u8();
  const sequence = reader.u16();
  const timestamp = reader.u32();
  const ssrc = reader.u32();
  const csrcs: number[] = [];
  for (let i = first & 15; i > 0; i--) csrcs.push(reader.u32());
  const extensions = (first & 0x10) !== 0 ? readHeaderExtensions(reader) : [];
  const rest = reader.rest();
  const paddingLength = (first & 0x20) !== 0 ? readPaddingLength(rest) : 0;
  return {
    marker: (second & 0x80) !== 0,
    payloadType: second & 0x7f,
    sequence,
    timestamp,
    ssrc,
    csrcs,
    extensions,
    payload: rest.subarray(0, rest.length - paddingLength),
    paddingLength,
  };
}

/**
 * The packet's bytes. Extensions take the one-byte form if they fit it, unless `extensionForm` says otherwise.
 * Throws `RangeError` on more than 15 CSRCs, more than 255 padding bytes, or an extension that fits no form.
 */
export function encodeRtpPacket(packet: RtpPacket, extensionForm?: 'one-byte' | 'two-byte'): Uint8Array {
  const { csrcs, paddingLength } = packet;
  if (csrcs.length > 15) throw new RangeError('an RTP packet has at most 15 contributing sources');
  if (paddingLength < 0 || paddingLength > 255) throw new RangeError('RTP padding has at most 255 bytes');
  const extensions = encodeHeaderExtensions(packet.extensions, extensionForm);
  const flags = (paddingLength > 0 ? 0x20 : 0) | (extensions.length > 0 ? 0x10 : 0);
  const out = new ByteWriter(RTP_HEADER_LENGTH + extensions.length + packet.payload.length + paddingLength);
  out.u8(0x80 | flags | csrcs.length).u8((packet.marker ? 0x80 : 0) | (packet.payloadType & 0x7f));
  out.u16(packet.sequence).u32(packet.timestamp).u32(packet.ssrc);
  for (const csrc of csrcs) out.u32(csrc);
  out.bytes(extensions).bytes(packet.payload);
  if (paddingLength > 0) out.bytes(new Uint8Array(paddingLength - 1)).u8(paddingLength);
  return out.finish();
}

/** Whether the packet carries no media: sent to probe for bandwidth, or to keep a path alive. */
export function isPaddingOnly(packet: RtpPacket): boolean {
  return packet.payload.length === 0;
}

function readPaddingLength(rest: Uint8Array): number {
  const count = rest.at(-1) ?? 0;
  if (count === 0 || count > rest.length) {
    throw new FormatError('bad-padding', `padding of ${count} bytes in ${rest.length}`);
  }
  return count;
}
