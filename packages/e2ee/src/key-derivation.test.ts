import { fromHex, toHex } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { crypto } from '../test/seeded-random.ts';
import {
  deriveBaseIv,
  deriveFreshSessionKey,
  deriveMediaKey,
  deriveNextSessionKey,
  encodeRosterSalt,
  frameNonce,
} from './key-derivation.ts';

// Vectors of the format: session key 20..3f, conversation and user hashes under the secret 00..0f.
const sessionKey = Uint8Array.from({ length: 32 }, (_, i) => 0x20 + i);
const conversationHash = 'b4f510b7ddb37f196f6cdecbb691c8a1';
const userHash = '19096cfb419cca18619a47d3a1df6eb4';

describe('key derivation', () => {
  test('media key', async () => {
    expect(toHex(await deriveMediaKey(crypto, sessionKey, conversationHash))).toBe(
      '636e8b5079375e91a7b3525a54f60d12b4ca13e96e8d95a724dbcf1a0d4ca235',
    );
  });

  test('next session key', async () => {
    expect(toHex(await deriveNextSessionKey(crypto, sessionKey, conversationHash))).toBe(
      '7dcca5b002c03540067df9eba8f7f3752fe74feb5ab1575f2cf9e8a65cc1c4f2',
    );
  });

  test('base IVs', async () => {
    expect(toHex(await deriveBaseIv(crypto, userHash, 'audio'))).toBe('9744ade3e99458fcca0ae2d2');
    expect(toHex(await deriveBaseIv(crypto, userHash, 'video'))).toBe('b7648e8729ab42e5c2fe3d32');
  });

  test('a nonce has counter and index in its first eight bytes and leaves the base as it is', () => {
    const base = fromHex('9744ade3e99458fcca0ae2d2');
    expect(toHex(frameNonce(base, 0, 0))).toBe('9744ade3e99458fcca0ae2d2');
    expect(toHex(frameNonce(base, 0xffffffff, 1))).toBe('68bb521ce99458fdca0ae2d2');
    expect(toHex(base)).toBe('9744ade3e99458fcca0ae2d2');
  });

  test('the salt of a fresh key is the list in its order', () => {
    const salt = encodeRosterSalt({
      timestampMs: 1795232400015,
      sequenceNumber: 7,
      entropy: fromHex('aabb'),
      participants: [
        { userHash: 'ab', audioSsrc: 1, videoSsrc: 0xfffffffe },
        { userHash: 'c', audioSsrc: 2, videoSsrc: 3 },
      ],
    });
    expect(toHex(salt)).toBe('000001a1fc30828f00000007aabb616200000001fffffffe630000000200000003');
  });

  test('a fresh key depends on randomness and list, and asks for 32 random bytes', async () => {
    const random = new Uint8Array(32).fill(1);
    const one = toHex(await deriveFreshSessionKey(crypto, random, Uint8Array.of(1)));
    expect(toHex(await deriveFreshSessionKey(crypto, random, Uint8Array.of(2)))).not.toBe(one);
    expect(toHex(await deriveFreshSessionKey(crypto, random.fill(2), Uint8Array.of(1)))).not.toBe(one);
    await expect(deriveFreshSessionKey(crypto, new Uint8Array(31), Uint8Array.of(1))).rejects.toThrow(
      RangeError,
    );
  });
});
