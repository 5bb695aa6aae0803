import { expect, it } from 'vitest';
import { peerPolicies } from './peer-policies.ts';
import { expandListeners, localAddresses, relayBindings } from './turn-addresses.ts';
import type { TurnListener } from './turn-config.ts';

const at = (address: string, port = 3478, transport: TurnListener['transport'] = 'udp'): TurnListener => ({
  transport,
  address,
  port,
});

it('stands for all addresses of the machine with an unspecified one, each once', () => {
  const local = ['127.0.0.1', '192.0.2.1', '::1', '2001:db8::1'];
  expect(expandListeners([at('0.0.0.0'), at('192.0.2.1'), at('192.0.2.1', 80)], local)).toEqual([
    at('127.0.0.1'),
    at('192.0.2.1'),
    at('192.0.2.1', 80),
  ]);
  expect(expandListeners([at('::')], local)).toEqual([at('::1'), at('2001:db8::1')]);
  expect(expandListeners([at('::')], ['127.0.0.1'])).toEqual([]);
});

it('leaves out link-local addresses, which no answer could carry', () => {
  const info = (address: string) => ({ address }) as never;
  expect(localAddresses({ eth0: [info('192.0.2.1'), info('fe80::1'), info('2001:DB8::1')] })).toEqual([
    '192.0.2.1',
    '2001:db8::1',
  ]);
});

it('relays from the listening addresses unless told otherwise, those of loopback last', () => {
  const nothing = { relayAddresses: [], publicAddresses: [] };
  const listeners = [at('127.0.0.1'), at('192.0.2.1'), at('::1')];
  expect(relayBindings(nothing, listeners)).toEqual([
    { family: 4, address: '192.0.2.1', advertised: '192.0.2.1' },
    { family: 6, address: '::1', advertised: '::1' },
  ]);
  const told = { relayAddresses: ['10.0.0.1'], publicAddresses: ['198.51.100.1'] };
  expect(relayBindings(told, listeners)).toEqual([
    { family: 4, address: '10.0.0.1', advertised: '198.51.100.1' },
  ]);
  expect(() => relayBindings({ ...told, publicAddresses: ['2001:db8::1'] }, listeners)).toThrow(
    /has no --relay-address of its kind/,
  );
});

it('denies peers that are this machine or special, and makes exceptions for all or for one listener', () => {
  const listeners = [at('192.0.2.1'), at('192.0.2.1', 3479), at('192.0.2.2', 3479)];
  const rule = (range: string, listener?: TurnListener) => ({ range, listener });
  const { peerPolicy, listenerPolicies } = peerPolicies(
    {
      allowPeers: [rule('10.0.0.0/8'), rule('172.16.0.0/12', at('0.0.0.0', 3479))],
      allowedPeersOnly: false,
      denyPeers: [rule('10.0.0.1'), rule('8.8.8.8', at('192.0.2.2', 3479))],
    },
    listeners,
    ['9.9.9.9'],
  );
  const permitted = (policy: typeof peerPolicy) =>
    ['10.0.0.2', '10.0.0.1', '172.16.0.1', '8.8.8.8', '9.9.9.9', '127.0.0.1', '1.1.1.1'].map((peer) =>
      Number(policy.permits(peer)),
    );
  expect(permitted(peerPolicy)).toEqual([1, 0, 0, 1, 0, 0, 1]);
  expect(listenerPolicies.map(({ local, policy }) => [local, permitted(policy)])).toEqual([
    [{ address: '192.0.2.1', port: 3479 }, [1, 0, 1, 1, 0, 0, 1]],
    [{ address: '192.0.2.2', port: 3479 }, [1, 0, 1, 0, 0, 0, 1]],
  ]);
  expect(() =>
    peerPolicies(
      { allowPeers: [rule('1.1.1.1', at('192.0.2.1', 1))], allowedPeersOnly: false, denyPeers: [] },
      listeners,
      [],
    ),
  ).toThrow(/names 192.0.2.1:1, which is no listener/);
});
