import { FormatError } from '@conclave/bytes';
import { attributeType } from './attribute-type.ts';
import { crc32 } from './crc32.ts';
import type { StunAttribute } from './stun-attribute.ts';

/** What a STUN message is to its receiver (RFC 8489 §5). */
export type StunClass = 'request' | 'indication' | 'success' | 'error';

/**
 * A parsed STUN message. Everything in it is a view of the bytes it was parsed from: the caller must not
 * change or reuse them while the message lives.
 */
export interface StunMessage {
  readonly class: StunClass;
  /** 12-bit method number, see `stunMethod`. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  /**
   * The attributes that count, in their order, duplicates included; those after MESSAGE-INTEGRITY and the
   * integrity and fingerprint attributes themselves are left out.
   */
  readonly attributes: readonly StunAttribute[];
  /** The whole message as received. */
  readonly bytes: Uint8Array;
  /** Where MESSAGE-INTEGRITY starts in `bytes`. Its presence says nothing before `verifyIntegrity`. */
  readonly integrityOffset: number | undefined;
  /** Where MESSAGE-INTEGRITY-SHA256 starts in `bytes`. */
  readonly integritySha256Offset: number | undefined;
  /** Whether a FINGERPRINT ended the message; a wrong one is refused when parsing. */
  readonly hasFingerprint: boolean;
}

/** The fixed second word of every message (RFC 8489 §5). */
export const MAGIC_COOKIE = 0x2112a442;

/** Bytes before the first attribute. */
export const STUN_HEADER_BYTES = 20;

/** Mixed into the CRC so that it differs from that of an enclosing protocol (RFC 8489 §14.7). */
export const FINGERPRINT_XOR = 0x5354554e;

/**
 * More attributes than any method uses. A lower value could refuse a CreatePermission with many peers; a
 * higher one lets a single datagram make more objects.
 */
const MAX_ATTRIBUTES = 64;

/** The classes in the order of their two bits. */
export const stunClasses: readonly StunClass[] = ['request', 'indication', 'success', 'error'];

/**
 * Whether the bytes look like one whole STUN message: first two bits zero, magic cookie, and a length that
 * fits. Cheap enough to ask of every datagram.
 */
export function isStun(bytes: Uint8Array): boolean {
  return (
    bytes.length >= STUN_HEADER_BYTES &&
    (bytes[0]! & 0xc0) === 0 &&
    bytes[4] === 0x21 &&
    bytes[5] === 0x12 &&
    bytes[6] === 0xa4 &&
    bytes[7] === 0x42 &&
    (bytes[3]! & 3) === 0 &&
    ((bytes[2]! << 8) | bytes[3]!) === bytes.length - STUN_HEADER_BYTES
  );
}

/** Class of a message that {@link isStun} accepted, without parsing it. */
export function stunClassOf(bytes: Uint8Array): StunClass {
  return stunClasses[((bytes[0]! & 1) << 1) | ((bytes[1]! >>> 4) & 1)]!;
}

/** Method of a message that {@link isStun} accepted, without parsing it. */
export function stunMethodOf(bytes: Uint8Array): number {
  return ((bytes[0]! & 0x3e) << 6) | ((bytes[1]! & 0xe0) >>> 1) | (bytes[1]! & 0x0f);
}

/**
 * Parses one message that fills `bytes` to the last (RFC 8489 §5, §14). Throws {@link FormatError} with code
 * `not-stun`, `truncated-attribute`, `too-many-attributes`, `bad-integrity-length`, `bad-fingerprint` or
 * `fingerprint-not-last`. Integrity is not checked here: see `verifyIntegrity`.
 */
export function parseStun(bytes: Uint8Array): StunMessage {
  if (!isStun(bytes)) throw new FormatError('not-stun', 'not a STUN message');
  const attributes: StunAttribute[] = [];
  let integrityOffset: number | undefined;
  let integritySha256Offset: number | undefined;
  let hasFingerprint = false;
  let at = STUN_HEADER_BYTES;
  let count = 0;
  while (at < bytes.length) {
    if (++count > MAX_ATTRIBUTES) {
      throw new FormatError('too-many-attributes', `more than ${MAX_ATTRIBUTES} attributes`);
    }
    const type = (bytes[at]! << 8) | bytes[at + 1]!;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const next = at + 4 + ((length + 3) & ~3);
    if (next > bytes.length) {
      throw new FormatError('truncated-attribute', `attribute ${type} ends after the message`);
    }
    if (type === attributeType.fingerprint) {
      checkFingerprint(bytes, at, length, next);
      hasFingerprint = true;
    } else if (integritySha256Offset !== undefined) {
      // Nothing but FINGERPRINT may follow; whatever does is unauthenticated and not looked at.
    } else if (type === attributeType.messageIntegritySha256) {
      if (length < 16 || length > 32 || length % 4 !== 0) throw badIntegrityLength(length);
      integritySha256Offset = at;
    } else if (integrityOffset !== undefined) {
      // As above, for everything after MESSAGE-INTEGRITY but its SHA-256 variant.
    } else if (type === attributeType.messageIntegrity) {
      if (length !== 20) throw badIntegrityLength(length);
      integrityOffset = at;
    } else {
      attributes.push({ type, value: bytes.subarray(at + 4, at + 4 + length) });
    }
    at = next;
  }
  return {
    class: stunClassOf(bytes),
    method: stunMethodOf(bytes),
    transactionId: bytes.subarray(8, STUN_HEADER_BYTES),
    attributes,
    bytes,
    integrityOffset,
    integritySha256Offset,
    hasFingerprint,
  };
}

function checkFingerprint(bytes: Uint8Array, at: number, length: number, next: number): void {
  if (next !== bytes.length) {
    throw new FormatError('fingerprint-not-last', 'an attribute follows FINGERPRINT');
  }
  if (length !== 4) throw new FormatError('bad-fingerprint', `FINGERPRINT of ${length} bytes`);
  const expected = (crc32(bytes.subarray(0, at)) ^ FINGERPRINT_XOR) >>> 0;
  const got =
    ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
  if (got !== expected) throw new FormatError('bad-fingerprint', 'FINGERPRINT does not match');
}

function badIntegrityLength(length: number): FormatError {
  return new FormatError('bad-integrity-length', `integrity attribute of ${length} bytes`);
}
