import { FormatError, fromUtf8 } from '@conclave/bytes';
import type { StunMessage } from './stun-message.ts';

/** One attribute: its number and its value without padding, a view of the message's bytes. */
export interface StunAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Value of the first attribute of this type, or `undefined`. */
export function findAttribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((a) => a.type === type)?.value;
}

/** Values of all attributes of this type in their order: for the few that may repeat, as XOR-PEER-ADDRESS. */
export function findAttributes(message: StunMessage, type: number): Uint8Array[] {
  return message.attributes.filter((a) => a.type === type).map((a) => a.value);
}

/** Whether an attribute of this type is there, whatever its value: for flags as USE-CANDIDATE. */
export function hasAttribute(message: StunMessage, type: number): boolean {
  return message.attributes.some((a) => a.type === type);
}

/** Number in the first attribute of this type, or `undefined`. Throws {@link FormatError} unless it has 4 bytes. */
export function uint32Attribute(message: StunMessage, type: number): number | undefined {
  const value = findAttribute(message, type);
  if (value === undefined) return undefined;
  if (value.length !== 4) throw badLength(type, value.length);
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
}

/** Number in the first attribute of this type, or `undefined`. Throws {@link FormatError} unless it has 8 bytes. */
export function uint64Attribute(message: StunMessage, type: number): bigint | undefined {
  const value = findAttribute(message, type);
  if (value === undefined) return undefined;
  if (value.length !== 8) throw badLength(type, value.length);
  return new DataView(value.buffer, value.byteOffset, 8).getBigUint64(0);
}

/**
 * Text of the first attribute of this type, or `undefined`. Throws {@link FormatError} when it is longer than
 * `maxBytes` (default 763, the most any text attribute of RFC 8489 §14 may take) or not UTF-8.
 */
export function textAttribute(message: StunMessage, type: number, maxBytes = 763): string | undefined {
  const value = findAttribute(message, type);
  if (value === undefined) return undefined;
  if (value.length > maxBytes) throw badLength(type, value.length);
  return fromUtf8(value);
}

/**
 * Types of the comprehension-required attributes (below 0x8000) that are not in `known`, each once: if there
 * are any, a request is answered with error 420 that lists them (RFC 8489 §6.3.1), and a response or
 * indication is dropped.
 */
export function unknownAttributesOf(message: StunMessage, known: ReadonlySet<number>): number[] {
  const unknown = new Set<number>();
  for (const { type } of message.attributes) if (type < 0x8000 && !known.has(type)) unknown.add(type);
  return [...unknown];
}

/** Numbers listed in an UNKNOWN-ATTRIBUTES value (RFC 8489 §14.9). Throws {@link FormatError} on an odd length. */
export function parseUnknownAttributes(value: Uint8Array): number[] {
  if (value.length % 2 !== 0) throw new FormatError('bad-attribute-length', 'UNKNOWN-ATTRIBUTES is odd');
  const types: number[] = [];
  for (let i = 0; i < value.length; i += 2) types.push((value[i]! << 8) | value[i + 1]!);
  return types;
}

function badLength(type: number, length: number): FormatError {
  return new FormatError('bad-attribute-length', `attribute 0x${type.toString(16)} of ${length} bytes`);
}
