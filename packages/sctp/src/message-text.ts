import { fromUtf8, toUtf8 } from '@conclave/bytes';

/** Characters made into text at a time: as many as are certainly allowed as arguments of one call. */
const PIECE = 4096;

/** UTF-8 of the text; lone surrogates become U+FFFD. Fast for ASCII, as signalling is. */
export function encodeText(text: string): Uint8Array {
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return toUtf8(text);
    out[i] = code;
  }
  return out;
}

/** Text of UTF-8 bytes. Throws `FormatError` `bad-utf8` when they are not well-formed. Fast for ASCII. */
export function decodeText(bytes: Uint8Array): string {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 0x7f) return fromUtf8(bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE) {
    // Spreading would walk the iterator of the array: five times slower for long messages.
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE) as unknown as number[]);
  }
  return text;
}
