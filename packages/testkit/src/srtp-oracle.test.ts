import { fromHex, toHex } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import {
  deriveSrtpKey,
  deriveSrtpSessionKeys,
  openRtcp,
  openRtp,
  SrtpOracleReceiver,
  SrtpOracleSender,
  sealRtcp,
  sealRtp,
  srtpKeyLengths,
} from './srtp-oracle.ts';

const hex = (text: string) => fromHex(text.replaceAll(/\s/g, ''));

describe('AES counter mode (RFC 3711 appendix B)', () => {
  it('makes the key stream of B.2', () => {
    // A packet of zeros, SSRC 0 and index 0 shows the key stream itself.
    const keys = {
      cipherKey: hex('2B7E151628AED2A6ABF7158809CF4F3C'),
      authKey: new Uint8Array(20),
      salt: hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'),
    };
    const packet = new Uint8Array(12 + 48);
    packet[0] = 0x80;
    const sealed = sealRtp(1, keys, 0, packet);
    expect(toHex(sealed.subarray(12, 60)).toUpperCase()).toBe(
      'E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0',
    );
  });

  it('derives the session keys of B.3', () => {
    const key = hex('E1F97A0D3E018BE0D64FA32C06DE4139');
    const salt = hex('0EC675AD498AFEEBB6960B3AABE6');
    const keys = deriveSrtpSessionKeys(1, key, salt, 'rtp');
    expect(toHex(keys.cipherKey).toUpperCase()).toBe('C61E7A93744F39EE10734AFE3FF7A087');
    expect(toHex(keys.salt).toUpperCase()).toBe('30CBBC08863D8C85D49DB34A9AE1');
    expect(toHex(keys.authKey).toUpperCase()).toBe('CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4');
  });

  it('derives the 256-bit session keys of RFC 6188 §7.2', () => {
    const key = hex('f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6');
    const salt = hex('3b04803de51ee7c96423ab5b78d2');
    expect(toHex(deriveSrtpKey(key, salt, 0, 32))).toBe(
      '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4',
    );
    expect(toHex(deriveSrtpKey(key, salt, 2, 14))).toBe('fa31791685ca444a9e07c6c64e93');
    expect(toHex(deriveSrtpKey(key, salt, 1, 20))).toBe('fd9c32d39ed5fbb5a9dc96b30818454d1313dc05');
  });
});

const GCM_SALT = '517569642070726f2071756f';
const RTP =
  '8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573';
const RTCP =
  '81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef';
const KEY_128 = '000102030405060708090a0b0c0d0e0f';
const KEY_256 = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';

describe('AES-GCM (RFC 7714)', () => {
  it.each([
    [
      7,
      KEY_128,
      'f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce',
    ],
    [
      8,
      KEY_256,
      '32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13',
    ],
  ] as const)('makes the SRTP packet of §16.1.1 and §16.2.1, profile %i', (profile, key, sealedBody) => {
    const keys = { cipherKey: hex(key), authKey: new Uint8Array(), salt: hex(GCM_SALT) };
    const sealed = sealRtp(profile, keys, 0xf17b, hex(RTP));
    expect(toHex(sealed)).toBe(RTP.slice(0, 24) + sealedBody);
    expect(toHex(openRtp(profile, keys, 0xf17b, sealed)!)).toBe(RTP);
  });

  it.each([
    [
      7,
      KEY_128,
      '63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4',
    ],
    [
      8,
      KEY_256,
      'd50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4',
    ],
  ] as const)('makes the SRTCP packet of §17.1 and §17.2, profile %i', (profile, key, sealedBody) => {
    const keys = { cipherKey: hex(key), authKey: new Uint8Array(), salt: hex(GCM_SALT) };
    const sealed = sealRtcp(profile, keys, 0x5d4, hex(RTCP));
    expect(toHex(sealed)).toBe(RTCP.slice(0, 16) + sealedBody);
    expect(toHex(openRtcp(profile, keys, sealed)!)).toBe(RTCP);
  });
});

describe.each([1, 7, 8] as const)('sender and receiver of profile %i', (profile) => {
  const { keyLength, saltLength } = srtpKeyLengths(profile);
  const key = new Uint8Array(keyLength).fill(3);
  const salt = new Uint8Array(saltLength).fill(5);
  const pair = (maxSsrcs = 32) => ({
    sender: new SrtpOracleSender(profile, key, salt),
    receiver: new SrtpOracleReceiver(profile, key, salt, maxSsrcs),
  });
  const packet = (sequence: number, ssrc = 7) =>
    Uint8Array.of(0x80, 111, sequence >>> 8, sequence, 0, 0, 0, 1, 0, 0, 0, ssrc, 1, 2, 3);
  const refusal = (act: () => unknown) => {
    try {
      act();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'accepted';
  };

  it('carries packets over the wrap of the sequence number, out of order too', () => {
    const { sender, receiver } = pair();
    for (const sequence of [0xfffe, 0, 0xffff, 2, 1]) {
      expect(receiver.unprotectRtp(sender.protectRtp(packet(sequence)))).toEqual(packet(sequence));
    }
  });

  it('counts the rollover: a packet of the next round has another index', () => {
    const { sender, receiver } = pair();
    for (let sequence = 0; sequence < 0x18000; sequence += 0x4000) {
      expect(receiver.unprotectRtp(sender.protectRtp(packet(sequence & 0xffff)))).toEqual(
        packet(sequence & 0xffff),
      );
    }
  });

  it('drops a replayed packet, one before the window, and one with a changed bit', () => {
    const { sender, receiver } = pair();
    const sealed = sender.protectRtp(packet(2000));
    expect(refusal(() => receiver.unprotectRtp(sealed.map((b, i) => (i === 13 ? b ^ 1 : b))))).toBe(
      'bad-tag',
    );
    expect(refusal(() => receiver.unprotectRtp(sealed.map((b, i) => (i === 1 ? b ^ 1 : b))))).toBe('bad-tag');
    receiver.unprotectRtp(sealed);
    expect(refusal(() => receiver.unprotectRtp(sealed))).toBe('replayed');
    const late = new SrtpOracleSender(profile, key, salt);
    expect(refusal(() => receiver.unprotectRtp(late.protectRtp(packet(2000 - 1024))))).toBe('too-old');
    expect(refusal(() => receiver.unprotectRtp(late.protectRtp(packet(2000 - 1023))))).toBe('accepted');
  });

  it('never uses an index twice', () => {
    const { sender } = pair();
    sender.protectRtp(packet(5));
    expect(refusal(() => sender.protectRtp(packet(5)))).toBe('replayed');
  });

  it('takes SSRCs up to its bound, and forged ones take no place', () => {
    const { sender, receiver } = pair(1);
    const forged = sender.protectRtp(packet(1, 8));
    forged[forged.length - 1]! ^= 1;
    expect(refusal(() => receiver.unprotectRtp(forged))).toBe('bad-tag');
    receiver.unprotectRtp(sender.protectRtp(packet(1, 7)));
    expect(refusal(() => receiver.unprotectRtp(sender.protectRtp(packet(2, 8))))).toBe('too-many-ssrcs');
  });

  it('protects RTCP, and refuses it replayed, changed or unencrypted', () => {
    const { sender, receiver } = pair();
    const report = hex('81c9000700000001000000020000000000000000000000000000000000000000');
    const sealed = sender.protectRtcp(report);
    const flagAt = profile === 1 ? sealed.length - 14 : sealed.length - 4;
    expect(refusal(() => receiver.unprotectRtcp(sealed.map((b, i) => (i === flagAt ? b & 0x7f : b))))).toBe(
      'malformed',
    );
    expect(refusal(() => receiver.unprotectRtcp(sealed.map((b, i) => (i === 9 ? b ^ 1 : b))))).toBe(
      'bad-tag',
    );
    expect(receiver.unprotectRtcp(sealed)).toEqual(report);
    expect(refusal(() => receiver.unprotectRtcp(sealed))).toBe('replayed');
  });

  it('refuses short packets and lengths that lie', () => {
    const { receiver } = pair();
    for (let length = 0; length < 22; length++) {
      const short = new Uint8Array(length);
      if (length > 0) short[0] = 0x80;
      expect(refusal(() => receiver.unprotectRtp(short))).toBe('malformed');
      expect(refusal(() => receiver.unprotectRtcp(short.subarray(0, 20)))).toBe('malformed');
    }
    const manySources = new Uint8Array(60);
    manySources[0] = 0x8f;
    expect(refusal(() => receiver.unprotectRtp(manySources))).toBe('malformed');
  });
});
