import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';

/** Most extensions of one frame header; a frame with more is refused. */
export const MAX_FRAME_EXTENSIONS = 16;

/** Longest header that {@link parseFrameHeader} accepts: fixed part, two numbers and sixteen extensions of eight bytes. */
export const MAX_FRAME_HEADER_LENGTH: number = 2 + 8 + 8 + MAX_FRAME_EXTENSIONS * 9;

const STREAM_ID_EXTENSION = 1;
const EXTENSION_FLAG = 0x10;
const DELTA_FLAG = 0x01;
const RESERVED_BITS = 0x0e;
const SIGNATURE_FLAG = 0x80;
const LONG_KEY_FLAG = 0x08;
const MORE_FLAG = 0x80;
const MAX_SHORT_KEY = 7;

/** What stands in clear before an encrypted media frame. All of it is authenticated with the frame. */
export interface FrameHeader {
  /** Which key sealed the frame, 0 to 2^32-1. */
  readonly keyIndex: number;
  /** Number of the frame under its sender, 0 to 2^32-1; starts anywhere and wraps. */
  readonly frameCounter: number;
  /**
   * Which stream the frame belongs to, 0 to 2^32-1: of audio the sender's SSRC, of video the id that the server gave.
   * Absent when the frame does not say, so that the contributing source of its packets tells.
   */
  readonly streamId?: number | undefined;
}

/** A header together with where it ends. */
export interface ParsedFrameHeader extends FrameHeader {
  /** Bytes of the header with its extensions: the associated data of the cipher. The ciphertext follows. */
  readonly length: number;
}

/**
 * The header's bytes, numbers in as few bytes as they need. Throws `RangeError` for a number that is not 32 bits.
 *
 * `isDelta` marks a picture that needs others, in the bit that says the same of a VP8 frame in clear (RFC 6386 §9.1).
 * Where no frame descriptor was negotiated, as with Firefox, receivers and the server look there for key frames; without
 * the mark they would take every picture for one. Readers of this format that do not know the mark pass over it.
 */
export function encodeFrameHeader(header: FrameHeader, isDelta = false): Uint8Array {
  const { keyIndex, frameCounter, streamId } = header;
  assertUint32(keyIndex, 'key index');
  assertUint32(frameCounter, 'frame counter');
  const counterLength = lengthOf(frameCounter);
  const writer = new ByteWriter(16);
  writer.u8((streamId === undefined ? 0 : EXTENSION_FLAG) | (isDelta ? DELTA_FLAG : 0));
  if (keyIndex <= MAX_SHORT_KEY) {
    writer.u8(((counterLength - 1) << 4) | keyIndex);
  } else {
    const keyLength = lengthOf(keyIndex);
    writer.u8(((counterLength - 1) << 4) | LONG_KEY_FLAG | (keyLength - 1));
    writeUint(writer, keyIndex, keyLength);
  }
  writeUint(writer, frameCounter, counterLength);
  if (streamId !== undefined) {
    assertUint32(streamId, 'stream id');
    writer.u8((3 << 4) | STREAM_ID_EXTENSION).u32(streamId);
  }
  return writer.finish();
}

/**
 * Reads the header at the start of an encrypted frame. Numbers may be written longer than necessary, unknown extensions
 * are passed over. Throws `FormatError`: `truncated`, `frame-version`, `frame-reserved-bits`, `key-index-range`,
 * `frame-counter-range`, `too-many-extensions`, `bad-stream-id`.
 */
export function parseFrameHeader(frame: Uint8Array): ParsedFrameHeader {
  const reader = new ByteReader(frame);
  const first = reader.u8();
  if (first >>> 5 !== 0) throw new FormatError('frame-version', `unknown frame version ${first >>> 5}`);
  const second = reader.u8();
  if ((first & RESERVED_BITS) !== 0 || (second & SIGNATURE_FLAG) !== 0) {
    throw new FormatError('frame-reserved-bits', 'a reserved bit of the frame header is set');
  }
  const counterLength = ((second >>> 4) & 7) + 1;
  const keyIndex =
    (second & LONG_KEY_FLAG) === 0 ? second & 7 : readUint32(reader, (second & 7) + 1, 'key-index-range');
  const frameCounter = readUint32(reader, counterLength, 'frame-counter-range');
  const streamId = (first & EXTENSION_FLAG) === 0 ? undefined : readExtensions(reader);
  return { keyIndex, frameCounter, streamId, length: reader.offset };
}

function readExtensions(reader: ByteReader): number | undefined {
  let streamId: number | undefined;
  for (let count = 0; ; count++) {
    if (count === MAX_FRAME_EXTENSIONS) {
      throw new FormatError('too-many-extensions', `more than ${MAX_FRAME_EXTENSIONS} extensions`);
    }
    const head = reader.u8();
    const length = ((head >>> 4) & 7) + 1;
    if ((head & 15) === STREAM_ID_EXTENSION) {
      // Two ids in one frame would let two readers of it disagree about the sender.
      if (length !== 4 || streamId !== undefined) {
        throw new FormatError('bad-stream-id', 'the stream id is not four bytes, or is there twice');
      }
      streamId = reader.u32();
    } else {
      reader.skip(length);
    }
    if ((head & MORE_FLAG) === 0) return streamId;
  }
}

function readUint32(reader: ByteReader, length: number, code: string): number {
  let value = 0;
  for (let i = 0; i < length; i++) {
    value = value * 256 + reader.u8();
    // The nonce has 32 bits for it; cutting a longer number down would give two frames the same nonce.
    if (value > 0xffffffff) throw new FormatError(code, 'the number does not fit in 32 bits');
  }
  return value;
}

function writeUint(writer: ByteWriter, value: number, length: number): void {
  for (let i = length - 1; i >= 0; i--) writer.u8(Math.floor(value / 2 ** (8 * i)) & 0xff);
}

function lengthOf(value: number): number {
  return value < 0x100 ? 1 : value < 0x10000 ? 2 : value < 0x1000000 ? 3 : 4;
}

function assertUint32(value: number, name: string): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new RangeError(`the ${name} is not a 32-bit number`);
  }
}
