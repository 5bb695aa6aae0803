import { FormatError } from '@conclave/bytes';
import type { JsonObject, JsonValue } from './bounded-json.ts';

const MAX_UINT32 = 0xffffffff;

/** The object's own member, or undefined when it is absent or null. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

/** Whether the value is an object, and not an array. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An error about a field, with a code such as `missing-sdp` or `bad-src-userid`. */
export function fieldError(problem: 'missing' | 'bad', name: string, detail: string): FormatError {
  return new FormatError(`${problem}-${name.replaceAll('_', '-')}`, `${name}: ${detail}`);
}

/** A text of at most `maxLength` characters, or undefined when absent. */
export function optionalText(object: JsonObject, name: string, maxLength: number): string | undefined {
  const value = memberOf(object, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw fieldError('bad', name, 'not a string');
  if (value.length > maxLength) throw fieldError('bad', name, `longer than ${maxLength} characters`);
  return value;
}

/** A text of at most `maxLength` characters. */
export function requiredText(object: JsonObject, name: string, maxLength: number): string {
  const value = optionalText(object, name, maxLength);
  if (value === undefined) throw fieldError('missing', name, 'required');
  return value;
}

/** An id or other single-line text: as {@link optionalText}, and no control characters, which could forge log lines. */
export function optionalLine(object: JsonObject, name: string, maxLength: number): string | undefined {
  const value = optionalText(object, name, maxLength);
  if (value !== undefined && hasControlCharacter(value)) {
    throw fieldError('bad', name, 'holds a control character');
  }
  return value;
}

/** As {@link optionalLine}, but an error when absent. */
export function requiredLine(object: JsonObject, name: string, maxLength: number): string {
  const value = optionalLine(object, name, maxLength);
  if (value === undefined) throw fieldError('missing', name, 'required');
  return value;
}

/** A boolean, or undefined when absent. */
export function optionalBoolean(object: JsonObject, name: string): boolean | undefined {
  const value = memberOf(object, name);
  if (value === undefined || typeof value === 'boolean') return value;
  throw fieldError('bad', name, 'not a boolean');
}

/** A boolean. */
export function requiredBoolean(object: JsonObject, name: string): boolean {
  const value = optionalBoolean(object, name);
  if (value === undefined) throw fieldError('missing', name, 'required');
  return value;
}

/** An integer within the safe range, or undefined when absent. */
export function optionalInteger(object: JsonObject, name: string): number | undefined {
  const value = memberOf(object, name);
  if (value === undefined) return undefined;
  if (!Number.isSafeInteger(value)) throw fieldError('bad', name, 'not an integer');
  return value as number;
}

/**
 * An unsigned number that the format writes as a decimal string; 0 when absent. Peers of other make write it as a
 * number, which is as clear.
 */
export function optionalDecimal(object: JsonObject, name: string): number {
  const value = memberOf(object, name);
  if (value === undefined) return 0;
  const number = typeof value === 'string' && /^[0-9]{1,20}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0) {
    throw fieldError('bad', name, 'not an unsigned decimal number');
  }
  return number;
}

/** A 32-bit unsigned number written as a decimal string. A JSON number is refused, as all clients do. */
export function requiredDecimalUint32(object: JsonObject, name: string): number {
  const text = requiredText(object, name, 10);
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= MAX_UINT32)) throw fieldError('bad', name, 'not a 32-bit decimal number in a string');
  return number;
}

/** An array of at most `maxItems`, or undefined when absent. */
export function optionalList(
  object: JsonObject,
  name: string,
  maxItems: number,
): readonly JsonValue[] | undefined {
  const value = memberOf(object, name);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw fieldError('bad', name, 'not an array');
  if (value.length > maxItems) {
    throw new FormatError(
      `too-many-${name.replaceAll('_', '-')}`,
      `${value.length} ${name}, limit ${maxItems}`,
    );
  }
  return value;
}

/** An array of objects of at most `maxItems`, or undefined when absent. */
export function optionalObjects(
  object: JsonObject,
  name: string,
  maxItems: number,
): readonly JsonObject[] | undefined {
  return optionalList(object, name, maxItems)?.map((item) => {
    if (!isJsonObject(item)) throw fieldError('bad', name, 'an element is not an object');
    return item;
  });
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    // C0, DEL, C1 and the two line separators of Unicode.
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c === 0x2028 || c === 0x2029) return true;
  }
  return false;
}
