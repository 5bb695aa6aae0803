import {
  attributeType as A,
  decodeXorAddress,
  findAttribute,
  stunMethod as M,
  StunBuilder,
} from '@conclave/stun';
import { expect, it } from 'vitest';
import type { RelayId } from '../src/index.ts';
import {
  all,
  answerOf,
  clientTuple,
  type Fill,
  family,
  flag,
  peer,
  ScriptedClient,
  ServerBench,
  tcp,
} from './server-bench.ts';

const PEER = '9.9.9.9';
const data = flag(A.data, Uint8Array.of(1, 2));

function start(dontFragment = false) {
  const bench = new ServerBench({ dontFragment });
  const client = new ScriptedClient(bench);
  client.allocate();
  client.code(M.createPermission, peer(PEER));
  const relay = [...bench.ports.keys()][0]!;
  return { bench, client, relay };
}

it.each([
  ['all', all(peer(PEER), data), 1],
  ['no data', peer(PEER), 0],
  ['no peer', data, 0],
  ['a malformed peer', all(flag(A.xorPeerAddress, new Uint8Array(3)), data), 0],
  ['a peer without permission', all(peer('9.9.9.10'), data), 0],
  ['a peer of the other family', all(peer('2600::1'), data), 0],
  ['an unknown attribute', all(peer(PEER), data, flag(0x7fff)), 0],
  ['DONT-FRAGMENT that cannot be honoured', all(peer(PEER), data, flag(A.dontFragment)), 0],
] as [string, Fill, number][])('a Send indication with %s', (_name, fill, count) => {
  const { client } = start();
  const effects = client.indication(fill);
  expect(effects.map((e) => e.kind)).toEqual(count ? ['relay-data'] : []);
});

it('DONT-FRAGMENT is passed on where it can be honoured', () => {
  const { client } = start(true);
  expect(client.indication(all(peer(PEER), data, flag(A.dontFragment)))).toMatchObject([
    { dontFragment: true },
  ]);
  expect(client.indication(all(peer(PEER), data))).toMatchObject([{ dontFragment: false }]);
});

it('an indication makes no permission and does not prolong one', () => {
  const { bench, client } = start();
  bench.advance(299_000);
  expect(client.indication(all(peer(PEER), data))).toHaveLength(1);
  bench.advance(1000);
  expect(client.indication(all(peer(PEER), data))).toHaveLength(0);
});

it('a peer is relayed to the client it has the permission of, and to no other', () => {
  const { bench, relay } = start();
  bench.server.handleRelayed(bench.now, relay, { address: PEER, port: 5 }, Uint8Array.of(7));
  const indication = answerOf(bench.drain());
  expect([indication.class, indication.method]).toEqual(['indication', M.data]);
  expect(decodeXorAddress(findAttribute(indication, A.xorPeerAddress)!, indication.transactionId)).toEqual({
    address: PEER,
    port: 5,
  });
  for (const [id, address, bytes] of [
    [relay, '9.9.9.10', 1],
    [relay, '2600::1', 1],
    [99 as RelayId, PEER, 1],
    [relay, PEER, 65_530],
  ] as const) {
    bench.server.handleRelayed(bench.now, id, { address, port: 5 }, new Uint8Array(bytes));
    expect(bench.drain()).toEqual([]);
  }
  expect([...bench.server.stats().drops]).toEqual([
    ['no-permission', 2],
    ['no-relay', 1],
    ['too-long', 1],
  ]);
});

it('an ICMP error is told for a permitted peer alone', () => {
  const { bench, relay } = start();
  const icmp = { type: 3, code: 4, error: 1400 };
  bench.server.handleIcmp(bench.now, relay, { address: PEER, port: 5 }, icmp);
  expect([...findAttribute(answerOf(bench.drain()), A.icmp)!]).toEqual([0, 0, 3, 4, 0, 0, 5, 120]);
  bench.server.handleIcmp(bench.now, relay, { address: '9.9.9.10', port: 5 }, icmp);
  expect(bench.drain()).toEqual([]);
});

it('datagrams have no way through a TCP relay', () => {
  const bench = new ServerBench();
  const client = new ScriptedClient(bench, clientTuple(1, 'tcp'));
  client.code(M.allocate, all(tcp, family(1)));
  client.code(M.createPermission, peer(PEER));
  expect(client.indication(all(peer(PEER), data))).toEqual([]);
  bench.server.handleRelayed(
    bench.now,
    [...bench.ports.keys()][0]!,
    { address: PEER, port: 5 },
    Uint8Array.of(7),
  );
  expect(bench.drain()).toEqual([]);
});

it.each(['request', 'indication', 'success', 'error'] as const)('an unknown %s is not answered', (kind) => {
  const bench = new ServerBench();
  const message = new StunBuilder({ class: kind, method: 0x7ff, transactionId: new Uint8Array(12) });
  expect(bench.packet(clientTuple(), message.finish())).toEqual([]);
});

it('a source whose address has a zone is not answered', () => {
  const bench = new ServerBench();
  const message = new StunBuilder({ class: 'request', method: M.binding, transactionId: new Uint8Array(12) });
  expect(bench.packet(clientTuple(1, 'udp', 'fe80::1%eth0'), message.finish())).toEqual([]);
});
