import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { stunMethod } from '@conclave/stun';
import { afterEach, describe, expect, it } from 'vitest';
import type { RelayClient, RelayEndpoint } from '../src/index.ts';
import { bytesOf, connectionId, Inbox, LOOPBACK, RelayBed, relayId, stunRequest } from './relay-fixture.ts';
import { makeCertificate, StreamEnd } from './relay-stream-end.ts';

const closing: { close(): void }[] = [];
const owned = <T extends { close(): void }>(thing: T): T => {
  closing.push(thing);
  return thing;
};
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

/** A peer that accepts connections. */
class TcpPeer {
  readonly #server: Server;
  readonly accepted = new Inbox<StreamEnd>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket: Socket) => this.accepted.push(owned(new StreamEnd(socket))));
  }

  static async open(): Promise<TcpPeer> {
    const server = createServer({ allowHalfOpen: true }).listen(0, LOOPBACK);
    await once(server, 'listening');
    return owned(new TcpPeer(server));
  }

  get at(): RelayEndpoint {
    const address = this.#server.address();
    return { address: LOOPBACK, port: typeof address === 'object' && address ? address.port : 0 };
  }

  close(): void {
    this.#server.close();
  }
}

const listeners = [
  { transport: 'tcp', address: LOOPBACK, port: 0 },
  { transport: 'tls', address: LOOPBACK, port: 0 },
] as const;
const certificate = makeCertificate('relay');

async function startRelay(options: { threads?: number; maxBytesPerSecond?: number } = {}) {
  const { threads = 1, maxBytesPerSecond = 0 } = options;
  const bed = owned(new RelayBed({ listeners, certificate, threads }));
  const control = owned(await StreamEnd.open(bed.port('tcp')));
  control.send(stunRequest());
  const client = await bed.client(control.port);
  const relayed = await bed.open(1, client, { transport: 'tcp', maxBytesPerSecond });
  bed.plane.addPermission(relayId(1), LOOPBACK);
  return { bed, relayed };
}

/** A stream that asked to be joined. */
async function startDataStream(bed: RelayBed, tls = false): Promise<{ end: StreamEnd; client: RelayClient }> {
  const end = tls ? (await StreamEnd.openTls(bed.port('tls'))).end : await StreamEnd.open(bed.port('tcp'));
  owned(end).send(stunRequest(stunMethod.connectionBind));
  return { end, client: await bed.client(end.port) };
}

/** A client's stream joined to a connection that the relay made. */
async function startPipe(
  bed: RelayBed,
  tls = false,
): Promise<{ end: StreamEnd; far: StreamEnd; peer: TcpPeer }> {
  const peer = await TcpPeer.open();
  bed.plane.connectPeer(relayId(1), connectionId(5), peer.at);
  await bed.event('peer-connected');
  const far = await peer.accepted.next('a connection');
  const { end, client } = await startDataStream(bed, tls);
  bed.plane.joinConnection(connectionId(5), client);
  return { end, far, peer };
}

describe('TCP relays', () => {
  it('connect from their own address, and pass bytes both ways', async () => {
    const { bed, relayed } = await startRelay();
    const { end, far } = await startPipe(bed);
    expect(far.socket.remotePort).toBe(relayed.port);
    end.send(bytesOf(100_000));
    expect(await far.take(100_000)).toEqual(bytesOf(100_000));
    far.send(bytesOf(70_000));
    expect(await end.take(70_000)).toEqual(bytesOf(70_000));
    const [totals] = bed.plane.readTotals();
    expect(totals).toMatchObject({ fromClientBytes: 100_000, toPeerBytes: 100_000, toClientBytes: 70_000 });
  });

  it('pass bytes of TLS streams', async () => {
    const { bed } = await startRelay();
    const { end, far } = await startPipe(bed, true);
    end.send(bytesOf(100_000));
    expect(await far.take(100_000)).toEqual(bytesOf(100_000));
    far.send(bytesOf(100_000));
    expect(await end.take(100_000)).toEqual(bytesOf(100_000));
  });

  it('accept permitted peers, and hand over what they sent before', async () => {
    const { bed, relayed } = await startRelay();
    const far = owned(await StreamEnd.open(relayed.port));
    far.send(bytesOf(33));
    const { relay, incoming, peer } = await bed.event('peer-incoming');
    expect([relay, peer]).toEqual([1, { address: LOOPBACK, port: far.port }]);
    bed.plane.acceptPeer(incoming, connectionId(9));
    const { end, client } = await startDataStream(bed);
    // Bytes may come right behind the request.
    end.send(bytesOf(12, 7));
    bed.plane.joinConnection(connectionId(9), client);
    expect(await end.take(33)).toEqual(bytesOf(33));
    expect(await far.take(12)).toEqual(bytesOf(12, 7));
  });

  it('turn away peers without a permission, and those who are refused', async () => {
    const { bed, relayed } = await startRelay();
    await (await StreamEnd.open(relayed.port, '127.0.0.9')).ended;
    expect(bed.plane.readCounters().dropped_no_permission).toBe(1);
    const far = await StreamEnd.open(relayed.port);
    bed.plane.refusePeer((await bed.event('peer-incoming')).incoming);
    await far.ended;
    expect(bed.events.size).toBe(0);
  });

  it('let few peers wait at once', async () => {
    const { bed, relayed } = await startRelay();
    for (let i = 0; i < 33; i++) owned(await StreamEnd.open(relayed.port));
    await bed.counter('dropped_connection_limit', (n) => n === 1);
  });

  it('join streams and connections of different threads', async () => {
    const { bed } = await startRelay({ threads: 4 });
    const threads = new Set<number>();
    for (let i = 0; i < 12; i++) {
      const peer = await TcpPeer.open();
      bed.plane.connectPeer(relayId(1), connectionId(100 + i), peer.at);
      await bed.event('peer-connected');
      const far = await peer.accepted.next('a connection');
      const { end, client } = await startDataStream(bed, i % 2 === 1);
      threads.add(client.socket! % 64);
      bed.plane.send(client, bytesOf(20));
      bed.plane.joinConnection(connectionId(100 + i), client);
      far.send(bytesOf(5000, i));
      expect(await end.take(5020)).toEqual(Uint8Array.from([...bytesOf(20), ...bytesOf(5000, i)]));
      end.send(bytesOf(6000, i));
      expect(await far.take(6000)).toEqual(bytesOf(6000, i));
    }
    expect(threads.size).toBeGreaterThan(1);
    bed.plane.closeRelay(relayId(1));
    await bed.counter('connections', (n) => n === 1);
  });

  it('pass on that one side has finished, and end when both have', async () => {
    const { bed } = await startRelay();
    const { end, far } = await startPipe(bed);
    end.send(bytesOf(10));
    end.socket.end();
    expect(await far.take(10)).toEqual(bytesOf(10));
    await far.ended;
    far.send(bytesOf(11));
    expect(await end.take(11)).toEqual(bytesOf(11));
    far.socket.end();
    expect(await bed.event('peer-closed')).toEqual({ type: 'peer-closed', connection: 5 });
    await bed.counter('connections', (n) => n === 1);
  });

  it('end both sides when one breaks, or when told', async () => {
    const { bed } = await startRelay();
    const broken = await startPipe(bed);
    broken.far.socket.resetAndDestroy();
    expect(await bed.event('peer-closed')).toMatchObject({ connection: 5 });
    await broken.end.ended;
    const told = await startPipe(bed);
    bed.plane.closeConnection(connectionId(5));
    await told.end.ended;
    await told.far.ended;
    expect(bed.events.size).toBe(0);
  });

  it('tell of connections that cannot be made', async () => {
    const { bed } = await startRelay();
    const peer = await TcpPeer.open();
    const { at } = peer;
    peer.close();
    bed.plane.connectPeer(relayId(1), connectionId(6), at);
    expect(await bed.event('peer-closed')).toEqual({ type: 'peer-closed', connection: 6 });
    const { end, client } = await startDataStream(bed);
    bed.plane.joinConnection(connectionId(6), client);
    bed.plane.closeClient(client);
    await end.ended;
  });

  it('hold back a fast side while the other is slow', async () => {
    const { bed } = await startRelay();
    const { end, far } = await startPipe(bed);
    far.socket.pause();
    const total = 24 << 20;
    end.send(new Uint8Array(total).fill(1));
    // It stops when all buffers between the two are full, long before everything was taken.
    let last = -1;
    let now = 0;
    while (now !== last || now === 0) {
      last = now;
      await new Promise((resolve) => setTimeout(resolve, 100));
      now = bed.plane.readTotals()[0]!.fromClientBytes;
    }
    expect(now).toBeLessThan(total);
    let received = 0;
    far.socket.removeAllListeners('data');
    far.socket.on('data', (chunk) => {
      received += chunk.length;
    });
    const finished = once(far.socket, 'end');
    end.socket.end();
    far.socket.resume();
    await finished;
    expect(received).toBe(total);
  });

  it('slow streams down to the bandwidth of the allocation', async () => {
    const { bed } = await startRelay({ maxBytesPerSecond: 40_000 });
    const { end, far } = await startPipe(bed);
    const start = performance.now();
    end.send(bytesOf(60_000));
    expect(await far.take(60_000)).toEqual(bytesOf(60_000));
    // Twenty thousand at once, the rest at its pace: a second.
    expect(performance.now() - start).toBeGreaterThan(900);
  });
});
