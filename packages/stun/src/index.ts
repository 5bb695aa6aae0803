/**
 * STUN messages (RFC 8489) as ICE and TURN need them: parsing that trusts nothing, building, short-term and
 * long-term message integrity, fingerprints, XOR addresses and error codes. Hashes come in as arguments; the
 * package keeps no state, no transactions and no timers.
 *
 * Attributes after MESSAGE-INTEGRITY do not exist for the reader (RFC 8489 §14.5), and of attributes that
 * come twice the first counts (§14).
 *
 * @packageDocumentation
 */
export * from './attribute-type.ts';
export * from './crc32.ts';
export * from './error-code.ts';
export * from './long-term-key.ts';
export * from './message-integrity.ts';
export * from './stun-attribute.ts';
export * from './stun-builder.ts';
export * from './stun-message.ts';
export * from './transport-address.ts';
