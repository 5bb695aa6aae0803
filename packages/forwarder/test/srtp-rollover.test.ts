import { describe, expect, test } from 'vitest';
import { SrtpReceiver, SrtpSender } from '../src/index.ts';
import { profiles, protectByTheBook, rtcpPacket, rtpPacket, srtpPair } from './srtp-packets.ts';

describe.each(profiles)('$name', (parameters) => {
  const { profile, key, salt } = parameters;

  test('both ends count the same rollovers over 200,000 sequence numbers with gaps', () => {
    const { sender, receiver } = srtpPair(parameters);
    for (let ext = 7; ext < 200_000; ext += 997) {
      const packet = rtpPacket(ext);
      const sealed = sender.protectRtp(packet);
      expect(sealed).toEqual(protectByTheBook(parameters, packet, 12, { rollover: ext >> 16 }));
      expect(receiver.unprotectRtp(sealed)).toEqual(packet);
    }
  });

  test('a packet from before the wrap is still opened after it, and a late one is sent with its own counter', () => {
    const { sender, receiver } = srtpPair(parameters);
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(65_530)));
    const beforeWrap = sender.protectRtp(rtpPacket(65_534));
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(65_536 + 3)));
    expect(receiver.unprotectRtp(beforeWrap)).toEqual(rtpPacket(65_534));
    const late = sender.protectRtp(rtpPacket(65_535));
    expect(late).toEqual(protectByTheBook(parameters, rtpPacket(65_535), 12, { rollover: 0 }));
    expect(receiver.unprotectRtp(late)).toEqual(rtpPacket(65_535));
    expect(receiver.unprotectRtp(sender.protectRtp(rtpPacket(65_536 + 2)))).toEqual(rtpPacket(2));
  });

  test('each SSRC has its own counter', () => {
    const { sender, receiver } = srtpPair(parameters);
    for (let ext = 40_000; ext < 70_000; ext += 500) {
      receiver.unprotectRtp(sender.protectRtp(rtpPacket(ext, 1)));
      receiver.unprotectRtp(sender.protectRtp(rtpPacket(ext - 30_000, 2)));
    }
    expect(sender.protectRtp(rtpPacket(70_000, 1))).toEqual(
      protectByTheBook(parameters, rtpPacket(70_000, 1), 12, { rollover: 1 }),
    );
    expect(sender.protectRtp(rtpPacket(40_000, 2))).toEqual(
      protectByTheBook(parameters, rtpPacket(40_000, 2), 12, { rollover: 0 }),
    );
  });

  test('nothing lies before the first packet of a stream that began at sequence number zero', () => {
    const { sender, receiver } = srtpPair(parameters);
    receiver.unprotectRtp(sender.protectRtp(rtpPacket(0)));
    expect(() => sender.protectRtp(rtpPacket(0xffff))).toThrowError(
      expect.objectContaining({ code: 'too-old' }),
    );
    const forged = protectByTheBook(parameters, rtpPacket(0xffff), 12, { rollover: 0xffffffff });
    expect(() => receiver.unprotectRtp(forged)).toThrowError(expect.objectContaining({ code: 'too-old' }));
  });

  test('RFC 3711 §9.2: after index 2^48 - 1 nothing more is sent', () => {
    const sender = new SrtpSender(profile, key, salt, { rolloverCounter: 0xffffffff });
    sender.protectRtp(rtpPacket(0xfffe));
    sender.protectRtp(rtpPacket(0xffff));
    expect(() => sender.protectRtp(rtpPacket(0))).toThrowError(
      expect.objectContaining({ code: 'index-exhausted' }),
    );
  });

  test('after SRTCP index 2^31 - 1 nothing more is sent', () => {
    const sender = new SrtpSender(profile, key, salt, { rtcpIndex: 0x7ffffffe });
    const receiver = new SrtpReceiver(profile, key, salt, 1);
    receiver.unprotectRtcp(sender.protectRtcp(rtcpPacket()));
    expect(receiver.unprotectRtcp(sender.protectRtcp(rtcpPacket()))).toEqual(rtcpPacket());
    expect(() => sender.protectRtcp(rtcpPacket())).toThrowError(
      expect.objectContaining({ code: 'index-exhausted' }),
    );
  });
});
