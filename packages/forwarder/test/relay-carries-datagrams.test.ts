import { attributeType, decodeXorAddress, findAttribute, parseStun, stunMethod } from '@conclave/stun';
import { afterEach, describe, expect, it } from 'vitest';
import type { RelayClient, RelayEndpoint } from '../src/index.ts';
import {
  bytesOf,
  channelData,
  LOOPBACK,
  RelayBed,
  relayId,
  sendIndication,
  stunRequest,
  UdpEnd,
} from './relay-fixture.ts';

const closing: { close(): void }[] = [];
const owned = <T extends { close(): void }>(thing: T): T => {
  closing.push(thing);
  return thing;
};
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

interface Call {
  readonly bed: RelayBed;
  readonly client: UdpEnd;
  readonly peer: UdpEnd;
  readonly from: RelayClient;
  readonly server: RelayEndpoint;
  readonly relayed: RelayEndpoint;
}

/** A client with relay 1, and a peer that it may talk to. */
async function startCall(
  options: ConstructorParameters<typeof RelayBed>[0] = {},
  maxBytesPerSecond = 0,
): Promise<Call> {
  const bed = owned(new RelayBed(options));
  const client = owned(await UdpEnd.open());
  const peer = owned(await UdpEnd.open());
  const server = { address: LOOPBACK, port: bed.port() };
  client.send(stunRequest(), server);
  const from = await bed.client(client.at.port);
  const relayed = await bed.open(1, from, { maxBytesPerSecond });
  bed.plane.addPermission(relayId(1), LOOPBACK);
  return { bed, client, peer, from, server, relayed };
}

describe('a relay for datagrams', () => {
  it('hands messages up with the 5-tuple of their client, and answers down', async () => {
    const { bed, client, from, server } = await startCall();
    const { socket, ...tuple } = from;
    expect(tuple).toEqual({ transport: 'udp', local: server, remote: client.at });
    expect(socket).toBeDefined();
    bed.plane.send(from, bytesOf(20));
    expect(await client.next()).toEqual({ bytes: bytesOf(20), from: server });
  });

  it('carries ChannelData both ways', async () => {
    const { bed, client, peer, server, relayed } = await startCall();
    bed.plane.bindChannel(relayId(1), 0x4001, peer.at);
    client.send(channelData(0x4001, bytesOf(300)), server);
    expect(await peer.next()).toEqual({ bytes: bytesOf(300), from: relayed });
    peer.send(bytesOf(5), relayed);
    expect(await client.next()).toEqual({ bytes: channelData(0x4001, bytesOf(5)), from: server });
    client.send(channelData(0x4001, new Uint8Array(0)), server);
    expect((await peer.next()).bytes).toHaveLength(0);
    expect(bed.plane.readTotals()).toEqual([
      {
        ...{ relay: 1, fromClientPackets: 2, fromClientBytes: 308, toClientPackets: 1, toClientBytes: 9 },
        ...{ fromPeerPackets: 1, fromPeerBytes: 5, toPeerPackets: 2, toPeerBytes: 300, cappedPackets: 0 },
      },
    ]);
  });

  it('carries indications both ways while there is no channel', async () => {
    const { client, peer, server, relayed } = await startCall();
    client.send(sendIndication(peer.at, bytesOf(33)), server);
    expect(await peer.next()).toEqual({ bytes: bytesOf(33), from: relayed });
    peer.send(bytesOf(7), relayed);
    const message = parseStun((await client.next()).bytes);
    expect([message.class, message.method]).toEqual(['indication', stunMethod.data]);
    const address = findAttribute(message, attributeType.xorPeerAddress)!;
    expect(decodeXorAddress(address, message.transactionId)).toEqual(peer.at);
    expect(findAttribute(message, attributeType.data)).toEqual(bytesOf(7));
  });

  it('sends to no other ports than those that peers may have', async () => {
    const { bed, client, peer, server } = await startCall({ peerPorts: { first: 1, last: 2 } });
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    client.send(channelData(0x4000, bytesOf(9)), server);
    client.send(sendIndication(peer.at, bytesOf(9)), server);
    await bed.counter('dropped_peer_port', (n) => n === 2);
    const right = await startCall({ peerPorts: { first: 1024, last: 65_535 } });
    right.client.send(sendIndication(right.peer.at, bytesOf(9)), right.server);
    expect((await right.peer.next()).bytes).toEqual(bytesOf(9));
    expect(() => new RelayBed({ peerPorts: { first: 2, last: 1 } })).toThrow(TypeError);
  });

  it('lets nothing pass without a permission, or after it ended', async () => {
    const { bed, client, peer, server, relayed } = await startCall();
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    bed.plane.removePermission(relayId(1), LOOPBACK);
    client.send(channelData(0x4000, bytesOf(9)), server);
    client.send(sendIndication(peer.at, bytesOf(9)), server);
    peer.send(bytesOf(9), relayed);
    await bed.counter('dropped_no_permission', (n) => n === 3);
    bed.plane.addPermission(relayId(1), LOOPBACK);
    client.send(channelData(0x4000, bytesOf(1)), server);
    expect((await peer.next()).bytes).toEqual(bytesOf(1));
    expect(client.inbox.size).toBe(0);
  });

  it('drops ChannelData of unbound numbers, of wrong lengths and of strangers', async () => {
    const { bed, client, peer, server } = await startCall();
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    client.send(channelData(0x4001, bytesOf(4)), server);
    await bed.counter('dropped_no_channel', (n) => n === 1);
    const short = channelData(0x4000, bytesOf(8)).subarray(0, 11);
    const long = new Uint8Array(16);
    long.set(channelData(0x4000, bytesOf(8)));
    for (const bytes of [short, long, Uint8Array.of(0x40), Uint8Array.of(0x80, 0, 0, 0)])
      client.send(bytes, server);
    await bed.counter('dropped_malformed', (n) => n === 4);
    const stranger = owned(await UdpEnd.open());
    stranger.send(channelData(0x4000, bytesOf(4)), server);
    await bed.counter('dropped_no_relay', (n) => n === 1);
    client.send(new Uint8Array(2049), server);
    await bed.counter('dropped_oversize', (n) => n === 1);
    expect(peer.inbox.size).toBe(0);
  });

  it('relays from IPv4 clients to IPv6 peers', async () => {
    const relayAddresses = [
      { address: LOOPBACK, firstPort: 20_000, lastPort: 29_999 },
      { address: '::1', firstPort: 20_000, lastPort: 29_999 },
    ];
    const { bed, client, from, server } = await startCall({ relayAddresses });
    const peer = owned(await UdpEnd.open('::1'));
    const relayed = await bed.open(2, from, { family: 6 });
    expect(relayed.address).toBe('::1');
    bed.plane.addPermission(relayId(2), '::1');
    bed.plane.bindChannel(relayId(2), 0x4002, peer.at);
    client.send(channelData(0x4002, bytesOf(64)), server);
    expect(await peer.next()).toEqual({ bytes: bytesOf(64), from: relayed });
    peer.send(bytesOf(3), relayed);
    expect((await client.next()).bytes).toEqual(channelData(0x4002, bytesOf(3)));
  });

  it('relays between two relays of its own', async () => {
    const { bed, client, server, relayed } = await startCall();
    const other = owned(await UdpEnd.open());
    other.send(stunRequest(), server);
    const otherRelayed = await bed.open(2, await bed.client(other.at.port));
    bed.plane.addPermission(relayId(2), LOOPBACK);
    bed.plane.bindChannel(relayId(1), 0x4000, otherRelayed);
    bed.plane.bindChannel(relayId(2), 0x4fff, relayed);
    client.send(channelData(0x4000, bytesOf(50)), server);
    expect((await other.next()).bytes).toEqual(channelData(0x4fff, bytesOf(50)));
    other.send(channelData(0x4fff, bytesOf(51)), server);
    expect((await client.next()).bytes).toEqual(channelData(0x4000, bytesOf(51)));
  });

  it('tells of ICMP errors, and goes on sending to others', async () => {
    const { bed, client, peer, server } = await startCall();
    const gone = await UdpEnd.open();
    const at = gone.at;
    gone.close();
    client.send(sendIndication(at, bytesOf(5)), server);
    const event = await bed.event('icmp');
    expect(event).toEqual({ type: 'icmp', relay: 1, peer: at, icmp: { type: 3, code: 3, error: 0 } });
    for (let i = 0; i < 20; i++) {
      client.send(sendIndication(at, bytesOf(5)), server);
      client.send(sendIndication(peer.at, bytesOf(6)), server);
    }
    for (let i = 0; i < 20; i++) expect((await peer.next()).bytes).toEqual(bytesOf(6));
  });

  it('sends what must not be fragmented, and what the control plane gives it', async () => {
    const { bed, client, peer, server, relayed } = await startCall();
    client.send(sendIndication(peer.at, bytesOf(1200), true), server);
    expect(await peer.next()).toEqual({ bytes: bytesOf(1200), from: relayed });
    bed.plane.sendToPeer(relayId(1), peer.at, bytesOf(12), false);
    expect(await peer.next()).toEqual({ bytes: bytesOf(12), from: relayed });
  });

  it('drops what exceeds the bandwidth of the allocation, in each direction', async () => {
    const { bed, client, peer, server, relayed } = await startCall({}, 1000);
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    // A burst of 16 KiB is free, and then a kilobyte a second.
    for (let i = 0; i < 40; i++) {
      client.send(channelData(0x4000, bytesOf(996)), server);
      peer.send(bytesOf(996), relayed);
    }
    await bed.counter('received_packets', (n) => n === 81);
    const [totals] = bed.plane.readTotals();
    expect(totals!.toPeerPackets).toBeGreaterThanOrEqual(16);
    expect(totals!.toPeerPackets).toBeLessThan(40);
    expect(totals!.toClientPackets).toBeGreaterThanOrEqual(16);
    expect(totals!.toClientPackets).toBeLessThan(40);
    expect(totals!.cappedPackets).toBe(80 - totals!.toPeerPackets - totals!.toClientPackets);
  });

  it('ends everything of a relay that is closed, and tells its totals', async () => {
    const { bed, client, peer, from, server } = await startCall();
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    client.send(channelData(0x4000, bytesOf(10)), server);
    await peer.next();
    bed.plane.closeRelay(relayId(1));
    const { totals } = await bed.event('relay-closed');
    expect([totals.relay, totals.fromClientPackets, totals.toPeerBytes]).toEqual([1, 1, 10]);
    client.send(channelData(0x4000, bytesOf(10)), server);
    await bed.counter('dropped_no_relay', (n) => n === 1);
    const { relays, permissions, channels } = bed.plane.readCounters();
    expect([relays, permissions, channels]).toEqual([0, 0, 0]);
    await bed.open(2, from);
  });

  it('gives different ports to all, and says when there are none', async () => {
    const relayAddresses = [{ address: LOOPBACK, firstPort: 30_000, lastPort: 30_009 }];
    const bed = owned(new RelayBed({ relayAddresses }));
    const clients = await Promise.all(Array.from({ length: 11 }, () => UdpEnd.open()));
    const open = async (end: UdpEnd, id: number): Promise<number | string> => {
      owned(end).send(stunRequest(), { address: LOOPBACK, port: bed.port() });
      const client = await bed.client(end.at.port);
      const request = { transport: 'udp', family: 4, client, evenPort: false, reserved: false } as const;
      bed.plane.openRelay(relayId(id), { ...request, maxBytesPerSecond: 0 });
      const event = await bed.events.next('an answer', (e) => 'relay' in e && e.relay === id);
      return event.type === 'relay-opened'
        ? event.address.port
        : event.type === 'relay-failed'
          ? event.reason
          : '';
    };
    const ports = new Set<number | string>();
    for (const [id, end] of clients.entries()) ports.add(await open(end, id));
    // Another program may have one of the ten.
    expect(ports.has('no-port')).toBe(true);
    expect(ports.size).toBeGreaterThan(8);
  });

  it('keeps the port after an even one for whoever comes with its id', async () => {
    const { bed, server } = await startCall();
    const open = async (id: number, request: object): Promise<RelayEndpoint> => {
      const end = owned(await UdpEnd.open());
      end.send(stunRequest(), server);
      return await bed.open(id, await bed.client(end.at.port), request);
    };
    const even = await open(10, { evenPort: true, reserveNextAs: relayId(11) });
    expect(even.port % 2).toBe(0);
    const next = await open(11, { reserved: true });
    expect(next.port).toBe(even.port + 1);
    await open(12, { evenPort: true, reserveNextAs: relayId(13) });
    bed.plane.closeRelay(relayId(13));
    bed.plane.openRelay(relayId(13), {
      ...{ transport: 'udp', family: 4, evenPort: false, reserved: true, maxBytesPerSecond: 0 },
      client: (await startClient(bed)).from,
    });
    expect(await bed.event('relay-failed')).toMatchObject({ relay: 13, reason: 'no-port' });
  });

  it('spreads clients over threads, each with its relay', async () => {
    const bed = owned(new RelayBed({ threads: 4 }));
    const threads = new Set<number>();
    for (let id = 1; id <= 24; id++) {
      const { end, from } = await startClient(bed);
      threads.add(from.socket! % 64);
      const relayed = await bed.open(id, from);
      bed.plane.addPermission(relayId(id), LOOPBACK);
      const peer = owned(await UdpEnd.open());
      bed.plane.bindChannel(relayId(id), 0x4000, peer.at);
      end.send(channelData(0x4000, bytesOf(id)), { address: LOOPBACK, port: bed.port() });
      expect(await peer.next()).toEqual({ bytes: bytesOf(id), from: relayed });
      peer.send(bytesOf(id), relayed);
      expect((await end.next()).bytes).toEqual(channelData(0x4000, bytesOf(id)));
    }
    expect(threads.size).toBeGreaterThan(1);
  });

  it('refuses a listener whose port another server has, also with several threads', () => {
    const first = owned(new RelayBed({ threads: 2 }));
    const listeners = [{ transport: 'udp', address: LOOPBACK, port: first.port() }] as const;
    const taken = expect.objectContaining({ code: 'EADDRINUSE' });
    expect(() => new RelayBed({ listeners, threads: 2 })).toThrow(taken);
    expect(() => new RelayBed({ listeners: [{ transport: 'udp', address: '0.0.0.0', port: 0 }] })).toThrow(
      TypeError,
    );
  });
});

async function startClient(bed: RelayBed): Promise<{ end: UdpEnd; from: RelayClient }> {
  const end = owned(await UdpEnd.open());
  end.send(stunRequest(), { address: LOOPBACK, port: bed.port() });
  return { end, from: await bed.client(end.at.port) };
}
