import { FormatError } from '@conclave/bytes';

/** Any value that JSON can say. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/**
 * A JSON object as parsed. Reads go through `Object.hasOwn`, because a name from the peer may be one that every
 * object inherits (`constructor`), and an own `__proto__` is an ordinary member.
 */
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** How much JSON is taken from a peer. */
export interface JsonBounds {
  /** Longest text, in UTF-16 code units. A lower value refuses large conferences; a higher one costs memory. */
  readonly maxLength: number;
  /** Deepest nesting of arrays and objects; the outermost is 1. A higher value costs stack. */
  readonly maxDepth: number;
}

/**
 * Parses JSON text from a peer. Of a name that occurs twice the last one counts.
 *
 * Throws `FormatError`: `too-long`, `too-deep`, `bad-json`. The depth is checked before the text is parsed, because
 * parsers recurse and some exhaust the stack on a text of a few kilobytes.
 */
export function parseBoundedJson(text: string, bounds: JsonBounds): JsonValue {
  if (text.length > bounds.maxLength) {
    throw new FormatError('too-long', `message of ${text.length} characters, limit ${bounds.maxLength}`);
  }
  checkDepth(text, bounds.maxDepth);
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The parser's own message quotes the text, which may hold credentials: it must not reach a log.
    throw new FormatError('bad-json', 'not JSON');
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside strings. On text that is not JSON the count may be off, but never below the real depth. */
function checkDepth(text: string, maxDepth: number): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      for (i++; i < text.length; i++) {
        const inner = text.charCodeAt(i);
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) i++;
      }
    } else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth) throw new FormatError('too-deep', `nested deeper than ${maxDepth}`);
    } else if (c === 0x7d || c === 0x5d) {
      depth--;
    }
  }
}
