import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SrtpReceiver, SrtpSender } from '../src/index.ts';
import { profiles, protectByTheBook } from './srtp-packets.ts';

const uint32 = fc.nat({ max: 0xffffffff });

/** An RTP packet of any shape: contributing sources, extension, padding bit, empty payload. */
const anyRtp = fc
  .record({
    csrcs: fc.array(uint32, { maxLength: 15 }),
    extensionWords: fc.option(fc.array(uint32, { maxLength: 20 }), { nil: undefined }),
    sequence: fc.nat({ max: 0xffff }),
    ssrc: uint32,
    padding: fc.boolean(),
    payload: fc.uint8Array({ maxLength: 1200 }),
  })
  .map(({ csrcs, extensionWords, sequence, ssrc, padding, payload }) => {
    const extension =
      extensionWords === undefined ? [] : [0xbede0000 + extensionWords.length, ...extensionWords];
    const clearLength = 12 + 4 * (csrcs.length + extension.length);
    const packet = new Uint8Array(clearLength + payload.length);
    const view = new DataView(packet.buffer);
    view.setUint8(0, 0x80 | (padding ? 0x20 : 0) | (extensionWords === undefined ? 0 : 0x10) | csrcs.length);
    view.setUint8(1, 0x80 | 100);
    view.setUint16(2, sequence);
    view.setUint32(8, ssrc);
    for (const [i, word] of [...csrcs, ...extension].entries()) view.setUint32(12 + 4 * i, word >>> 0);
    packet.set(payload, clearLength);
    return { packet, clearLength };
  });

const anyRtcp = fc
  .record({ ssrc: uint32, body: fc.uint8Array({ maxLength: 1000 }) })
  .map(({ ssrc, body }) => {
    const packet = new Uint8Array(8 + body.length);
    packet.set([0x81, 201]);
    new DataView(packet.buffer).setUint32(4, ssrc);
    packet.set(body, 8);
    return packet;
  });

describe.each(profiles)('$name', (parameters) => {
  const { profile, key, salt } = parameters;

  test('SRTP of any packet, at any rollover counter', () => {
    fc.assert(
      fc.property(anyRtp, uint32, ({ packet, clearLength }, rollover) => {
        const sender = new SrtpSender(profile, key, salt, { rolloverCounter: rollover });
        expect(sender.protectRtp(packet)).toEqual(
          protectByTheBook(parameters, packet, clearLength, { rollover }),
        );
        const sealed = protectByTheBook(parameters, packet, clearLength, { rollover: 0 });
        expect(new SrtpReceiver(profile, key, salt, 1).unprotectRtp(sealed)).toEqual(packet);
      }),
      { seed: 1, numRuns: 150 },
    );
  });

  test('SRTCP of any packet, at any index', () => {
    fc.assert(
      fc.property(anyRtcp, fc.nat({ max: 0x7fffffff }), (packet, rtcpIndex) => {
        const sealed = protectByTheBook(parameters, packet, 8, { rtcpIndex });
        expect(new SrtpSender(profile, key, salt, { rtcpIndex }).protectRtcp(packet)).toEqual(sealed);
        expect(new SrtpReceiver(profile, key, salt, 1).unprotectRtcp(sealed)).toEqual(packet);
      }),
      { seed: 2, numRuns: 150 },
    );
  });
});
