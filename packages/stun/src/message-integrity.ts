import { equalBytesConstantTime, type Hmac } from '@conclave/bytes';
import type { StunMessage } from './stun-message.ts';

/**
 * Whether the message carries a MESSAGE-INTEGRITY made with this key (RFC 8489 §14.5); `false` when it has
 * none. The comparison takes the same time for every wrong tag.
 *
 * @param key the password's UTF-8 bytes (short-term) or `longTermKey` (long-term)
 */
export function verifyIntegrity(message: StunMessage, key: Uint8Array, hmacSha1: Hmac): boolean {
  const at = message.integrityOffset;
  if (at === undefined) return false;
  const tag = message.bytes.subarray(at + 4, at + 24);
  return equalBytesConstantTime(hmacSha1(key, coveredBytes(message.bytes, at, 24)), tag);
}

/**
 * Whether the message carries a MESSAGE-INTEGRITY-SHA256, whole or truncated to at least 16 bytes, made with
 * this key (RFC 8489 §14.6); `false` when it has none.
 */
export function verifyIntegritySha256(message: StunMessage, key: Uint8Array, hmacSha256: Hmac): boolean {
  const at = message.integritySha256Offset;
  if (at === undefined) return false;
  const length = (message.bytes[at + 2]! << 8) | message.bytes[at + 3]!;
  const tag = message.bytes.subarray(at + 4, at + 4 + length);
  const whole = hmacSha256(key, coveredBytes(message.bytes, at, 4 + length));
  return equalBytesConstantTime(whole.subarray(0, length), tag);
}

/**
 * What the tag of an integrity attribute at `offset` is computed over: all before it, with the header's length
 * as if the attribute (`attributeBytes` long, header included) were the last.
 */
export function coveredBytes(bytes: Uint8Array, offset: number, attributeBytes: number): Uint8Array {
  const covered = bytes.slice(0, offset);
  const length = offset - 20 + attributeBytes;
  covered[2] = length >>> 8;
  covered[3] = length;
  return covered;
}
