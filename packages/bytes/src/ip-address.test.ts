import { isIP } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalIp, formatIp, ipFamily, parseIp } from './ip-address.ts';

// RFC 5952 §4.
test.each([
  ['2001:0db8::0001', '2001:db8::1'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:DB8::AAAA', '2001:db8::aaaa'],
  ['::', '::'],
  ['0:0:0:0:0:0:0:1', '::1'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ['192.0.2.1', '192.0.2.1'],
])('%s is %s', (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '256.1.1.1',
  '01.2.3.4',
  '1.2.3.-4',
  ' 1.2.3.4',
  ':',
  ':::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '12345::',
  'fe80::1%eth0',
  '::1.2.3',
  '1:2:3:4:5:6:7::8',
  'abcd.local',
  '::ffff:1.2.3.4:5',
])('%j is no address', (text) => {
  expect(parseIp(text)).toBeUndefined();
});

test('any address comes back from its text, and the platform takes that text', () => {
  const addresses = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((b) => Uint8Array.from(b)),
  );
  fc.assert(
    fc.property(addresses, (bytes) => {
      const text = formatIp(bytes);
      expect(isIP(text)).toBe(bytes.length === 4 ? 4 : 6);
      expect(ipFamily(text)).toBe(isIP(text));
      expect(parseIp(text)).toEqual(bytes);
    }),
    { numRuns: 1000 },
  );
});
