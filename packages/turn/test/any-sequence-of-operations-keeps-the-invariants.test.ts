import { attributeType as A, findAttribute, stunMethod as M, parseStun as parse } from '@conclave/stun';
import { expect, it } from 'vitest';
import {
  encodeChannelData,
  type FiveTuple,
  fiveTupleKey,
  PeerPolicy,
  TurnStreamFramer,
} from '../src/index.ts';
import { ClientLink } from './client-link.ts';
import { seededNumbers } from './node-hashes.ts';
import {
  all,
  channel,
  clientTuple,
  family,
  flag,
  held,
  lifetime,
  nothing,
  peer,
  ScriptedClient,
  ServerBench,
  tcp,
  udp,
} from './server-bench.ts';

const peers = ['9.9.9.1', '9.9.9.2', '2600::5', '127.0.0.1', '::ffff:10.0.0.1', '9.1.1.1', '64:ff9b::1'];

it.each(Array.from({ length: 12 }, (_, i) => i + 1))('random requests, seed %s', (seed) => {
  const next = seededNumbers(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!;
  const bench = new ServerBench({
    quota: { perUser: 9, perSource: 12, total: 15 },
    limits: { maxPermissions: 3, maxChannels: 2, maxConnections: 2, answersPerSecond: 1e6, answerBurst: 1e6 },
  });
  const policy = new PeerPolicy({ own: ['9.1.1.1'] });
  const clients: ScriptedClient[] = [];
  for (let i = 0; i < 10; i++) {
    const name = pick(['alice', 'bob', 'mallory']);
    const tuple: FiveTuple = clientTuple(
      100 + i,
      pick(['udp', 'tcp'] as const),
      pick(['8.0.0.1', '8.0.0.2', '2600::9']),
    );
    clients.push(new ScriptedClient(bench, tuple, name, name === 'alice' ? 'wonder' : 'builder'));
  }
  const honest = new Set(clients.filter((c) => c.username !== 'mallory').map((c) => fiveTupleKey(c.tuple)));
  const tokens: Uint8Array[] = [];
  const connections: number[] = [];
  for (let step = 0; step < 600; step++) {
    const client = pick(clients);
    bench.failFamily = next() < 0.1 ? pick([4, 6]) : undefined;
    bench.answersOpen = next() < 0.9;
    if (next() < 0.1) client.nonce = '';
    const before = bench.effects.length;
    const where = peer(pick(peers), pick([1, 2]));
    const operations = [
      () => client.request(M.allocate, udp),
      () => client.request(M.allocate, all(udp, family(2, A.additionalAddressFamily))),
      () => client.request(M.allocate, all(udp, flag(A.evenPort, Uint8Array.of(0x80)))),
      () => client.request(M.allocate, all(udp, flag(A.reservationToken, pick(tokens) ?? new Uint8Array(8)))),
      () => client.request(M.allocate, tcp),
      () => client.request(M.refresh, lifetime(pick([0, 600, 1200]))),
      () => client.request(M.refresh, all(lifetime(0), family(pick([1, 2])))),
      () => client.request(M.createPermission, all(where, peer(pick(peers)))),
      () => client.request(M.channelBind, all(where, channel(pick([0x3fff, 0x4000, 0x4001, 0x4002])))),
      () => client.indication(all(where, flag(A.data, Uint8Array.of(1)))),
      () => bench.packet(client.tuple, encodeChannelData(pick([0x4000, 0x4001]), Uint8Array.of(1), false)),
      () => client.request(M.connect, where),
      () => client.request(M.connectionBind, (r) => r.uint32(A.connectionId, pick(connections) ?? 1)),
      () => bench.server.handlePeerConnected(bench.now, (pick(connections) ?? 1) as never),
      () => bench.server.handlePeerClosed(bench.now, (pick(connections) ?? 1) as never),
      () => {
        const id = bench.server.handlePeerIncoming(bench.now, pick([...bench.ports.keys()]), {
          address: pick(peers),
          port: 3,
        });
        if (id !== undefined) connections.push(id);
      },
      () =>
        bench.server.handleRelayed(
          bench.now,
          pick([...bench.ports.keys()]),
          { address: pick(peers), port: 1 },
          Uint8Array.of(1),
        ),
      () => bench.server.handleTransportClosed(bench.now, client.tuple),
      () => bench.advance(pick([10, 6000, 31_000, 301_000])),
    ];
    pick(operations)();
    bench.drain();
    for (const e of bench.effects.slice(before)) {
      if (e.kind === 'open-relay') expect(honest.has(fiveTupleKey(e.client))).toBe(true);
      if (e.kind === 'add-permission') expect(policy.permits(e.peer)).toBe(true);
      if (e.kind === 'bind-channel' || e.kind === 'relay-data' || e.kind === 'connect-peer') {
        expect(policy.permits(e.peer.address)).toBe(true);
      }
      if (e.kind === 'relay-data') expect(bench.port(e.relay).permissions.has(e.peer.address)).toBe(true);
      if (e.kind === 'connect-peer') connections.push(e.connection);
    }
    for (const e of bench.effects.slice(before)) {
      if (e.kind !== 'send' || (e.bytes[0]! & 0xc0) !== 0) continue;
      const token = findToken(e.bytes);
      if (token) tokens.push(token);
    }
    const stats = bench.server.stats();
    expect(stats.quotaPorts).toBeLessThanOrEqual(15);
    if (bench.answersOpen) expect(bench.ports.size).toBeLessThanOrEqual(stats.quotaPorts);
    const open = [...bench.ports.values()].filter((p) => p !== 'kept');
    expect(open.reduce((n, p) => n + p.permissions.size, 0)).toBe(stats.permissions);
    expect(open.reduce((n, p) => n + p.channels.size, 0)).toBe(stats.channels);
  }
  expect(bench.server.stats().totalAllocations).toBeGreaterThan(0);
  bench.advance(3_700_000);
  expect(held(bench.server)).toEqual(nothing);
  expect(bench.ports.size).toBe(0);
});

function findToken(bytes: Uint8Array): Uint8Array | undefined {
  const value = findAttribute(parse(bytes), A.reservationToken);
  return value?.slice();
}

it.each([1, 2, 3])('cut and damaged messages throw nothing and make nothing, seed %s', (seed) => {
  const next = seededNumbers(seed);
  const bench = new ServerBench();
  const client = new ScriptedClient(bench);
  client.allocate();
  const link = new ClientLink(new ServerBench(), {}, seed);
  link.client.allocate(link.bench.now);
  link.run(1000);
  link.client.bindChannel(link.bench.now, { address: '9.9.9.1', port: 1 });
  link.run(1000);
  const seeds = [
    client.build(M.allocate, all(udp, flag(A.evenPort, Uint8Array.of(0x80)), lifetime(600))),
    client.build(M.refresh, family(1)),
    client.build(M.createPermission, peer('9.9.9.1')),
    client.build(M.channelBind, all(peer('9.9.9.1'), channel(0x4000))),
    client.build(M.connect, peer('9.9.9.1')),
    client.build(M.connectionBind, (r) => r.uint32(A.connectionId, 1)),
    encodeChannelData(0x4000, new Uint8Array(20), true),
    ...link.bench.effects.flatMap((e) => (e.kind === 'send' ? [e.bytes] : [])),
  ];
  const [relay] = bench.ports.keys();
  for (let i = 0; i < 6000; i++) {
    const bytes = seeds[Math.floor(next() * seeds.length)]!.slice(0);
    for (let n = Math.floor(next() * 4); n > 0; n--) bytes[Math.floor(next() * bytes.length)] = next() * 256;
    const cut = next() < 0.3 ? bytes.subarray(0, Math.floor(next() * bytes.length)) : bytes;
    if (next() < 0.3 && cut.length > 3) {
      cut[2] = (cut.length - 20) >> 8;
      cut[3] = cut.length - 20;
    }
    bench.server.handlePacket(bench.now, client.tuple, cut);
    bench.server.handleRelayed(bench.now, relay!, { address: '9.9.9.1', port: 1 }, cut);
    bench.drain();
    link.client.handlePacket(link.bench.now, cut);
    while (link.client.pollTransmit());
    while (link.client.pollEvent());
    const framer = new TurnStreamFramer();
    framer.push(cut);
    try {
      while (framer.next());
    } catch (error) {
      expect(error).toMatchObject({ code: 'bad-frame' });
    }
  }
  expect(bench.server.stats()).toMatchObject({ allocations: 1, relays: 1, connections: 0, reservations: 0 });
});
