import { concatBytes, FormatError, fromHex, toHex } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrameHeader, MAX_FRAME_HEADER_LENGTH, parseFrameHeader } from './frame-header.ts';

const uint32 = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffffffff }));

function codeOf(hex: string): string {
  try {
    parseFrameHeader(fromHex(hex));
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('frame header', () => {
  test.each([
    ['000311', { frameCounter: 0x11, keyIndex: 3 }],
    ['000611', { frameCounter: 0x11, keyIndex: 6 }],
    ['00082211', { frameCounter: 0x11, keyIndex: 0x22 }],
    ['002b11335577224466', { frameCounter: 0x224466, keyIndex: 0x11335577 }],
    ['1030a1b2c3d43101020304', { frameCounter: 0xa1b2c3d4, keyIndex: 0, streamId: 0x01020304 }],
    ['000000', { frameCounter: 0, keyIndex: 0 }],
    ['00080800', { frameCounter: 0, keyIndex: 8 }],
    ['003bffffffffffffffff', { frameCounter: 0xffffffff, keyIndex: 0xffffffff }],
  ])('%s is read and written', (hex, header) => {
    expect(toHex(encodeFrameHeader(header))).toBe(hex);
    expect(parseFrameHeader(fromHex(`${hex}00`))).toEqual({
      streamId: undefined,
      ...header,
      length: hex.length / 2,
    });
  });

  test('a picture that needs others is marked in the first bit, where VP8 has it, and read like any', () => {
    const header = { frameCounter: 0xa1b2c3d4, keyIndex: 0, streamId: 0x01020304 };
    const marked = encodeFrameHeader(header, true);
    expect(toHex(marked)).toBe('1130a1b2c3d43101020304');
    expect(parseFrameHeader(marked)).toEqual({ ...header, length: marked.length });
  });

  test('every header survives writing and reading', () => {
    fc.assert(
      fc.property(
        uint32,
        uint32,
        fc.option(uint32, { nil: undefined }),
        (keyIndex, frameCounter, streamId) => {
          const bytes = encodeFrameHeader({ keyIndex, frameCounter, streamId });
          const read = parseFrameHeader(concatBytes(bytes, Uint8Array.of(9, 9)));
          expect(read).toEqual({ keyIndex, frameCounter, streamId, length: bytes.length });
          for (let end = 0; end < bytes.length; end++) {
            expect(() => parseFrameHeader(bytes.subarray(0, end))).toThrow(FormatError);
          }
        },
      ),
    );
  });

  test('numbers longer than necessary are read', () => {
    expect(parseFrameHeader(fromHex('007f0000000000000003000000000000000a'))).toMatchObject({
      keyIndex: 3,
      frameCounter: 10,
      length: 18,
    });
  });

  test('unknown extensions are passed over, before and after the stream id', () => {
    expect(parseFrameHeader(fromHex('100311a2000000b10a0b0c0d05ff'))).toEqual({
      keyIndex: 3,
      frameCounter: 0x11,
      streamId: 0x0a0b0c0d,
      length: 14,
    });
  });

  test.each([
    ['', 'truncated'],
    ['00', 'truncated'],
    ['0003', 'truncated'],
    ['100311', 'truncated'],
    ['10031131010203', 'truncated'],
    ['200311', 'frame-version'],
    ['e00311', 'frame-version'],
    ['020311', 'frame-reserved-bits'],
    ['080311', 'frame-reserved-bits'],
    ['008311', 'frame-reserved-bits'],
    ['000c010000000011', 'key-index-range'],
    ['00430100000000', 'frame-counter-range'],
    ['0073ffffffffffffffff', 'frame-counter-range'],
    ['10031121010203', 'bad-stream-id'],
    ['1003114101020304ff', 'bad-stream-id'],
    ['100311b1010203043101020304', 'bad-stream-id'],
  ])('%s is refused: %s', (hex, code) => {
    expect(codeOf(hex)).toBe(code);
  });

  test('sixteen extensions are read, seventeen are not', () => {
    const extensions = (count: number) => `${'8200'.repeat(count - 1)}0200`;
    expect(parseFrameHeader(fromHex(`100311${extensions(16)}`)).length).toBe(35);
    expect(codeOf(`100311${extensions(17)}`)).toBe('too-many-extensions');
  });

  test('whatever bytes come, a header is read within its bounds or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          const { length } = parseFrameHeader(bytes);
          expect(length).toBeLessThanOrEqual(Math.min(bytes.length, MAX_FRAME_HEADER_LENGTH));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
    );
  });

  test('numbers of more than 32 bits are not written', () => {
    expect(() => encodeFrameHeader({ keyIndex: 2 ** 32, frameCounter: 0 })).toThrow(RangeError);
    expect(() => encodeFrameHeader({ keyIndex: 0, frameCounter: -1 })).toThrow(RangeError);
    expect(() => encodeFrameHeader({ keyIndex: 0, frameCounter: 0, streamId: 0.5 })).toThrow(RangeError);
  });
});
