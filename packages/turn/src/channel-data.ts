import { FormatError } from '@conclave/bytes';

/** Lowest channel number (RFC 8656 §12). */
export const MIN_CHANNEL = 0x4000;

/** Highest channel number; those from 0x5000 on are reserved (RFC 8656 §12). */
export const MAX_CHANNEL = 0x4fff;

/** A ChannelData message (RFC 8656 §12.4). */
export interface ChannelData {
  /** {@link MIN_CHANNEL} to {@link MAX_CHANNEL}. */
  readonly channel: number;
  /** A view of the bytes it was parsed from. */
  readonly data: Uint8Array;
}

/** Whether the first byte says ChannelData, of a valid or a reserved channel, and not STUN (RFC 8656 §12.4). */
export function isChannelData(bytes: Uint8Array): boolean {
  return bytes.length > 0 && (bytes[0]! & 0xc0) === 0x40;
}

/**
 * The message that fills `bytes`, up to three bytes of padding aside. Throws {@link FormatError}
 * `bad-channel-data` when it is cut short or goes on, and `bad-channel` for a reserved number.
 */
export function parseChannelData(bytes: Uint8Array): ChannelData {
  const length = (bytes[2]! << 8) | bytes[3]!;
  if (bytes.length < 4 || bytes.length < 4 + length || bytes.length > 4 + ((length + 3) & ~3)) {
    throw new FormatError('bad-channel-data', `ChannelData of ${bytes.length} bytes with length ${length}`);
  }
  const channel = (bytes[0]! << 8) | bytes[1]!;
  if (!isChannelNumber(channel)) throw new FormatError('bad-channel', `channel 0x${channel.toString(16)}`);
  return { channel, data: bytes.subarray(4, 4 + length) };
}

/** Whether a client may bind this number. */
export function isChannelNumber(channel: number): boolean {
  return channel >= MIN_CHANNEL && channel <= MAX_CHANNEL;
}

/**
 * One ChannelData message, a fresh array. Throws RangeError when `data` is longer than 65535 bytes.
 *
 * @param padded whether it goes over a stream, where messages start at multiples of four bytes (RFC 8656 §12.5)
 */
export function encodeChannelData(channel: number, data: Uint8Array, padded: boolean): Uint8Array {
  if (data.length > 0xffff) throw new RangeError('ChannelData takes at most 65535 bytes');
  const out = new Uint8Array(4 + (padded ? (data.length + 3) & ~3 : data.length));
  out[0] = channel >>> 8;
  out[1] = channel;
  out[2] = data.length >>> 8;
  out[3] = data.length;
  out.set(data, 4);
  return out;
}
