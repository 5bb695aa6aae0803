import { describe, expect, it } from 'vitest';
import { encodeVp8Descriptor, isVp8KeyFrame, parseVp8Descriptor, vp8PictureSize } from './vp8-descriptor.ts';

describe('VP8 descriptor', () => {
  // By the layout of RFC 7741 §4.2: without and with picture ids, indices and layers, a byte of frame after each.
  it.each([
    [[0x90, 0x80, 0x11, 0xff], true, 0, 3],
    [[0x10, 0xff], true, 0, 1],
    [[0x80, 0x80, 0x11, 0xff], false, 0, 3],
    [[0x11, 0xff], true, 1, 1],
    [[0x90, 0xe0, 0x80, 0x11, 0x05, 0x80, 0xff], true, 0, 6],
    [[0x98, 0xf0, 0x91, 0x11, 0x05, 0xa3, 0xff], true, 0, 6],
  ])('reads %j', (bytes, startOfPartition, partition, length) => {
    expect(parseVp8Descriptor(Uint8Array.from(bytes))).toEqual({ startOfPartition, partition, length });
  });

  it.each([[[]], [[0x90]], [[0x90, 0x80]], [[0x90, 0x80, 0x91]], [[0x90, 0x40, 0x01]], [[0x10]]])(
    'refuses what ends too early: %j',
    (bytes) => {
      expect(() => parseVp8Descriptor(Uint8Array.from(bytes))).toThrow(/truncated|nothing follows|bytes/);
    },
  );

  it('reads what it writes', () => {
    for (const starts of [true, false]) {
      const bytes = Uint8Array.of(...encodeVp8Descriptor(starts), 1, 2);
      expect(parseVp8Descriptor(bytes)).toEqual({ startOfPartition: starts, partition: 0, length: 1 });
    }
  });
});

describe('VP8 frames', () => {
  // The first ten bytes of a key frame of 640 x 360, by RFC 6386 §9.1.
  const key = Uint8Array.of(0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01);

  it('tells the size of a key frame', () => {
    expect(isVp8KeyFrame(key)).toBe(true);
    expect(vp8PictureSize(key)).toEqual({ widthPx: 640, heightPx: 360 });
  });

  it('tells no size of other frames nor of nonsense', () => {
    expect(vp8PictureSize(key.subarray(0, 9))).toBeUndefined();
    expect(vp8PictureSize(Uint8Array.of(0x51, ...key.subarray(1)))).toBeUndefined();
    expect(vp8PictureSize(Uint8Array.of(0x50, 1, 2, 3, 4, 5, 6, 7, 8, 9))).toBeUndefined();
    expect(isVp8KeyFrame(Uint8Array.of(0x51))).toBe(false);
    expect(isVp8KeyFrame(new Uint8Array(0))).toBe(false);
  });
});
