import { expect, it } from 'vitest';
import { addressScope, mayCheck } from './address-scope.ts';

it.each([
  ['0.0.0.0', 'unusable'],
  ['0.1.2.3', 'unusable'],
  ['224.0.0.1', 'unusable'],
  ['239.255.255.255', 'unusable'],
  ['240.0.0.1', 'unusable'],
  ['255.255.255.255', 'unusable'],
  ['::', 'unusable'],
  ['ff02::1', 'unusable'],
  ['::ffff:127.0.0.1', 'unusable'],
  ['::ffff:192.0.2.1', 'unusable'],
  ['::127.0.0.1', 'unusable'],
  ['host.example', 'unusable'],
  ['x.local', 'unusable'],
  ['fe80::1%eth0', 'unusable'],
  ['127.0.0.1', 'loopback'],
  ['127.255.0.1', 'loopback'],
  ['::1', 'loopback'],
  ['169.254.169.254', 'link-local'],
  ['fe80::1', 'link-local'],
  ['febf::1', 'link-local'],
  ['10.0.0.1', 'routable'],
  ['192.0.2.1', 'routable'],
  ['126.0.0.1', 'routable'],
  ['169.253.0.1', 'routable'],
  ['fec0::1', 'routable'],
  ['fd00::1', 'routable'],
  ['2001:db8::1', 'routable'],
  ['::1:0', 'unusable'],
])('%s is %s', (address, scope) => {
  expect(addressScope(address)).toBe(scope);
});

it('loopback and link-local addresses are checked from their like alone', () => {
  expect(mayCheck('127.0.0.1', '127.0.0.1')).toBe(true);
  expect(mayCheck('192.0.2.1', '127.0.0.1')).toBe(false);
  expect(mayCheck('192.0.2.1', '169.254.169.254')).toBe(false);
  expect(mayCheck('169.254.1.1', '169.254.1.2')).toBe(true);
  expect(mayCheck('fd00::1', '::1')).toBe(false);
  expect(mayCheck('192.0.2.1', '10.0.0.1')).toBe(true);
  expect(mayCheck('0.0.0.0', '0.0.0.0')).toBe(false);
});
