import { createHash, createHmac } from 'node:crypto';
import type { Hash, Hmac } from '@conclave/bytes';
import type { CredentialHashes, TurnServerHashes } from '@conclave/turn';

const hmac =
  (name: string): Hmac =>
  (key, data) =>
    createHmac(name, key).update(data).digest();

const hash =
  (name: string): Hash =>
  (data) =>
    createHash(name).update(data).digest();

/** The hashes of credentials and message integrity, as Node's crypto has them. */
export const turnHashes: TurnServerHashes & CredentialHashes = {
  md5: hash('md5'),
  sha256: hash('sha256'),
  hmacSha1: hmac('sha1'),
  hmacSha256: hmac('sha256'),
  hmacSha512: hmac('sha512'),
};
