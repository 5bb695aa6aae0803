import { type Hash, toUtf8 } from '@conclave/bytes';

/**
 * Key of the long-term credential mechanism (RFC 8489 §9.2.2): the hash of `username:realm:password`, MD5
 * unless another PASSWORD-ALGORITHM was agreed on. Username, realm and password must already be prepared
 * (OpaqueString, RFC 8265); plain ASCII is so as it stands.
 */
export function longTermKey(username: string, realm: string, password: string, hash: Hash): Uint8Array {
  return hash(toUtf8(`${username}:${realm}:${password}`));
}
