import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeErrorCode, encodeErrorCode } from './error-code.ts';
import { parseUnknownAttributes } from './stun-attribute.ts';

it('codes and reasons survive', () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 699 }), fc.string({ maxLength: 100 }), (code, reason) => {
      expect(decodeErrorCode(encodeErrorCode({ code, reason }))).toEqual({ code, reason });
    }),
  );
});

it.each([
  ['too short', [0, 0, 4]],
  ['empty', []],
  ['class 2', [0, 0, 2, 0]],
  ['class 7', [0, 0, 7, 0]],
  ['number 100', [0, 0, 4, 100]],
  ['not UTF-8', [0, 0, 4, 1, 0xff]],
  ['too long', [0, 0, 4, 1, ...new Array<number>(764).fill(65)]],
])('an ERROR-CODE that is %s is refused', (_name, bytes) => {
  expect(() => decodeErrorCode(new Uint8Array(bytes))).toThrow(FormatError);
});

it('codes outside 300 to 699 cannot be encoded', () => {
  expect(() => encodeErrorCode({ code: 299, reason: '' })).toThrow(RangeError);
  expect(() => encodeErrorCode({ code: 700, reason: '' })).toThrow(RangeError);
});

it('an odd UNKNOWN-ATTRIBUTES is refused', () => {
  expect(parseUnknownAttributes(new Uint8Array([0x70, 1, 0x70, 2]))).toEqual([0x7001, 0x7002]);
  expect(() => parseUnknownAttributes(new Uint8Array(3))).toThrow(FormatError);
});
