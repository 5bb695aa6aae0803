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

const newBed = (): RelayBed => {
  const relayAddresses = [{ address: LOOPBACK, firstPort: 20_000, lastPort: 29_999, sharedPort: 0 }];
  return owned(new RelayBed({ relayAddresses }));
};

interface Holder {
  readonly end: UdpEnd;
  readonly client: RelayClient;
  readonly relayed: RelayEndpoint;
}

async function startHolder(bed: RelayBed, id: number): Promise<Holder> {
  const end = owned(await UdpEnd.open());
  end.send(stunRequest(), { address: LOOPBACK, port: bed.port() });
  const client = await bed.client(end.at.port);
  const relayed = await bed.open(id, client);
  bed.plane.addPermission(relayId(id), LOOPBACK);
  return { end, client, relayed };
}

describe('relays that share a port', () => {
  it('have one address, and each hears the peers that it sent to', async () => {
    const bed = newBed();
    const server = { address: LOOPBACK, port: bed.port() };
    const holders = [await startHolder(bed, 0), await startHolder(bed, 1), await startHolder(bed, 2)];
    const peers = await Promise.all(holders.map(async () => owned(await UdpEnd.open())));
    expect(new Set(holders.map(({ relayed }) => relayed.port)).size).toBe(1);
    for (const [id, { end, relayed }] of holders.entries()) {
      bed.plane.bindChannel(relayId(id), 0x4000, peers[id]!.at);
      end.send(channelData(0x4000, bytesOf(10 + id)), server);
      expect(await peers[id]!.next()).toEqual({ bytes: bytesOf(10 + id), from: relayed });
    }
    for (const [id, peer] of peers.entries()) {
      peer.send(bytesOf(20 + id), holders[id]!.relayed);
      expect((await holders[id]!.end.next()).bytes).toEqual(channelData(0x4000, bytesOf(20 + id)));
    }
    expect(holders.map(({ end }) => end.inbox.size)).toEqual([0, 0, 0]);
  });

  it('hear peers that nobody sent to only if one alone permits them', async () => {
    const bed = newBed();
    const first = await startHolder(bed, 1);
    const peer = owned(await UdpEnd.open());
    peer.send(bytesOf(3), first.relayed);
    await first.end.next();
    const second = await startHolder(bed, 2);
    peer.send(bytesOf(3), first.relayed);
    await bed.counter('dropped_ambiguous_peer', (n) => n === 1);
    bed.plane.removePermission(relayId(1), LOOPBACK);
    peer.send(bytesOf(3), first.relayed);
    await second.end.next();
    bed.plane.closeRelay(relayId(2));
    peer.send(bytesOf(3), first.relayed);
    await bed.counter('dropped_no_permission', (n) => n === 1);
    expect(first.end.inbox.size).toBe(0);
  });

  it('get a port of their own for a peer that is another relay’s', async () => {
    const bed = newBed();
    const server = { address: LOOPBACK, port: bed.port() };
    const [first, second] = [await startHolder(bed, 1), await startHolder(bed, 2)];
    const peer = owned(await UdpEnd.open());
    first.end.send(sendIndication(peer.at, bytesOf(1)), server);
    expect((await peer.next()).from).toEqual(first.relayed);
    second.end.send(sendIndication(peer.at, bytesOf(2)), server);
    const { from } = await peer.next();
    expect(from.port).not.toBe(first.relayed.port);
    peer.send(bytesOf(5), from);
    expect((await second.end.next()).bytes.subarray(-8, -3)).toEqual(bytesOf(5));
    peer.send(bytesOf(6), first.relayed);
    expect((await first.end.next()).bytes.subarray(-8, -2)).toEqual(bytesOf(6));
    // Once the first is gone the peer is free for the second.
    bed.plane.closeRelay(relayId(1));
    await bed.event('relay-closed');
    second.end.send(sendIndication(peer.at, bytesOf(3)), server);
    expect((await peer.next()).from).toEqual(first.relayed);
  });

  it('reach each other through ports of their own', async () => {
    const bed = newBed();
    const server = { address: LOOPBACK, port: bed.port() };
    const [first, second] = [await startHolder(bed, 1), await startHolder(bed, 2)];
    first.end.send(sendIndication(second.relayed, bytesOf(40)), server);
    const arrived = (await second.end.next()).bytes;
    expect(arrived.subarray(-40)).toEqual(bytesOf(40));
    expect(first.end.inbox.size).toBe(0);
  });

  it('claim a bounded number of peers', async () => {
    const bed = newBed();
    const server = { address: LOOPBACK, port: bed.port() };
    const { end } = await startHolder(bed, 1);
    for (let port = 1; port <= 300; port++) {
      end.send(sendIndication({ address: LOOPBACK, port: 50_000 + port }, bytesOf(1)), server);
    }
    await bed.counter('dropped_claim_limit', (n) => n === 300 - 256);
    bed.plane.removePermission(relayId(1), LOOPBACK);
    bed.plane.addPermission(relayId(1), LOOPBACK);
    const peer = owned(await UdpEnd.open());
    end.send(sendIndication(peer.at, bytesOf(1)), server);
    await peer.next();
  });

  it('are none when a port with special wishes is asked for', async () => {
    const bed = newBed();
    const { relayed } = await startHolder(bed, 1);
    const end = owned(await UdpEnd.open());
    end.send(stunRequest(), { address: LOOPBACK, port: bed.port() });
    const even = await bed.open(2, await bed.client(end.at.port), { evenPort: true });
    expect(even.port).not.toBe(relayed.port);
  });

  it('serve a thousand allocations with as many peers on one port', async () => {
    const bed = newBed();
    const server = { address: LOOPBACK, port: bed.port() };
    const count = 1000;
    const ends: { readonly client: UdpEnd; readonly peer: UdpEnd; readonly relayed: RelayEndpoint }[] = [];
    for (let id = 0; id < count; id++) {
      const { end, relayed } = await startHolder(bed, id);
      const peer = owned(await UdpEnd.open());
      bed.plane.bindChannel(relayId(id), 0x4000 + (id % 4096), peer.at);
      ends.push({ client: end, peer, relayed });
      end.send(channelData(0x4000 + id, bytesOf(8, id)), server);
      expect(await peer.next()).toEqual({ bytes: bytesOf(8, id), from: relayed });
    }
    for (const [id, { client, peer, relayed }] of ends.entries()) {
      peer.send(bytesOf(9, id), relayed);
      expect((await client.next()).bytes).toEqual(channelData(0x4000 + id, bytesOf(9, id)));
    }
    expect(bed.plane.readCounters()).toMatchObject({ relays: count, dropped_ambiguous_peer: 0 });
  });
});
