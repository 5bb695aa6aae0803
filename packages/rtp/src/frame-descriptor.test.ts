import { FormatError, fromHex, toHex } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDependencyDescriptor, startsDependencyKeyFrame } from './dependency-descriptor.ts';
import {
  encodeGenericFrameDescriptor,
  parseGenericFrameDescriptor,
  startsGenericKeyFrame,
} from './generic-frame-descriptor.ts';

describe('generic frame descriptor', () => {
  it('reads a key frame as Chromium sends it', () => {
    const value = fromHex('b001060002800168');
    expect(startsGenericKeyFrame(value)).toBe(true);
    expect(parseGenericFrameDescriptor(value)).toEqual({
      startOfFrame: true,
      endOfFrame: false,
      temporalLayer: 0,
      frame: { spatialLayers: 1, frameId: 6, dependencies: [], width: 640, height: 360 },
    });
    expect(toHex(encodeGenericFrameDescriptor(parseGenericFrameDescriptor(value)))).toBe('b001060002800168');
  });

  it('tells a later packet and a delta frame from a key frame', () => {
    expect(startsGenericKeyFrame(fromHex('70'))).toBe(false);
    expect(startsGenericKeyFrame(fromHex('f801070004'))).toBe(false);
    expect(startsGenericKeyFrame(new Uint8Array())).toBe(false);
    expect(parseGenericFrameDescriptor(fromHex('f801070004')).frame?.dependencies).toEqual([1]);
  });

  it('comes back as it was written', () => {
    const distance = fc.integer({ min: 1, max: 0x3fff });
    const frame = fc.record({
      spatialLayers: fc.integer({ min: 0, max: 255 }),
      frameId: fc.integer({ min: 0, max: 0xffff }),
      dependencies: fc.array(distance, { minLength: 1, maxLength: 8 }),
    });
    fc.assert(
      fc.property(frame, fc.boolean(), fc.integer({ min: 0, max: 7 }), (f, endOfFrame, temporalLayer) => {
        const descriptor = { startOfFrame: true, endOfFrame, temporalLayer, frame: f };
        expect(parseGenericFrameDescriptor(encodeGenericFrameDescriptor(descriptor))).toEqual(descriptor);
      }),
    );
  });

  it.each(['', 'f8', 'f80107', 'f8010700', 'f801070007', 'f801070000', `f8010700${'05'.repeat(8)}04`])(
    'refuses %s',
    (hex) => expect(() => parseGenericFrameDescriptor(fromHex(hex))).toThrow(FormatError),
  );
});

/** Packs the bits at the head of each line, spaces ignored, into bytes with zeros at the end. */
function bits(text: string): Uint8Array {
  const digits = text
    .split('\n')
    .map((line) => line.match(/^[01 ]*/)?.[0])
    .join('')
    .replaceAll(' ', '');
  return Uint8Array.from({ length: Math.ceil(digits.length / 8) }, (_, i) =>
    Number.parseInt(digits.slice(8 * i, 8 * i + 8).padEnd(8, '0'), 2),
  );
}

// One spatial and two temporal layers, two decode targets, one chain, as appendix A.3 of the AV1 RTP format reads.
const L1T2 = `
  1 0 000011 0000000100000000          start of frame, template 3, frame 256
  1 1 0 0 0                            structure and active decode targets present
  000010 00001                         template id offset 2, two decode targets
  00 01 11                             templates T0, T0, T1
  11 11  10 10  00 01                  decode target indications
  0  1 0001 0  1 0000 1 0001 0         frame differences: none, 2, (1 and 2)
  10                                   one chain, in ns(3)
  0000 0010 0001                       chain differences (ns(1) takes no bits)
  1 0000001001111111 0000000101100111  640 x 360
  11                                   both targets active`;

describe('dependency descriptor', () => {
  it('reads the template structure of a key frame', () => {
    expect(parseDependencyDescriptor(bits(L1T2))).toEqual({
      startOfFrame: true,
      endOfFrame: false,
      templateId: 3,
      frameNumber: 256,
      structure: {
        templateIdOffset: 2,
        decodeTargetCount: 2,
        templates: [
          { spatialId: 0, temporalId: 0 },
          { spatialId: 0, temporalId: 0 },
          { spatialId: 0, temporalId: 1 },
        ],
        chainCount: 1,
        resolutions: [{ width: 640, height: 360 }],
      },
      activeDecodeTargets: 3,
    });
    expect(startsDependencyKeyFrame(bits(L1T2))).toBe(true);
  });

  it('reads the three mandatory bytes of other packets', () => {
    expect(parseDependencyDescriptor(fromHex('c30102'))).toEqual({
      startOfFrame: true,
      endOfFrame: true,
      templateId: 3,
      frameNumber: 0x0102,
    });
    expect(startsDependencyKeyFrame(fromHex('c30102'))).toBe(false);
    expect(startsDependencyKeyFrame(fromHex('8301024000'))).toBe(false);
    expect(startsDependencyKeyFrame(fromHex('0301028000'))).toBe(false);
  });

  it('refuses a structure inside of a frame, and one cut short at any byte', () => {
    expect(() => parseDependencyDescriptor(fromHex('03010280'))).toThrow(FormatError);
    const whole = bits(L1T2);
    for (let length = 0; length < whole.length; length++) {
      if (length === 3) continue;
      expect(() => parseDependencyDescriptor(whole.subarray(0, length))).toThrow(FormatError);
    }
  });

  it('refuses more templates or layers than the format has', () => {
    const start = '1 0 000000 0000000000000001 1 0 0 0 0 000000 00000';
    const rest = '0'.repeat(400);
    expect(() => parseDependencyDescriptor(bits(`${start}${'00'.repeat(64)}11${rest}`))).toThrow(/too many/);
    expect(() => parseDependencyDescriptor(bits(`${start}10101010 11${rest}`))).toThrow(/too many/);
    expect(() => parseDependencyDescriptor(bits(`${start}${'01'.repeat(8)}11${rest}`))).toThrow(/too many/);
  });

  it('throws nothing but FormatError on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        for (const parse of [parseDependencyDescriptor, parseGenericFrameDescriptor]) {
          try {
            parse(value);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
