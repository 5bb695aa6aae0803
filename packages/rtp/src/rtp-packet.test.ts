import { FormatError, fromHex, toHex } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRtpPacket, isPaddingOnly, isRtcp, isRtpOrRtcp, parseRtpPacket } from './rtp-packet.ts';
import { decapsulateRtx, encapsulateRtx } from './rtx.ts';

function arbitraryPacket(longestValue: number, largestId: number, shortestValue: number) {
  return fc.record({
    marker: fc.boolean(),
    payloadType: fc.integer({ min: 0, max: 127 }),
    sequence: fc.integer({ min: 0, max: 0xffff }),
    timestamp: fc.integer({ min: 0, max: 0xffffffff }),
    ssrc: fc.integer({ min: 0, max: 0xffffffff }),
    csrcs: fc.array(fc.integer({ min: 0, max: 0xffffffff }), { maxLength: 15 }),
    extensions: fc.array(
      fc.record({
        id: fc.integer({ min: 1, max: largestId }),
        value: fc.uint8Array({ minLength: shortestValue, maxLength: longestValue }),
      }),
      { maxLength: 8 },
    ),
    payload: fc.uint8Array({ maxLength: 60 }),
    paddingLength: fc.integer({ min: 0, max: 255 }),
  });
}

describe('RTP packets', () => {
  it('reads every field of the layout in RFC 3550 §5.1', () => {
    const packet = parseRtpPacket(
      fromHex('b2ef1234010203040a0b0c0d0000000100000002bede000110ff0000aabbcc000003'),
    );
    expect(packet).toEqual({
      marker: true,
      payloadType: 111,
      sequence: 0x1234,
      timestamp: 0x01020304,
      ssrc: 0x0a0b0c0d,
      csrcs: [1, 2],
      extensions: [{ id: 1, value: fromHex('ff') }],
      payload: fromHex('aabbcc'),
      paddingLength: 3,
    });
  });

  it('comes back as it was written, in one-byte form', () => {
    fc.assert(
      fc.property(arbitraryPacket(16, 14, 1), (packet) => {
        expect(parseRtpPacket(encodeRtpPacket(packet, 'one-byte'))).toEqual(packet);
      }),
    );
  });

  it('comes back as it was written, in two-byte form', () => {
    fc.assert(
      fc.property(arbitraryPacket(40, 255, 0), (packet) => {
        expect(parseRtpPacket(encodeRtpPacket(packet, 'two-byte'))).toEqual(packet);
      }),
    );
  });

  it('throws nothing but FormatError on any bytes, and re-encodes what it takes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(arbitraryPacket(16, 14, 1), fc.nat(), fc.nat(), fc.integer({ min: 0, max: 255 }))
        .map(([packet, cut, at, value]) => {
          const whole = encodeRtpPacket(packet);
          whole[at % whole.length] = value;
          return whole.subarray(0, whole.length - (cut % whole.length));
        }),
    );
    fc.assert(
      fc.property(bytes, (input) => {
        try {
          const packet = parseRtpPacket(input);
          expect(parseRtpPacket(encodeRtpPacket(packet, 'two-byte'))).toEqual(packet);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['nothing', '', 'truncated'],
    ['version 1', '406f00010000000000000001', 'bad-version'],
    ['version 3', 'c06f00010000000000000001', 'bad-version'],
    ['eleven bytes', '806f000100000000000000', 'truncated'],
    ['more CSRCs than bytes', '8f6f0001000000000000000100000002', 'truncated'],
    ['an extension header cut short', '906f00010000000000000001bede', 'truncated'],
    ['an extension longer than the packet', '906f00010000000000000001bede000210ff0000', 'truncated'],
    ['a padding bit without padding', 'a06f00010000000000000001', 'bad-padding'],
    ['a padding count of zero', 'a06f00010000000000000001aa00', 'bad-padding'],
    ['a padding count beyond the payload', 'a06f00010000000000000001aa03', 'bad-padding'],
  ])('refuses %s', (_name, hex, code) => {
    expect(() => parseRtpPacket(fromHex(hex))).toThrow(expect.objectContaining({ code }));
  });

  it('knows a packet of padding alone', () => {
    const packet = parseRtpPacket(fromHex('a06f00010000000000000001000003'));
    expect(isPaddingOnly(packet)).toBe(true);
    expect(packet.paddingLength).toBe(3);
  });

  it('refuses to write what the format cannot hold', () => {
    const packet = parseRtpPacket(fromHex('806f00010000000000000001'));
    expect(() => encodeRtpPacket({ ...packet, csrcs: new Array<number>(16).fill(1) })).toThrow(RangeError);
    expect(() => encodeRtpPacket({ ...packet, paddingLength: 256 })).toThrow(RangeError);
    const empty = { id: 1, value: new Uint8Array() };
    expect(() => encodeRtpPacket({ ...packet, extensions: [empty] }, 'one-byte')).toThrow(RangeError);
    expect(() => encodeRtpPacket({ ...packet, extensions: [{ ...empty, id: 256 }] })).toThrow(RangeError);
  });

  it('tells RTP, RTCP and the rest apart by RFC 5761 §4 and RFC 7983 §7', () => {
    expect(isRtcp(fromHex('80c8'))).toBe(true);
    expect(isRtcp(fromHex('81ce'))).toBe(true);
    expect(isRtcp(fromHex('80ef'))).toBe(false);
    expect(isRtcp(fromHex('806f'))).toBe(false);
    expect(isRtcp(fromHex('16c8'))).toBe(false);
    for (const [first, media] of [
      [0, false],
      [22, false],
      [127, false],
      [128, true],
      [191, true],
      [192, false],
    ] as const) {
      expect(isRtpOrRtcp(Uint8Array.of(first))).toBe(media);
    }
  });
});

describe('header extensions', () => {
  const header = '906f00010000000000000001';
  const extensionsOf = (hex: string) =>
    parseRtpPacket(fromHex(header + hex)).extensions.map(({ id, value }) => `${id}:${toHex(value)}`);

  it('reads the layout of RFC 8285 §4.2, with padding between elements', () => {
    expect(extensionsOf('bede000310aa21bbbb000033cccccccc')).toEqual(['1:aa', '2:bbbb', '3:cccccccc']);
  });

  it('reads the layout of RFC 8285 §4.3, with an empty element and any appbits', () => {
    expect(extensionsOf('10000003010002 01bb00 0304cccccccc'.replaceAll(' ', ''))).toEqual([
      '1:',
      '2:bb',
      '3:cccccccc',
    ]);
    expect(extensionsOf('100f0001ff01aa00')).toEqual(['255:aa']);
  });

  it('stops at id 15 and at id 0 with a length (RFC 8285 §4.2)', () => {
    expect(extensionsOf('bede000210aaf0bb20cc0000')).toEqual(['1:aa']);
    expect(extensionsOf('bede000210aa01bbbb20cc00')).toEqual(['1:aa']);
  });

  it('skips an extension of another profile', () => {
    expect(extensionsOf('abcd000110aa0000')).toEqual([]);
  });

  it('stops at an element that is longer than what is left', () => {
    expect(extensionsOf('1000000101ff0000')).toEqual([]);
    expect(extensionsOf('1000000101000002')).toEqual(['1:']);
    expect(extensionsOf('bede000110aa003f')).toEqual(['1:aa']);
  });
});

describe('retransmissions', () => {
  const original = parseRtpPacket(fromHex('80e4abcd0000000200000003aabb'));

  it('carries the original sequence number before the payload (RFC 4588 §4)', () => {
    const rtx = encapsulateRtx(original, { ssrc: 9, payloadType: 101, sequence: 7 });
    expect(toHex(encodeRtpPacket(rtx))).toBe('80e500070000000200000009abcdaabb');
    expect(decapsulateRtx(rtx, original)).toEqual(original);
  });

  it('refuses one without room for the number', () => {
    for (const payload of ['', 'ab']) {
      const rtx = { ...original, payload: fromHex(payload) };
      expect(() => decapsulateRtx(rtx, original)).toThrow(expect.objectContaining({ code: 'short-rtx' }));
    }
  });
});
