import { describe, expect, test } from 'vitest';
import { SrtpProfile, SrtpReceiver, SrtpSender } from '../src/index.ts';
import { profiles, rtcpPacket, rtpPacket, srtpPair } from './srtp-packets.ts';

/** The reason for which the call is refused; `undefined` when it is not. */
function refusal(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe.each(profiles)('$name', (parameters) => {
  const { profile, key, salt } = parameters;
  const isGcm = profile !== SrtpProfile.aes128CmSha1_80;

  test('a change of any one bit of an SRTP packet is noticed, and the packet itself still taken', () => {
    const { sender, receiver } = srtpPair(parameters);
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(1)));
    const sealed = sender.protectRtp(rtpPacket(2));
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = sealed.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        refusal(() => receiver.unprotectRtp(damaged)),
        `bit ${bit}`,
      ).toMatch(/^(bad-tag|malformed|replayed|too-old)$/);
    }
    expect(receiver.unprotectRtp(sealed)).toEqual(rtpPacket(2));
  });

  test('a change of any one bit of an SRTCP packet is noticed, and the packet itself still taken', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = sender.protectRtcp(rtcpPacket());
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = sealed.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(
        refusal(() => receiver.unprotectRtcp(damaged)),
        `bit ${bit}`,
      ).toMatch(/^(bad-tag|malformed)$/);
    }
    expect(receiver.unprotectRtcp(sealed)).toEqual(rtcpPacket());
  });

  test('every truncation is refused', () => {
    const { sender, receiver } = srtpPair(parameters);
    const rtp = sender.protectRtp(rtpPacket(1));
    const rtcp = sender.protectRtcp(rtcpPacket());
    for (let length = 0; length < rtp.length; length++) {
      expect(refusal(() => receiver.unprotectRtp(rtp.subarray(0, length)))).toMatch(/^(bad-tag|malformed)$/);
    }
    for (let length = 0; length < rtcp.length; length++) {
      expect(refusal(() => receiver.unprotectRtcp(rtcp.subarray(0, length)))).toMatch(
        /^(bad-tag|malformed)$/,
      );
    }
  });

  test('a master key identifier after the packet is refused, for none was agreed', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = sender.protectRtp(rtpPacket(1));
    const withIdentifier = new Uint8Array(sealed.length + 4);
    withIdentifier.set(sealed);
    expect(refusal(() => receiver.unprotectRtp(withIdentifier))).toBe('bad-tag');
  });

  test('headers that lie about their length are malformed, both ways', () => {
    const { sender, receiver } = srtpPair(parameters);
    const manySources = rtpPacket(1, 1, new Uint8Array(8));
    manySources[0] = 0x8f;
    const longExtension = rtpPacket(1, 1, Uint8Array.of(0xbe, 0xde, 0xff, 0xff));
    longExtension[0] = 0x90;
    const cutExtension = rtpPacket(1, 1, Uint8Array.of(0xbe, 0xde));
    cutExtension[0] = 0x90;
    const version1 = rtpPacket(1);
    version1[0] = 0x40;
    for (const packet of [
      manySources,
      longExtension,
      cutExtension,
      version1,
      new Uint8Array(),
      Uint8Array.of(0x80),
    ]) {
      expect(refusal(() => sender.protectRtp(packet))).toBe('malformed');
      const withTag = new Uint8Array(packet.length + (isGcm ? 16 : 10));
      withTag.set(packet);
      expect(refusal(() => receiver.unprotectRtp(withTag))).toBe('malformed');
    }
    expect(refusal(() => sender.protectRtcp(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0)))).toBe('malformed');
    expect(refusal(() => sender.protectRtcp(Uint8Array.of(0x40, 201, 0, 1, 0, 0, 0, 1)))).toBe('malformed');
  });

  test('a replayed SRTP packet is refused, wherever in the window it lies, and too old ones before it', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = Array.from({ length: 1200 }, (_, i) => sender.protectRtp(rtpPacket(100 + i)));
    for (const packet of sealed) receiver.unprotectRtp(packet);
    for (const [i, packet] of sealed.entries()) {
      expect(refusal(() => receiver.unprotectRtp(packet))).toBe(i < 1200 - 1024 ? 'too-old' : 'replayed');
    }
  });

  test('packets out of order are each taken once', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = Array.from({ length: 1000 }, (_, i) => sender.protectRtp(rtpPacket(65_000 + i)));
    // 377 is coprime to 1000: every packet once, far from in order, over a wrap of the sequence number.
    receiver.unprotectRtp(sealed[999 - 535]!);
    for (let i = 0; i < 1000; i++) {
      const at = (i * 377) % 1000;
      expect(refusal(() => receiver.unprotectRtp(sealed[at]!))).toBe(
        at === 999 - 535 ? 'replayed' : undefined,
      );
    }
    for (const packet of sealed) expect(refusal(() => receiver.unprotectRtp(packet))).toBe('replayed');
  });

  test('a gap of more than the window forgets what was before, not what comes after', () => {
    const { sender, receiver } = srtpPair(parameters);
    const early = sender.protectRtp(rtpPacket(1));
    const late = sender.protectRtp(rtpPacket(3000));
    const between = new SrtpSender(profile, key, salt);
    receiver.unprotectRtp(late);
    expect(refusal(() => receiver.unprotectRtp(early))).toBe('too-old');
    expect(refusal(() => receiver.unprotectRtp(between.protectRtp(rtpPacket(3000 - 1023))))).toBeUndefined();
    expect(
      refusal(() => receiver.unprotectRtp(between.protectRtp(rtpPacket(3000 - 1023 + 1024)))),
    ).toBeUndefined();
  });

  test('SRTCP: replayed and too old packets are refused, packets out of order taken', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = Array.from({ length: 200 }, () => sender.protectRtcp(rtcpPacket()));
    for (let i = 0; i < 200; i += 2) {
      receiver.unprotectRtcp(sealed[i + 1]!);
      receiver.unprotectRtcp(sealed[i]!);
    }
    for (const [i, packet] of sealed.entries()) {
      expect(refusal(() => receiver.unprotectRtcp(packet))).toBe(i < 200 - 128 ? 'too-old' : 'replayed');
    }
  });

  test('SRTCP whose flag says it is not encrypted is refused', () => {
    const { sender, receiver } = srtpPair(parameters);
    const sealed = sender.protectRtcp(rtcpPacket());
    const word = isGcm ? sealed.length - 4 : sealed.length - 14;
    expect(sealed[word]).toBe(0x80);
    sealed[word] = 0;
    expect(refusal(() => receiver.unprotectRtcp(sealed))).toBe('malformed');
  });

  test('SRTP and SRTCP keys differ: neither passes as the other', () => {
    const { sender, receiver } = srtpPair(parameters);
    expect(refusal(() => receiver.unprotectRtp(sender.protectRtcp(rtcpPacket())))).toBe('bad-tag');
    expect(refusal(() => receiver.unprotectRtcp(sender.protectRtp(rtpPacket(1))))).toMatch(
      /bad-tag|malformed/,
    );
  });

  test('more SSRCs than the bound are refused; forged ones do not count', () => {
    const { sender, receiver } = srtpPair(parameters, 3);
    const forged = rtpPacket(1, 99, new Uint8Array(40));
    for (let ssrc = 1000; ssrc < 1100; ssrc++) {
      new DataView(forged.buffer).setUint32(8, ssrc);
      expect(refusal(() => receiver.unprotectRtp(forged))).toBe('bad-tag');
    }
    for (const ssrc of [1, 2, 3]) receiver.unprotectRtp(sender.protectRtp(rtpPacket(1, ssrc)));
    expect(refusal(() => receiver.unprotectRtp(sender.protectRtp(rtpPacket(1, 4))))).toBe('too-many-ssrcs');
    expect(refusal(() => receiver.unprotectRtcp(sender.protectRtcp(rtcpPacket(4))))).toBe('too-many-ssrcs');
    receiver.unprotectRtcp(sender.protectRtcp(rtcpPacket(3)));
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(2, 2)));
  });

  test('100,000 forged packets cost the session nothing', () => {
    const { sender, receiver } = srtpPair(parameters);
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(1)));
    const forged = rtpPacket(0, 0xcafe, new Uint8Array(40));
    const view = new DataView(forged.buffer);
    for (let i = 0; i < 100_000; i++) {
      view.setUint16(2, i & 0xffff);
      view.setUint32(20, i);
      if (refusal(() => receiver.unprotectRtp(forged)) === undefined) throw new Error('a forgery was taken');
    }
    for (let i = 2; i < 100; i++) receiver.unprotectRtp(sender.protectRtp(rtpPacket(i)));
  });

  test('a sender never uses an index twice', () => {
    const { sender } = srtpPair(parameters);
    for (let i = 10; i < 2000; i++) sender.protectRtp(rtpPacket(i));
    expect(refusal(() => sender.protectRtp(rtpPacket(1999)))).toBe('replayed');
    expect(refusal(() => sender.protectRtp(rtpPacket(1999 - 1023)))).toBe('replayed');
    expect(refusal(() => sender.protectRtp(rtpPacket(1999 - 1024)))).toBe('too-old');
    expect(refusal(() => sender.protectRtp(rtpPacket(40_000)))).toBe('too-old');
  });
});

test('keys, salts and profiles that do not fit are refused', () => {
  const key = new Uint8Array(16);
  expect(() => new SrtpSender(SrtpProfile.aeadAes256Gcm, key, new Uint8Array(12))).toThrow(TypeError);
  expect(() => new SrtpSender(SrtpProfile.aeadAes128Gcm, key, new Uint8Array(14))).toThrow(TypeError);
  expect(() => new SrtpReceiver(SrtpProfile.aes128CmSha1_80, key, new Uint8Array(12), 1)).toThrow(TypeError);
  expect(() => new SrtpReceiver(2 as SrtpProfile, key, new Uint8Array(14), 1)).toThrow(TypeError);
  const sender = new SrtpSender(SrtpProfile.aeadAes128Gcm, key, new Uint8Array(12));
  expect(() => sender.protectRtp('text' as unknown as Uint8Array)).toThrow(TypeError);
});
