import type { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { selectMediaAddresses } from './network-interfaces.ts';

type Available = ReturnType<typeof networkInterfaces>;

function info(address: string, internal = false) {
  const family = address.includes(':') ? ('IPv6' as const) : ('IPv4' as const);
  return { address, netmask: '', mac: '', internal, cidr: null, family, scopeid: 0 } as never;
}

const available: Available = {
  lo: [info('127.0.0.1', true), info('::1', true)],
  eth0: [info('10.0.0.5'), info('2001:DB8::5'), info('fe80::1'), info('169.254.7.7')],
  eth1: [info('10.0.1.5')],
};

test('without names, every address but loopback and link-local is taken', () => {
  expect(selectMediaAddresses(available, [], []).map((a) => a.address)).toEqual([
    '10.0.0.5',
    '2001:db8::5',
    '10.0.1.5',
  ]);
});

test('a named interface is taken though it is loopback, and no other', () => {
  expect(selectMediaAddresses(available, ['lo'], [])).toEqual([
    { address: '127.0.0.1', advertised: '127.0.0.1', family: 4 },
    { address: '::1', advertised: '::1', family: 6 },
  ]);
});

test('a public address stands for the addresses of its own family alone', () => {
  expect(selectMediaAddresses(available, ['eth0'], ['203.0.113.7'])).toEqual([
    { address: '10.0.0.5', advertised: '203.0.113.7', family: 4 },
    { address: '2001:db8::5', advertised: '2001:db8::5', family: 6 },
  ]);
});

test('clients are told each address once', () => {
  const selected = selectMediaAddresses(available, [], ['203.0.113.7', '2001:db8:ffff::1']);
  expect(selected.map((a) => a.advertised)).toEqual(['203.0.113.7', '2001:db8:ffff::1']);
});
