import { createHash, createHmac } from 'node:crypto';
import { type Hash, type Hmac, toUtf8 } from '@conclave/bytes';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  longTermKey,
  parseStun,
  StunBuilder,
  type StunMessage,
  textAttribute,
  uint32Attribute,
  uint64Attribute,
  verifyIntegrity,
  verifyIntegritySha256,
} from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import * as vectors from './testdata/rfc-vectors.ts';

const hmacSha1: Hmac = (key, data) => createHmac('sha1', key).update(data).digest();
const hmacSha256: Hmac = (key, data) => createHmac('sha256', key).update(data).digest();
const md5: Hash = (data) => createHash('md5').update(data).digest();
const sha256: Hash = (data) => createHash('sha256').update(data).digest();
const shortTermKey = toUtf8(vectors.shortTermPassword);

function mappedAddress(message: StunMessage): unknown {
  return decodeXorAddress(findAttribute(message, attributeType.xorMappedAddress)!, message.transactionId);
}

describe('RFC 5769', () => {
  it('§2.1 request', () => {
    const message = parseStun(vectors.sampleRequest);
    expect(message.class).toBe('request');
    expect(message.method).toBe(1);
    expect(message.hasFingerprint).toBe(true);
    expect(textAttribute(message, attributeType.software)).toBe('STUN test client');
    expect(uint32Attribute(message, attributeType.priority)).toBe(0x6e0001ff);
    expect(uint64Attribute(message, attributeType.iceControlled)).toBe(0x932ff9b151263b36n);
    expect(textAttribute(message, attributeType.username)).toBe('evtj:h6vY');
    expect(verifyIntegrity(message, shortTermKey, hmacSha1)).toBe(true);
    expect(verifyIntegrity(message, toUtf8('VOkJxbRl1RmTxUk/WvJxBu'), hmacSha1)).toBe(false);
  });

  it('§2.2 IPv4 response', () => {
    const message = parseStun(vectors.sampleIpv4Response);
    expect(message.class).toBe('success');
    expect(message.hasFingerprint).toBe(true);
    expect(textAttribute(message, attributeType.software)).toBe('test vector');
    expect(mappedAddress(message)).toEqual({ address: '192.0.2.1', port: 32853 });
    expect(verifyIntegrity(message, shortTermKey, hmacSha1)).toBe(true);
  });

  it('§2.3 IPv6 response', () => {
    const message = parseStun(vectors.sampleIpv6Response);
    expect(message.class).toBe('success');
    expect(message.hasFingerprint).toBe(true);
    expect(mappedAddress(message)).toEqual({ address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 });
    expect(verifyIntegrity(message, shortTermKey, hmacSha1)).toBe(true);
  });

  it('§2.4 long-term request, read and made again byte for byte', () => {
    const message = parseStun(vectors.sampleLongTermRequest);
    expect(message.hasFingerprint).toBe(false);
    expect(textAttribute(message, attributeType.username)).toBe(vectors.longTermUsername);
    expect(textAttribute(message, attributeType.realm)).toBe(vectors.longTermRealm);
    expect(textAttribute(message, attributeType.nonce)).toBe('f//499k954d6OL34oL9FSTvy64sA');
    const key = longTermKey(vectors.longTermUsername, vectors.longTermRealm, vectors.longTermPassword, md5);
    expect(verifyIntegrity(message, key, hmacSha1)).toBe(true);

    const made = new StunBuilder({ class: 'request', method: 1, transactionId: message.transactionId })
      .text(attributeType.username, vectors.longTermUsername)
      .text(attributeType.nonce, 'f//499k954d6OL34oL9FSTvy64sA')
      .text(attributeType.realm, vectors.longTermRealm)
      .integrity(key, hmacSha1)
      .finish();
    expect(made).toEqual(vectors.sampleLongTermRequest);
  });
});

describe('RFC 8489', () => {
  const key = longTermKey(vectors.longTermUsername, vectors.longTermRealm, vectors.longTermPassword, sha256);

  it('§B.1 SHA-256 request (erratum 6268), read and made again byte for byte', () => {
    const message = parseStun(vectors.sampleSha256Request);
    const userhash = sha256(toUtf8(`${vectors.longTermUsername}:${vectors.longTermRealm}`));
    expect(findAttribute(message, attributeType.userhash)).toEqual(new Uint8Array(userhash));
    expect(verifyIntegritySha256(message, key, hmacSha256)).toBe(true);
    expect(verifyIntegrity(message, key, hmacSha1)).toBe(false);

    const made = new StunBuilder({ class: 'request', method: 1, transactionId: message.transactionId })
      .attribute(attributeType.userhash, userhash)
      .text(attributeType.nonce, 'obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA')
      .text(attributeType.realm, vectors.longTermRealm)
      .attribute(attributeType.passwordAlgorithm, new Uint8Array([0, 2, 0, 0]))
      .integritySha256(key, hmacSha256)
      .finish();
    expect(made).toEqual(vectors.sampleSha256Request);
  });

  it('a tag truncated to 16 bytes is a tag, a shorter one none', () => {
    const { sampleSha256Request } = vectors;
    const cut = sampleSha256Request.slice(0, -16);
    cut[3] = cut.length - 20;
    cut[cut.length - 17] = 16;
    const covered = cut.slice(0, -20);
    covered[3] = cut.length - 20;
    cut.set(hmacSha256(key, covered).subarray(0, 16), cut.length - 16);
    expect(verifyIntegritySha256(parseStun(cut), key, hmacSha256)).toBe(true);
    expect(verifyIntegritySha256(parseStun(cut.with(cut.length - 1, 0xff)), key, hmacSha256)).toBe(false);
  });

  it('both integrity attributes and the fingerprint hold together', () => {
    const bytes = new StunBuilder({ class: 'success', method: 1, transactionId: new Uint8Array(12) })
      .xorAddress(attributeType.xorMappedAddress, { address: '192.0.2.1', port: 1 })
      .integrity(shortTermKey, hmacSha1)
      .integritySha256(shortTermKey, hmacSha256)
      .fingerprint()
      .finish();
    const message = parseStun(bytes);
    expect(verifyIntegrity(message, shortTermKey, hmacSha1)).toBe(true);
    expect(verifyIntegritySha256(message, shortTermKey, hmacSha256)).toBe(true);
    expect(message.hasFingerprint).toBe(true);
  });
});
