import { randomBytes } from 'node:crypto';
import { Secret } from '@conclave/bytes';
import type { ConnectionId, IncomingId, RelayId, RelayTotals, SocketId } from '@conclave/forwarder';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  longTermKey,
  parseStun,
  StunBuilder,
  stunMethod,
} from '@conclave/stun';
import { PeerPolicy, TurnServer, TurnUsers } from '@conclave/turn';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RelayControl } from './relay-control.ts';
import { turnHashes } from './turn-hashes.ts';

const client = {
  transport: 'tcp',
  local: { address: '192.0.2.1', port: 3478 },
  remote: { address: '8.8.8.8', port: 5000 },
  socket: 7 as SocketId,
} as const;

const key = longTermKey('alice', 'r', 'wonder', turnHashes.md5);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** A control over a plane that notes its calls. */
function start(tcpRelays = false) {
  const calls: [string, ...unknown[]][] = [];
  const totals: RelayTotals[] = [];
  const plane = new Proxy({} as never, {
    get: (_target, name: string) =>
      name === 'readTotals'
        ? () => totals
        : (...args: unknown[]) => {
            calls.push([name, ...args]);
          },
  });
  const users = new TurnUsers('r', turnHashes);
  users.setStaticUsers([{ username: 'alice', password: new Secret('wonder') }]);
  const server = new TurnServer({
    realm: 'r',
    users,
    hashes: turnHashes,
    random: (size) => randomBytes(size),
    unixTimeMs: () => 0,
    peerPolicy: new PeerPolicy(),
    tcpRelays,
  });
  const failures: string[] = [];
  const faults: unknown[] = [];
  const control = new RelayControl({
    server,
    plane,
    now: () => performance.now(),
    advertise: (address) => (address === '10.0.0.1' ? '198.51.100.1' : address),
    onRelayFailed: (reason) => failures.push(reason),
    onFault: (error) => faults.push(error),
  });
  /** The calls of one kind since the last time. */
  const take = (name: string): unknown[][] => {
    const taken = calls.filter(([kind]) => kind === name).map(([, ...args]) => args);
    calls.splice(0, calls.length, ...calls.filter(([kind]) => kind !== name));
    return taken;
  };
  let nonce = '';
  const ask = (method: number, fill: (b: StunBuilder) => StunBuilder) => {
    const request = fill(new StunBuilder({ class: 'request', method, transactionId: randomBytes(12) }))
      .text(attributeType.username, 'alice')
      .text(attributeType.realm, 'r')
      .text(attributeType.nonce, nonce)
      .integrity(key, turnHashes.hmacSha1);
    control.handleEvents([{ type: 'message', client, bytes: request.finish() }]);
  };
  const answer = () => parseStun(take('send').at(-1)![1] as Uint8Array);
  const allocate = (protocol = 17): RelayId => {
    const transport = Uint8Array.of(protocol, 0, 0, 0);
    ask(stunMethod.allocate, (b) => b.attribute(attributeType.requestedTransport, transport));
    nonce = new TextDecoder().decode(findAttribute(answer(), attributeType.nonce));
    ask(stunMethod.allocate, (b) => b.attribute(attributeType.requestedTransport, transport));
    return take('openRelay')[0]![0] as RelayId;
  };
  const opened = (relay: RelayId): void =>
    control.handleEvents([{ type: 'relay-opened', relay, address: { address: '10.0.0.1', port: 50000 } }]);
  return { control, server, take, ask, answer, allocate, opened, totals, failures, faults };
}

it('tells clients the public address of a relay that opened', () => {
  const { answer, allocate, opened } = start();
  opened(allocate());
  const message = answer();
  const relayed = findAttribute(message, attributeType.xorRelayedAddress)!;
  expect(decodeXorAddress(relayed, message.transactionId)).toEqual({ address: '198.51.100.1', port: 50000 });
});

it('counts the reason of a relay that did not open, and the client hears 508', () => {
  const { control, answer, allocate, failures } = start();
  control.handleEvents([{ type: 'relay-failed', relay: allocate(), reason: 'no-port' }]);
  expect(failures).toEqual(['no-port']);
  expect(findAttribute(answer(), attributeType.errorCode)?.slice(0, 4)).toEqual(Uint8Array.of(0, 0, 5, 8));
});

it('closes the relay of a client whose connection ended, but not for the end of an earlier connection', () => {
  const { control, take, allocate, opened } = start();
  const relay = allocate();
  opened(relay);
  control.handleEvents([{ type: 'client-closed', client: { ...client, socket: 6 as SocketId } }]);
  expect(take('closeRelay')).toEqual([]);
  control.handleEvents([{ type: 'client-closed', client: { ...client } }]);
  expect(take('closeRelay')).toEqual([[relay]]);
});

it('closes a relay when its lifetime has passed', () => {
  const { take, allocate, opened } = start();
  const relay = allocate();
  opened(relay);
  vi.advanceTimersByTime(599_000);
  expect(take('closeRelay')).toEqual([]);
  vi.advanceTimersByTime(2000);
  expect(take('closeRelay')).toEqual([[relay]]);
});

it('takes permitted peers that connect, and refuses others', () => {
  const { control, take, ask, allocate, opened } = start(true);
  const relay = allocate(6);
  opened(relay);
  const incoming = (id: number, address: string) =>
    control.handleEvents([
      { type: 'peer-incoming', relay, incoming: id as IncomingId, peer: { address, port: 9 } },
    ]);
  incoming(1, '1.1.1.1');
  expect(take('refusePeer')).toEqual([[1]]);
  ask(stunMethod.createPermission, (b) =>
    b.xorAddress(attributeType.xorPeerAddress, { address: '1.1.1.1', port: 0 }),
  );
  expect(take('addPermission')).toEqual([[relay, '1.1.1.1']]);
  incoming(2, '1.1.1.1');
  const [[id, connection]] = take('acceptPeer') as [[IncomingId, ConnectionId]];
  expect(id).toBe(2);
  control.handleEvents([{ type: 'peer-closed', connection }]);
  expect(take('closeConnection')).toEqual([]);
});

it('sums traffic over open and closed relays and never shows less than before', () => {
  const { control, totals } = start();
  const of = (relay: number, fromClientBytes: number) => ({
    relay: relay as RelayId,
    fromClientPackets: 1,
    fromClientBytes,
    toClientPackets: 0,
    toClientBytes: 0,
    fromPeerPackets: 0,
    fromPeerBytes: 0,
    toPeerPackets: 0,
    toPeerBytes: 0,
    cappedPackets: 0,
  });
  totals.push(of(1, 100), of(2, 10));
  expect(control.readTraffic()).toMatchObject({ fromClientPackets: 2, fromClientBytes: 110 });
  totals.shift();
  expect(control.readTraffic()).toMatchObject({ fromClientPackets: 2, fromClientBytes: 110 });
  control.handleEvents([{ type: 'relay-closed', totals: of(1, 120) }]);
  expect(control.readTraffic()).toMatchObject({ fromClientPackets: 2, fromClientBytes: 130 });
});

it('drains at once without allocations, and otherwise when the last has ended', async () => {
  await start().control.drain([], 1000);
  const { control, allocate, opened } = start();
  opened(allocate());
  let drained = false;
  const draining = control.drain([], 10_000).then(() => {
    drained = true;
  });
  await vi.advanceTimersByTimeAsync(5000);
  expect(drained).toBe(false);
  control.handleEvents([{ type: 'client-closed', client }]);
  await draining;
});

it('ends the allocations that outlive the deadline of draining', async () => {
  const { control, take, allocate, opened } = start();
  const relay = allocate();
  opened(relay);
  const draining = control.drain([], 10_000);
  await vi.advanceTimersByTimeAsync(10_000);
  await draining;
  expect(take('closeRelay')).toEqual([[relay]]);
});

it('reports what throws and goes on', () => {
  const { control, server, answer, allocate, opened, faults } = start();
  const relay = allocate();
  const defect = new Error('defect');
  vi.spyOn(server, 'handleIcmp').mockImplementation(() => {
    throw defect;
  });
  const peer = { address: '1.1.1.1', port: 1 };
  control.handleEvents([{ type: 'icmp', relay, peer, icmp: { type: 3, code: 3, error: 0 } }]);
  opened(relay);
  expect(faults).toEqual([defect]);
  expect(answer().class).toBe('success');
});
