import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBase64, fromHex, fromUtf8, toBase64, toHex, toUtf8 } from './byte-text.ts';
import { FormatError } from './format-error.ts';

test('text codecs agree with the platform on any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      expect(toHex(bytes)).toBe(buffer.toString('hex'));
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
      expect(toBase64(bytes)).toBe(buffer.toString('base64'));
      expect(fromBase64(toBase64(bytes))).toEqual(bytes);
    }),
  );
});

test('UTF-8 agrees with the platform on any text and on any bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
      expect(toUtf8(text)).toEqual(new TextEncoder().encode(text));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      let expected: string | undefined;
      try {
        expected = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        expect(() => fromUtf8(bytes)).toThrow(FormatError);
        return;
      }
      expect(fromUtf8(bytes)).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});

test('long text survives, whatever its characters', () => {
  const text = 'añ€😀'.repeat(5000);
  expect(fromUtf8(toUtf8(text))).toBe(text);
});

describe('what is no such text is refused', () => {
  test.each(['a', 'zz', '0x'])('hexadecimal %j', (text) => {
    expect(() => fromHex(text)).toThrow(FormatError);
  });

  test.each(['abc', 'ab=c', '====', 'ab_-', 'a==='])('base64 %j', (text) => {
    expect(() => fromBase64(text)).toThrow(FormatError);
  });

  // RFC 3629 §3 and §10: overlong forms, surrogates, beyond U+10FFFF, cut short, and stray continuations.
  test.each(['c080', 'e08080', 'f0808080', 'eda080', 'f4908080', 'e282', '80', 'ff'])('UTF-8 %s', (hex) => {
    expect(() => fromUtf8(fromHex(hex))).toThrow(FormatError);
  });
});
