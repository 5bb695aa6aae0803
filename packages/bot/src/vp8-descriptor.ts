import { ByteReader, FormatError } from '@conclave/bytes';

/** What stands in clear before a VP8 frame's bytes in each RTP packet (RFC 7741 §4.2), as far as it is needed. */
export interface Vp8Descriptor {
  /** The packet begins a partition. */
  readonly startOfPartition: boolean;
  /** 0-7; a frame begins where partition 0 begins. */
  readonly partition: number;
  /** Bytes of the descriptor; the frame's bytes follow. */
  readonly length: number;
}

const EXTENDED = 0x80;
const START_OF_PARTITION = 0x10;
const HAS_PICTURE_ID = 0x80;
const HAS_TL0_PICTURE_INDEX = 0x40;
const HAS_LAYER_OR_KEY_INDEX = 0x30;
const LONG_PICTURE_ID = 0x80;

/** Reads the descriptor at the start of a packet's payload. Throws {@link FormatError} `truncated` or `empty-payload`. */
export function parseVp8Descriptor(payload: Uint8Array): Vp8Descriptor {
  const reader = new ByteReader(payload);
  const first = reader.u8();
  if ((first & EXTENDED) !== 0) {
    const present = reader.u8();
    if ((present & HAS_PICTURE_ID) !== 0 && (reader.u8() & LONG_PICTURE_ID) !== 0) reader.skip(1);
    if ((present & HAS_TL0_PICTURE_INDEX) !== 0) reader.skip(1);
    if ((present & HAS_LAYER_OR_KEY_INDEX) !== 0) reader.skip(1);
  }
  if (reader.remaining === 0) throw new FormatError('empty-payload', 'nothing follows the VP8 descriptor');
  return {
    startOfPartition: (first & START_OF_PARTITION) !== 0,
    partition: first & 7,
    length: reader.offset,
  };
}

/**
 * The shortest descriptor, of one byte: that is what browsers send beside a frame descriptor extension. An encrypted
 * frame is one partition, since nobody on the way can find the bounds of the others.
 */
export function encodeVp8Descriptor(startOfFrame: boolean): Uint8Array {
  return Uint8Array.of(startOfFrame ? START_OF_PARTITION : 0);
}

/** Picture size in pixels, 1 to 16383 each. */
export interface PictureSize {
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Whether a VP8 frame in clear can be decoded without any other (RFC 6386 §9.1). */
export function isVp8KeyFrame(frame: Uint8Array): boolean {
  return frame.length > 0 && (frame[0]! & 1) === 0;
}

/** Size of the picture that a VP8 key frame in clear begins (RFC 6386 §9.1); undefined for other frames and for nonsense. */
export function vp8PictureSize(frame: Uint8Array): PictureSize | undefined {
  const hasStartCode = frame[3] === 0x9d && frame[4] === 0x01 && frame[5] === 0x2a;
  if (!isVp8KeyFrame(frame) || frame.length < 10 || !hasStartCode) return undefined;
  const widthPx = ((frame[7]! << 8) | frame[6]!) & 0x3fff;
  const heightPx = ((frame[9]! << 8) | frame[8]!) & 0x3fff;
  return widthPx > 0 && heightPx > 0 ? { widthPx, heightPx } : undefined;
}
