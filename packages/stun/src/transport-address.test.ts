import { FormatError, formatIp } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decodeAddress, decodeXorAddress, encodeAddress, encodeXorAddress } from './transport-address.ts';

const ipArbitrary = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => formatIp(bytes));

it('every address and port survives both codings', () => {
  fc.assert(
    fc.property(
      ipArbitrary,
      fc.nat(65535),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      (address, port, transactionId) => {
        const value = { address, port };
        expect(decodeXorAddress(encodeXorAddress(value, transactionId), transactionId)).toEqual(value);
        expect(decodeAddress(encodeAddress(value))).toEqual(value);
      },
    ),
  );
});

it('a value of another size or family is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), (value) => {
      const valid = (value[1] === 1 && value.length === 8) || (value[1] === 2 && value.length === 20);
      if (valid) decodeAddress(value);
      else expect(() => decodeAddress(value)).toThrow(FormatError);
    }),
  );
  expect(() => decodeXorAddress(new Uint8Array([0, 3, 0, 0, 0, 0, 0, 0]), new Uint8Array(12))).toThrow(
    FormatError,
  );
});

it('a host name cannot be encoded', () => {
  expect(() => encodeAddress({ address: 'example.org', port: 1 })).toThrow(TypeError);
});
