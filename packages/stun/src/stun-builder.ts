import { ByteWriter, type Hmac, toUtf8 } from '@conclave/bytes';
import { attributeType } from './attribute-type.ts';
import { crc32 } from './crc32.ts';
import { encodeErrorCode } from './error-code.ts';
import { coveredBytes } from './message-integrity.ts';
import { FINGERPRINT_XOR, MAGIC_COOKIE, type StunClass, stunClasses } from './stun-message.ts';
import { encodeXorAddress, type TransportAddress } from './transport-address.ts';

/**
 * Writes one message, attribute by attribute in the order of the calls; integrity and then fingerprint come
 * last, and no call may follow that they would not cover (Error otherwise, a mistake of the caller).
 *
 * @example
 * const bytes = new StunBuilder({ class: 'request', method: stunMethod.binding, transactionId })
 *   .text(attributeType.username, 'remote:local')
 *   .integrity(password, hmacSha1)
 *   .fingerprint()
 *   .finish();
 */
export class StunBuilder {
  readonly #out = new ByteWriter(128);
  readonly #transactionId: Uint8Array;
  #sealed: 'open' | 'sha1' | 'sha256' | 'fingerprint' = 'open';

  /** Throws RangeError unless the method has 12 bits and the transaction id 12 bytes. */
  constructor(head: { class: StunClass; method: number; transactionId: Uint8Array }) {
    if (head.transactionId.length !== 12) throw new RangeError('a transaction id has 12 bytes');
    if (!(head.method >= 0 && head.method <= 0xfff)) throw new RangeError('a method has 12 bits');
    const bits = stunClasses.indexOf(head.class);
    const { method } = head;
    const type =
      ((method & 0xf80) << 2) |
      ((method & 0x70) << 1) |
      (method & 0xf) |
      ((bits & 2) << 7) |
      ((bits & 1) << 4);
    this.#transactionId = head.transactionId;
    this.#out.u16(type).u16(0).u32(MAGIC_COOKIE).bytes(head.transactionId);
  }

  /** An attribute with this value, padded with zeros; an empty value for a flag. */
  attribute(type: number, value: Uint8Array = new Uint8Array(0)): this {
    if (this.#sealed !== 'open') throw new Error('attributes cannot follow message integrity');
    return this.#append(type, value);
  }

  /** An attribute holding a 32-bit number. */
  uint32(type: number, value: number): this {
    return this.attribute(type, new ByteWriter(4).u32(value).finish());
  }

  /** An attribute holding a 64-bit number. */
  uint64(type: number, value: bigint): this {
    return this.attribute(type, new ByteWriter(8).u64(value).finish());
  }

  /** An attribute holding text. */
  text(type: number, value: string): this {
    return this.attribute(type, toUtf8(value));
  }

  /** An attribute holding an address hidden by this message's transaction id (RFC 8489 §14.2). */
  xorAddress(type: number, value: TransportAddress): this {
    return this.attribute(type, encodeXorAddress(value, this.#transactionId));
  }

  /** ERROR-CODE (RFC 8489 §14.8). Reasons are for people; the shorter, the less there is to reflect. */
  errorCode(code: number, reason = ''): this {
    return this.attribute(attributeType.errorCode, encodeErrorCode({ code, reason }));
  }

  /** UNKNOWN-ATTRIBUTES (RFC 8489 §14.9), as an error 420 needs it. */
  unknownAttributes(types: readonly number[]): this {
    const value = new ByteWriter(types.length * 2);
    for (const type of types) value.u16(type);
    return this.attribute(attributeType.unknownAttributes, value.finish());
  }

  /** MESSAGE-INTEGRITY over everything before it (RFC 8489 §14.5). */
  integrity(key: Uint8Array, hmacSha1: Hmac): this {
    if (this.#sealed !== 'open') throw new Error('message integrity is already there');
    const at = this.#out.length;
    const tag = hmacSha1(key, coveredBytes(this.#out.finish(), at, 24));
    this.#sealed = 'sha1';
    return this.#append(attributeType.messageIntegrity, tag);
  }

  /** MESSAGE-INTEGRITY-SHA256 over everything before it, {@link StunBuilder.integrity} included (RFC 8489 §14.6). */
  integritySha256(key: Uint8Array, hmacSha256: Hmac): this {
    if (this.#sealed === 'sha256' || this.#sealed === 'fingerprint') {
      throw new Error('SHA-256 integrity cannot follow itself or the fingerprint');
    }
    const at = this.#out.length;
    const tag = hmacSha256(key, coveredBytes(this.#out.finish(), at, 36));
    this.#sealed = 'sha256';
    return this.#append(attributeType.messageIntegritySha256, tag);
  }

  /** FINGERPRINT over everything before it (RFC 8489 §14.7). */
  fingerprint(): this {
    if (this.#sealed === 'fingerprint') throw new Error('a fingerprint is already there');
    this.#sealed = 'fingerprint';
    this.#out.patchU16(2, this.#out.length - 20 + 8);
    const crc = crc32(this.#out.finish());
    return this.#append(attributeType.fingerprint, new ByteWriter(4).u32(crc ^ FINGERPRINT_XOR).finish());
  }

  /** The message, a fresh array. Throws RangeError when it is longer than the length field can say. */
  finish(): Uint8Array {
    const length = this.#out.length - 20;
    if (length > 0xffff) throw new RangeError('the message is too long');
    this.#out.patchU16(2, length);
    return this.#out.finish();
  }

  #append(type: number, value: Uint8Array): this {
    if (value.length > 0xffff) throw new RangeError('the attribute is too long');
    this.#out.u16(type).u16(value.length).bytes(value).padTo(4);
    return this;
  }
}
