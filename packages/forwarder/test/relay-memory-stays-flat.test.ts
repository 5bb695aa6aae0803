import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
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
import { StreamEnd } from './relay-stream-end.ts';

const MiB = 1 << 20;
const closing: { close(): void }[] = [];
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

/** Resident memory of the process, without what only waits to be collected where the runner lets us. */
function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

describe('the memory of a relay plane', () => {
  it('stays where it is while relays with permissions, channels and traffic come and go', async () => {
    const bed = new RelayBed();
    const [end, peer] = [await UdpEnd.open(), await UdpEnd.open()];
    closing.push(bed, end, peer);
    end.send(stunRequest(), { address: LOOPBACK, port: bed.port() });
    const client = await bed.client(end.at.port);
    const use = async (id: number): Promise<void> => {
      await bed.open(id, client);
      for (let i = 0; i < 20; i++) bed.plane.addPermission(relayId(id), `127.0.0.${i + 1}`);
      for (let i = 0; i < 20; i++)
        bed.plane.bindChannel(relayId(id), 0x4000 + i, { ...peer.at, port: 1000 + i });
      bed.plane.bindChannel(relayId(id), 0x4fff, peer.at);
      end.send(channelData(0x4fff, bytesOf(100)), { address: LOOPBACK, port: bed.port() });
      await peer.next();
      bed.plane.closeRelay(relayId(id));
      await bed.event('relay-closed');
    };
    for (let id = 0; id < 300; id++) await use(id);
    const before = residentBytes();
    for (let id = 300; id < 2300; id++) await use(id);
    expect(residentBytes() - before).toBeLessThan(48 * MiB);
    const { relays, permissions, channels } = bed.plane.readCounters();
    expect([relays, permissions, channels]).toEqual([0, 0, 0]);
  });

  it('does not grow with strangers, whatever they send', async () => {
    const bed = new RelayBed({ messagesPerSecond: 100 });
    closing.push(bed);
    const to = { address: LOOPBACK, port: bed.port() };
    const peer = { address: LOOPBACK, port: 9 };
    const kinds = [
      stunRequest(3),
      channelData(0x4000, bytesOf(100)),
      sendIndication(peer, bytesOf(100)),
      bytesOf(50),
    ];
    const flood = async (ports: number): Promise<void> => {
      for (let i = 0; i < ports; i++) {
        const socket = createSocket('udp4');
        socket.bind(0, LOOPBACK);
        await once(socket, 'listening');
        const sent = kinds.map(
          (bytes) => new Promise((done) => socket.send(bytes, to.port, to.address, done)),
        );
        await Promise.all(sent);
        socket.close();
      }
    };
    await flood(200);
    const before = residentBytes();
    await flood(2000);
    await bed.counter('received_packets', (n) => n >= 4 * 2200 * 0.9);
    expect(residentBytes() - before).toBeLessThan(48 * MiB);
    const counters = bed.plane.readCounters();
    expect(counters.relays).toBe(0);
    // Two in four belong to no relay, one is nothing at all, and of requests few go up from one address.
    expect(counters.dropped_no_relay).toBeGreaterThan(2000);
    expect(counters.dropped_malformed).toBeGreaterThan(1000);
    expect(counters.dropped_message_rate).toBeGreaterThan(0);
    expect(bed.plane.readTotals()).toEqual([]);
  });

  it('is given back by streams that come and go', async () => {
    const bed = new RelayBed({ listeners: [{ transport: 'tcp', address: LOOPBACK, port: 0 }] });
    closing.push(bed);
    const use = async (): Promise<void> => {
      const end = await StreamEnd.open(bed.port('tcp'));
      end.send(stunRequest());
      await bed.client(end.port);
      end.close();
      await bed.event('client-closed');
    };
    for (let i = 0; i < 200; i++) await use();
    const before = residentBytes();
    for (let i = 0; i < 1500; i++) await use();
    expect(residentBytes() - before).toBeLessThan(48 * MiB);
    await bed.counter('connections', (n) => n === 0);
  });
});
