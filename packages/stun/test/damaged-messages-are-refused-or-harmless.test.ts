import { createHmac } from 'node:crypto';
import { FormatError, type Hmac, toUtf8 } from '@conclave/bytes';
import { parseStun, type StunMessage, verifyIntegrity } from '@conclave/stun';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as vectors from './testdata/rfc-vectors.ts';

const hmacSha1: Hmac = (key, data) => createHmac('sha1', key).update(data).digest();
const key = toUtf8(vectors.shortTermPassword);
const sealed = [vectors.sampleRequest, vectors.sampleIpv4Response, vectors.sampleIpv6Response];

/** The message, `undefined` when refused as malformed; any other error fails the test. */
function tryParse(bytes: Uint8Array): StunMessage | undefined {
  try {
    return parseStun(bytes);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

it('every truncation is refused', () => {
  for (const bytes of sealed) {
    for (let length = 0; length < bytes.length; length++) {
      expect(tryParse(bytes.subarray(0, length))).toBeUndefined();
    }
  }
});

it('every truncation with a repaired length fails integrity, unless it only lost the fingerprint', () => {
  for (const bytes of sealed) {
    for (let length = 20; length < bytes.length; length += 4) {
      const cut = bytes.slice(0, length);
      new DataView(cut.buffer).setUint16(2, length - 20);
      const message = tryParse(cut);
      if (!message) continue;
      expect(message.hasFingerprint).toBe(false);
      expect(verifyIntegrity(message, key, hmacSha1)).toBe(length === bytes.length - 8);
    }
  }
});

it('every flipped bit is refused, or leaves a message without its fingerprint', () => {
  for (const bytes of sealed) {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
      const message = tryParse(flipped);
      if (!message) continue;
      expect(message.hasFingerprint).toBe(false);
      // Only damage behind the integrity attribute, in FINGERPRINT's own header, leaves the tag right.
      if (bit >> 3 < bytes.length - 8) expect(verifyIntegrity(message, key, hmacSha1)).toBe(false);
    }
  }
});

it('several damaged bytes never pass for the original', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...sealed),
      fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
      (bytes, damage) => {
        const bad = bytes.slice();
        for (const [at, mask] of damage) bad[at % bad.length]! ^= mask;
        fc.pre(!bad.every((byte, i) => byte === bytes[i]));
        const message = tryParse(bad);
        if (!message) return;
        const covered = bad.subarray(0, message.integrityOffset ?? 0);
        const intact = covered.length > 0 && covered.every((byte, i) => byte === bytes[i]);
        expect(verifyIntegrity(message, key, hmacSha1) && !intact).toBe(false);
      },
    ),
    { numRuns: 2000, seed: 1 },
  );
});

it('arbitrary bytes after a valid header never crash the parser', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      const bytes = new Uint8Array(20 + (tail.length & ~3));
      bytes.set([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
      new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
      bytes.set(tail.subarray(0, bytes.length - 20), 20);
      const message = tryParse(bytes);
      if (message) verifyIntegrity(message, key, hmacSha1);
    }),
    { numRuns: 3000, seed: 2 },
  );
});
