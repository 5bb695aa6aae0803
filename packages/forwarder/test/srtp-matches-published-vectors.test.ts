import { fromHex, toHex } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { deriveSrtpSessionKeys, SrtpProfile, SrtpReceiver, SrtpSender } from '../src/index.ts';

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, ''));

describe('RFC 3711 appendix B', () => {
  test('B.3: session keys of a master key', () => {
    const key = hex('E1F97A0D3E018BE0D64FA32C06DE4139');
    const salt = hex('0EC675AD498AFEEBB6960B3AABE6');
    const keys = deriveSrtpSessionKeys(SrtpProfile.aes128CmSha1_80, key, salt, 'rtp');
    expect(toHex(keys.key)).toBe('c61e7a93744f39ee10734afe3ff7a087');
    expect(toHex(keys.salt)).toBe('30cbbc08863d8c85d49db34a9ae1');
    expect(toHex(keys.authKey)).toBe('cebe321f6ff7716b6fd4ab49af256a156d38baa4');
  });

  test('B.2: the first blocks of the keystream of AES in counter mode', () => {
    const key = hex('2B7E151628AED2A6ABF7158809CF4F3C');
    const salt = hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD');
    const sender = new SrtpSender(SrtpProfile.aes128CmSha1_80, key, salt, { keysAre: 'session' });
    const packet = new Uint8Array(12 + 48);
    packet[0] = 0x80;
    const keystream = sender.protectRtp(packet).subarray(12);
    expect(toHex(keystream.subarray(0, 48))).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    );
  });
});

/** RFC 7714 §16 and §17 state session keys; the SRTCP packet is the one its subsections encrypt. */
describe.each([
  {
    section: '16.1, 17.1',
    profile: SrtpProfile.aeadAes128Gcm,
    key: '000102030405060708090a0b0c0d0e0f',
    srtp: `8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
      899d7f27beb16a9152cf765ee4390cce`,
    srtcp: `81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded
      0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4`,
  },
  {
    section: '16.2, 17.2',
    profile: SrtpProfile.aeadAes256Gcm,
    key: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    srtp: `8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
      7aa3db36dfffd6b0f9bb7878d7a76c13`,
    srtcp: `81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b
      6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4`,
  },
])('RFC 7714 §$section', ({ profile, key, srtp, srtcp }) => {
  const salt = hex('517569642070726f2071756f');
  const rtp = hex(`8040f17b8041f8d35501a0b2
    47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573`);
  const rtcp = hex(`81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef`);

  test('SRTP', () => {
    const sender = new SrtpSender(profile, hex(key), salt, { keysAre: 'session' });
    expect(toHex(sender.protectRtp(rtp))).toBe(toHex(hex(srtp)));
    const receiver = new SrtpReceiver(profile, hex(key), salt, 1, { keysAre: 'session' });
    expect(receiver.unprotectRtp(hex(srtp))).toEqual(rtp);
  });

  test('SRTCP', () => {
    const sender = new SrtpSender(profile, hex(key), salt, { keysAre: 'session', rtcpIndex: 0x5d4 });
    expect(toHex(sender.protectRtcp(rtcp))).toBe(toHex(hex(srtcp)));
    const receiver = new SrtpReceiver(profile, hex(key), salt, 1, { keysAre: 'session' });
    expect(receiver.unprotectRtcp(hex(srtcp))).toEqual(rtcp);
  });
});

test('RFC 7714 §17.3: SRTCP tagged but in clear is refused', () => {
  const key = hex('000102030405060708090a0b0c0d0e0f');
  const salt = hex('517569642070726f2071756f');
  const inClear = hex(`81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61
    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef841dd9683dd78ec92ae58790125f62b3000005d4`);
  const receiver = new SrtpReceiver(SrtpProfile.aeadAes128Gcm, key, salt, 1, { keysAre: 'session' });
  expect(() => receiver.unprotectRtcp(inClear)).toThrowError(expect.objectContaining({ code: 'malformed' }));
});

/** The packets by which libsrtp (test/srtp_driver.c) checks itself, from master keys on. */
describe.each([
  {
    name: 'AES128_CM_SHA1_80',
    profile: SrtpProfile.aes128CmSha1_80,
    key: 'e1f97a0d3e018be0d64fa32c06de4139',
    salt: '0ec675ad498afeebb6960b3aabe6',
    srtp: '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb',
    srtcp: '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798',
  },
  {
    name: 'AEAD_AES_128_GCM',
    profile: SrtpProfile.aeadAes128Gcm,
    key: '000102030405060708090a0b0c0d0e0f',
    salt: 'a0a1a2a3a4a5a6a7a8a9aaab',
    srtp: '800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392',
    srtcp: '81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001',
  },
])('the packets of libsrtp, $name', ({ profile, key, salt, srtp, srtcp }) => {
  const rtp = hex(`800f1234decafbadcafebabe ${'ab'.repeat(16)}`);
  const rtcp = hex(`81c8000bcafebabe ${'ab'.repeat(16)}`);

  test('SRTP', () => {
    expect(toHex(new SrtpSender(profile, hex(key), hex(salt)).protectRtp(rtp))).toBe(srtp);
    expect(new SrtpReceiver(profile, hex(key), hex(salt), 1).unprotectRtp(hex(srtp))).toEqual(rtp);
  });

  test('SRTCP', () => {
    const sender = new SrtpSender(profile, hex(key), hex(salt), { rtcpIndex: 1 });
    expect(toHex(sender.protectRtcp(rtcp))).toBe(srtcp);
    expect(new SrtpReceiver(profile, hex(key), hex(salt), 1).unprotectRtcp(hex(srtcp))).toEqual(rtcp);
  });
});
