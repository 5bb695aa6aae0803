import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Hash, Hmac, RandomBytes } from '@conclave/bytes';

const hmac =
  (name: string): Hmac =>
  (key, data) =>
    new Uint8Array(createHmac(name, key).update(data).digest());
const hash =
  (name: string): Hash =>
  (data) =>
    new Uint8Array(createHash(name).update(data).digest());

export const hashes = {
  md5: hash('md5'),
  sha256: hash('sha256'),
  hmacSha1: hmac('sha1'),
  hmacSha256: hmac('sha256'),
  hmacSha512: hmac('sha512'),
};

export const systemRandom: RandomBytes = (size) => new Uint8Array(randomBytes(size));

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function seededRandom(seed: number): RandomBytes {
  const next = seededNumbers(seed);
  return (size) => Uint8Array.from({ length: size }, () => next() * 256);
}
