import { fromHex } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import { startsVp8KeyFrame } from './vp8-payload.ts';

describe('start of a VP8 key frame', () => {
  it.each([
    ['no extension', '10', true],
    ['non-reference bit', '30', true],
    ['picture id of one byte', '908005', true],
    ['picture id of two bytes', '90808123', true],
    ['layer index', '904007', true],
    ['temporal layer', '902000', true],
    ['key index', '901003', true],
    ['everything', '90f081230700', true],
    ['extension without fields', '9000', true],
    ['a later packet of the first partition', '00', false],
    ['the second partition', '11', false],
  ])('%s', (_, descriptor, starts) => {
    // The start code of a key frame of 640 x 360 (RFC 6386 §9.1), and a delta frame.
    expect(startsVp8KeyFrame(fromHex(`${descriptor}5043009d012a8002 6801`.replace(' ', '')))).toBe(starts);
    expect(startsVp8KeyFrame(fromHex(`${descriptor}d1420000`))).toBe(false);
  });

  it('is not found in a descriptor cut short', () => {
    const whole = fromHex('90f08123070050');
    expect(startsVp8KeyFrame(whole)).toBe(true);
    for (let length = 0; length < whole.length; length++) {
      expect(startsVp8KeyFrame(whole.subarray(0, length)), `${length} bytes`).toBe(false);
    }
  });
});
