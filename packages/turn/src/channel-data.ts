import { FormatError } from '@conclave/bytes';

/** Lowest channel number (RFC 8656 §12). */
export const MIN_CHANNEL = 0x4000;

/** Highest channel number of today (RFC 8656 §12). */
export const MAX_CHANNEL = 0x4fff;

/** Highest channel number of older clients (RFC 5766 §11); their messages can be told from STUN all the same. */
export const MAX_OLD_CHANNEL = 0x7fff;

/** A ChannelData message (RFC 8656 §12.4). */
export interface ChannelData {
  /** {@link MIN_CHANNEL} to {@link MAX_OLD_CHANNEL}. */
  readonly channel: number;
  /** A view of the bytes it was parsed from. */
  readonly data: Uint8Array;
}

/** Whether the first byte says ChannelData, of any channel, and not STUN (RFC 8656 §12.4). */
export function isChannelData(bytes: Uint8Array): boolean {
  return bytes.length > 0 && (bytes[0]! & 0xc0) === 0x40;
}

/**
 * The message that fills `bytes`, up to three bytes of padding aside. Throws {@link FormatError}
 * `bad-channel-data` when it is cut short, goes on or is none.
 */
export function parseChannelData(bytes: Uint8Array): ChannelData {
  const length = (bytes[2]! << 8) | bytes[3]!;
  const whole = bytes.length >= 4 + length && bytes.length <= 4 + ((length + 3) & ~3);
  if (bytes.length < 4 || !whole || !isChannelData(bytes)) {
    throw new FormatError('bad-channel-data', `ChannelData of ${bytes.length} bytes with length ${length}`);
  }
  return { channel: (bytes[0]! << 8) | bytes[1]!, data: bytes.subarray(4, 4 + length) };
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
