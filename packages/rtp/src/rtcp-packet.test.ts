import { FormatError, fromHex, toHex } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRtcp, parseRtcp, type RtcpPacket } from './rtcp-packet.ts';
import { cnameOf } from './rtcp-source.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u8 = fc.integer({ min: 0, max: 0xff });

const block = fc.record({
  ssrc: u32,
  fractionLost: u8,
  cumulativeLost: fc.integer({ min: -0x800000, max: 0x7fffff }),
  highestSequence: u32,
  jitterTicks: u32,
  lastReport: u32,
  delaySinceLastReport: u32,
});
const blocks = fc.array(block, { maxLength: 31 });
const text = fc.string({ maxLength: 40, unit: 'grapheme' });

const arbitraryRtcp: fc.Arbitrary<RtcpPacket> = fc.oneof(
  fc.record({
    type: fc.constant('sender-report' as const),
    ssrc: u32,
    ntpTime: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    rtpTimestamp: u32,
    packetCount: u32,
    octetCount: u32,
    blocks,
  }),
  fc.record({ type: fc.constant('receiver-report' as const), ssrc: u32, blocks }),
  fc.record({
    type: fc.constant('source-description' as const),
    chunks: fc.array(
      fc.record({
        ssrc: u32,
        items: fc.array(fc.record({ kind: fc.integer({ min: 1, max: 255 }), text }), { maxLength: 3 }),
      }),
      { maxLength: 4 },
    ),
  }),
  fc.record(
    { type: fc.constant('bye' as const), ssrcs: fc.array(u32, { maxLength: 31 }), reason: text },
    { requiredKeys: ['type', 'ssrcs'] },
  ),
  fc.record({ type: fc.constant('picture-loss' as const), senderSsrc: u32, mediaSsrc: u32 }),
  fc.record({
    type: fc.constant('full-intra-request' as const),
    senderSsrc: u32,
    requests: fc.array(fc.record({ ssrc: u32, sequence: u8 }), { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('bandwidth-estimate' as const),
    senderSsrc: u32,
    bitrateBps: fc.integer({ min: 0, max: 0x3ffff }).map((m) => m * 1024),
    ssrcs: fc.array(u32, { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('transport-feedback' as const),
    senderSsrc: u32,
    mediaSsrc: u32,
    baseSequence: u16,
    feedbackCount: u8,
    arrivals: fc
      .array(fc.option(fc.integer({ min: -0x4000, max: 0x7fff }), { nil: undefined }), {
        minLength: 1,
        maxLength: 60,
      })
      .map((deltas) => {
        let time = 1_000_000;
        return deltas.map((delta) => {
          if (delta === undefined) return undefined;
          time += delta;
          return time;
        });
      }),
  }),
  fc.record({
    type: fc.constant('other' as const),
    packetType: fc.constantFrom(204, 207, 208),
    format: fc.integer({ min: 0, max: 31 }),
    body: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  }),
);

describe('RTCP compounds', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(arbitraryRtcp, { minLength: 1, maxLength: 4 }), (packets) => {
        expect(parseRtcp(encodeRtcp(packets))).toEqual(packets);
      }),
      { numRuns: 300 },
    );
  });

  it('name each missing packet once, whatever their distances', () => {
    fc.assert(
      fc.property(fc.uniqueArray(u16, { minLength: 1, maxLength: 40 }), (sequences) => {
        const nack = { type: 'nack' as const, senderSsrc: 1, mediaSsrc: 2, sequences };
        const [read] = parseRtcp(encodeRtcp([nack]));
        expect(new Set((read as typeof nack).sequences)).toEqual(new Set(sequences));
        expect((read as typeof nack).sequences.length).toBe(sequences.length);
      }),
    );
  });

  it('throw nothing but FormatError on cut and changed bytes', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryRtcp, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.nat(),
        u8,
        (packets, cut, at, value) => {
          const whole = encodeRtcp(packets);
          whole[at % whole.length] = value;
          try {
            parseRtcp(whole.subarray(0, whole.length - (cut % whole.length)));
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('throw nothing but FormatError on random bytes behind a header', () => {
    const kind = fc.tuple(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 200, max: 207 }));
    fc.assert(
      fc.property(kind, fc.uint8Array({ maxLength: 64 }), ([format, type], body) => {
        const whole = body.subarray(0, body.length - (body.length % 4));
        const header = Uint8Array.of(0x80 | format, type, 0, whole.length / 4);
        try {
          parseRtcp(Uint8Array.of(...header, ...whole));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['nothing', '', 'truncated'],
    ['a header cut short', '80c900', 'truncated'],
    ['version 1', '40c9000100000001', 'bad-version'],
    ['a length beyond the datagram', '80c9000200000001', 'truncated'],
    ['a second packet cut short', '80c900010000000181ce00', 'truncated'],
    ['padding before the last packet', 'a0c90002000000010000000480c9000100000001', 'bad-padding'],
    ['a padding count of zero', 'a0c900020000000100000000', 'bad-padding'],
    ['padding longer than the packet', 'a0c90001000000ff', 'bad-padding'],
    ['fewer report blocks than counted', '82c90007'.padEnd(64, '0'), 'truncated'],
    ['a description without its end', '81ca00030000000101066162636465 66'.replace(' ', ''), 'truncated'],
    ['an item longer than the description', '81ca000200000001 01ff6162'.replace(' ', ''), 'truncated'],
    ['a BYE of more sources than there are', '82cb000100000001', 'truncated'],
    ['a BYE whose reason is too long', '81cb00020000000104616263', 'bad-bye'],
    ['a NACK of nothing', '81cd00020000000100000002', 'bad-nack'],
    ['a FIR of nothing', '84ce00020000000100000000', 'bad-fir'],
    ['a REMB of more streams than there are', '8fce0004000000010000000052454d4202000000', 'truncated'],
  ])('refuse %s', (_name, hex, code) => {
    expect(() => parseRtcp(fromHex(hex))).toThrow(expect.objectContaining({ code }));
  });

  it('read the layout of RFC 3550 §6.4.1', () => {
    const hex =
      '81c8000c' + // one block, 13 words
      '00000001' +
      '83aa7e8080000000' +
      '00000002' +
      '00000003' +
      '00000004' +
      '00000005' +
      '40fffffe' +
      '00010006' +
      '00000007' +
      '00000008' +
      '00000009';
    const report = {
      type: 'sender-report' as const,
      ssrc: 1,
      ntpTime: 0x83aa7e8080000000n,
      rtpTimestamp: 2,
      packetCount: 3,
      octetCount: 4,
      blocks: [
        {
          ssrc: 5,
          fractionLost: 64,
          cumulativeLost: -2,
          highestSequence: 0x10006,
          jitterTicks: 7,
          lastReport: 8,
          delaySinceLastReport: 9,
        },
      ],
    };
    expect(parseRtcp(fromHex(hex))).toEqual([report]);
    expect(toHex(encodeRtcp([report]))).toBe(hex);
  });

  it('ignore profile-specific extensions and padding of a report', () => {
    expect(parseRtcp(fromHex('80c9000200000001deadbeef'))).toEqual([
      { type: 'receiver-report', ssrc: 1, blocks: [] },
    ]);
    expect(parseRtcp(fromHex('a0c900020000000100000004'))).toEqual([
      { type: 'receiver-report', ssrc: 1, blocks: [] },
    ]);
  });

  it('take transport feedback padded by less than a word, as libwebrtc writes it', () => {
    const feedback = fromHex(`afcd000500000001000000020005000100000000${'2001'}${'04'}${'01'}`);
    expect(parseRtcp(feedback)).toMatchObject([{ type: 'transport-feedback', arrivals: [4] }]);
  });

  it('find the CNAME among the items', () => {
    const [description] = parseRtcp(fromHex('81ca000400000001' + '0301780102616200' + '00000000'));
    expect(description).toMatchObject({ type: 'source-description' });
    if (description?.type === 'source-description') {
      expect(cnameOf(description, 1)).toBe('ab');
      expect(cnameOf(description, 2)).toBeUndefined();
    }
  });

  it('read PLI and FIR as RFC 4585 §6.3.1 and RFC 5104 §4.3.1.1 lay them out', () => {
    expect(parseRtcp(fromHex('81ce00020000000a0000000b'))).toEqual([
      { type: 'picture-loss', senderSsrc: 10, mediaSsrc: 11 },
    ]);
    expect(parseRtcp(fromHex('84ce00040000000a000000000000000b07000000'))).toEqual([
      { type: 'full-intra-request', senderSsrc: 10, requests: [{ ssrc: 11, sequence: 7 }] },
    ]);
  });

  it('read the bit mask of RFC 4585 §6.2.1 across the wrap', () => {
    expect(parseRtcp(fromHex('81cd00030000000100000002fffe8005'))).toEqual([
      { type: 'nack', senderSsrc: 1, mediaSsrc: 2, sequences: [0xfffe, 0xffff, 1, 14] },
    ]);
  });

  it('read a REMB, and leave other application layer feedback alone', () => {
    expect(parseRtcp(fromHex('8fce0005000000010000000052454d4201'.concat('0bd090', '00000002')))).toEqual([
      { type: 'bandwidth-estimate', senderSsrc: 1, bitrateBps: 0x3d090 * 4, ssrcs: [2] },
    ]);
    expect(parseRtcp(fromHex('8fce00030000000100000000deadbeef'))[0]).toMatchObject({ type: 'other' });
  });
});
