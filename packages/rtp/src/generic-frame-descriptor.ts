import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';

/**
 * What the "generic frame descriptor 00" extension says of a frame whose payload cannot be read
 * (webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00):
 *
 * ```
 * +-+-+-+-+-+-----+
 * |B|E|F|L|D|  T  |   B, E: first, last packet of the frame; T: temporal layer
 * +-+-+-+-+-+-----+
 * |       S       |   the rest only if B: bit mask of spatial layers
 * |      FID      |   frame number, low byte first
 * |     width     |   width and height only if not D
 * |    height     |
 * | FDIFF |X|M|   |   only if D: a list of distances to frames it depends on
 * +---------------+
 * ```
 */
export interface GenericFrameDescriptor {
  readonly startOfFrame: boolean;
  readonly endOfFrame: boolean;
  /** 0-7. */
  readonly temporalLayer: number;
  /** Only with the first packet of a frame. */
  readonly frame?: GenericFrame;
}

/** What only the first packet of a frame tells. */
export interface GenericFrame {
  /** Bit mask. */
  readonly spatialLayers: number;
  /** 16 bits. */
  readonly frameId: number;
  /** Distances (1-16383) to the frames it depends on, at most 8. None: a key frame. */
  readonly dependencies: readonly number[];
  /** Of a key frame, in pixels. */
  readonly width?: number;
  readonly height?: number;
}

const BEGIN = 0x80;
const END = 0x40;
/** A frame is one "subframe" here, as libwebrtc writes it: these two are always set. */
const FIRST_SUBFRAME = 0x20;
const LAST_SUBFRAME = 0x10;
const DEPENDS = 0x08;
const MORE = 0x01;
const EXTENDED = 0x02;
const MAX_DEPENDENCIES = 8;

/** Whether the packet is the first of a key frame. Reads the first byte alone, so that it can stand on a hot path. */
export function startsGenericKeyFrame(value: Uint8Array): boolean {
  return ((value[0] ?? 0) & (BEGIN | DEPENDS)) === BEGIN;
}

/** Throws {@link FormatError} `truncated` or `bad-frame-descriptor`. Bytes that follow are ignored. */
export function parseGenericFrameDescriptor(value: Uint8Array): GenericFrameDescriptor {
  const reader = new ByteReader(value);
  const flags = reader.u8();
  const descriptor = {
    startOfFrame: (flags & BEGIN) !== 0,
    endOfFrame: (flags & END) !== 0,
    temporalLayer: flags & 7,
  };
  if (!descriptor.startOfFrame) return descriptor;
  const spatialLayers = reader.u8();
  const frameId = reader.u8() | (reader.u8() << 8);
  if ((flags & DEPENDS) !== 0) {
    return { ...descriptor, frame: { spatialLayers, frameId, dependencies: readDependencies(reader) } };
  }
  // The size is there only if the sender knew it.
  if (reader.remaining < 4) return { ...descriptor, frame: { spatialLayers, frameId, dependencies: [] } };
  const width = reader.u16();
  const height = reader.u16();
  return { ...descriptor, frame: { spatialLayers, frameId, dependencies: [], width, height } };
}

/** Throws `RangeError` on a dependency out of range. */
export function encodeGenericFrameDescriptor(descriptor: GenericFrameDescriptor): Uint8Array {
  const { frame } = descriptor;
  const out = new ByteWriter(8);
  const depends = frame !== undefined && frame.dependencies.length > 0;
  out.u8(
    (frame !== undefined ? BEGIN : 0) |
      (descriptor.endOfFrame ? END : 0) |
      (FIRST_SUBFRAME | LAST_SUBFRAME) |
      (depends ? DEPENDS : 0) |
      descriptor.temporalLayer,
  );
  if (frame === undefined) return out.finish();
  out
    .u8(frame.spatialLayers)
    .u8(frame.frameId)
    .u8(frame.frameId >>> 8);
  frame.dependencies.forEach((distance, i) => {
    if (distance < 1 || distance > 0x3fff || i >= MAX_DEPENDENCIES)
      throw new RangeError('bad frame dependency');
    const more = i + 1 < frame.dependencies.length ? MORE : 0;
    const extended = distance > 0x3f ? EXTENDED : 0;
    out.u8(((distance & 0x3f) << 2) | extended | more);
    if (extended !== 0) out.u8(distance >>> 6);
  });
  if (!depends && frame.width !== undefined && frame.height !== undefined)
    out.u16(frame.width).u16(frame.height);
  return out.finish();
}

function readDependencies(reader: ByteReader): number[] {
  const dependencies: number[] = [];
  for (let more = true; more; ) {
    const byte = reader.u8();
    more = (byte & MORE) !== 0;
    const distance = (byte >>> 2) | ((byte & EXTENDED) !== 0 ? reader.u8() << 6 : 0);
    if (distance === 0 || dependencies.length >= MAX_DEPENDENCIES) {
      throw new FormatError('bad-frame-descriptor', 'a frame depends on itself, or on too many');
    }
    dependencies.push(distance);
  }
  return dependencies;
}
