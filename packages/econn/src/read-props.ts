import { FormatError } from '@conclave/bytes';
import type { JsonObject } from './bounded-json.ts';
import { fieldError, isJsonObject, memberOf } from './json-fields.ts';
import { MAX_PROPS, MAX_PROPS_LENGTH, MAX_UNKNOWN_PROPS_LENGTH, type Props } from './props.ts';

const KNOWN_PROPS: ReadonlySet<string> = new Set(['videosend', 'screensend', 'audiocbr', 'muted', 'keysync']);

/**
 * The message's `props`, or undefined when absent. Values that are not strings, and a name `__proto__`, are left out.
 * Throws `FormatError`: `bad-props`, `too-many-props`, `props-too-long`.
 */
export function optionalProps(message: JsonObject): Props | undefined {
  const value = memberOf(message, 'props');
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) throw fieldError('bad', 'props', 'not an object');
  const names = Object.keys(value);
  if (names.length > MAX_PROPS) throw new FormatError('too-many-props', `${names.length} props`);
  const props: Record<string, string> = Object.create(null);
  let length = 0;
  let unknownLength = 0;
  for (const name of names) {
    const text = value[name];
    if (typeof text !== 'string' || name === '__proto__') continue;
    length += name.length + text.length;
    if (!KNOWN_PROPS.has(name)) unknownLength += name.length + text.length;
    props[name] = text;
  }
  if (length > MAX_PROPS_LENGTH || unknownLength > MAX_UNKNOWN_PROPS_LENGTH) {
    throw new FormatError(
      'props-too-long',
      `${length} characters of props, ${unknownLength} of them unknown`,
    );
  }
  return props;
}

/** As {@link optionalProps}, but `missing-props` when absent. */
export function requiredProps(message: JsonObject): Props {
  const props = optionalProps(message);
  if (props === undefined) throw fieldError('missing', 'props', 'required');
  return props;
}
