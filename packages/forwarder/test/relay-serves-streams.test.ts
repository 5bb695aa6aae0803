import { stunMethod } from '@conclave/stun';
import { afterEach, describe, expect, it } from 'vitest';
import type { RelayClient, RelayPlaneOptions } from '../src/index.ts';
import { bytesOf, channelData, LOOPBACK, RelayBed, relayId, stunRequest, UdpEnd } from './relay-fixture.ts';
import { makeCertificate, StreamEnd } from './relay-stream-end.ts';

const closing: { close(): void }[] = [];
const owned = <T extends { close(): void }>(thing: T): T => {
  closing.push(thing);
  return thing;
};
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

const tcpListener = { transport: 'tcp', address: LOOPBACK, port: 0 } as const;
const newBed = (options: Partial<RelayPlaneOptions> = {}): RelayBed =>
  owned(new RelayBed({ listeners: [tcpListener], ...options }));

/** A connection with relay 1 and a peer on channel 0x4000. */
async function startCall(bed: RelayBed, end: StreamEnd): Promise<{ peer: UdpEnd; client: RelayClient }> {
  end.send(stunRequest());
  const client = await bed.client(end.port);
  await bed.open(1, client);
  const peer = owned(await UdpEnd.open());
  bed.plane.addPermission(relayId(1), LOOPBACK);
  bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
  return { peer, client };
}

describe('streams of clients', () => {
  it('are cut into messages wherever they are split', async () => {
    const bed = newBed();
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    const { peer } = await startCall(bed, end);
    const request = stunRequest();
    const stream = Uint8Array.from([
      ...channelData(0x4000, bytesOf(5), true),
      ...request,
      ...channelData(0x4000, bytesOf(8), true),
    ]);
    for (let split = 0; split <= stream.length; split++) {
      end.send(stream.subarray(0, split));
      end.send(stream.subarray(split));
      expect((await peer.next()).bytes).toEqual(bytesOf(5));
      expect((await bed.event('message')).bytes).toEqual(request);
      expect((await peer.next()).bytes).toEqual(bytesOf(8));
    }
    for (const byte of stream) end.send(Uint8Array.of(byte));
    expect((await peer.next()).bytes).toEqual(bytesOf(5));
    expect((await peer.next()).bytes).toEqual(bytesOf(8));
  });

  it('get ChannelData padded to four bytes', async () => {
    const bed = newBed();
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    const { peer, client } = await startCall(bed, end);
    end.send(channelData(0x4000, bytesOf(1), true));
    const { from } = await peer.next();
    for (const length of [0, 1, 2, 3, 4, 1500]) {
      peer.send(bytesOf(length), from);
      const expected = channelData(0x4000, bytesOf(length), true);
      expect(await end.take(expected.length)).toEqual(expected);
    }
    bed.plane.send(client, bytesOf(24));
    expect(await end.take(24)).toEqual(bytesOf(24));
  });

  it('may hold messages too long to relay, which are passed by', async () => {
    const bed = newBed();
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    const { peer } = await startCall(bed, end);
    end.send(channelData(0x4000, bytesOf(60_001), true));
    end.send(channelData(0x4000, bytesOf(9), true));
    expect((await peer.next()).bytes).toEqual(bytesOf(9));
    expect(bed.plane.readCounters().dropped_oversize).toBe(1);
  });

  it('end when they hold something else, at the first byte that shows it', async () => {
    const bed = newBed();
    for (const start of [
      '\x16\x03\x01\x02\x00\x01\x00',
      '\x00\x01\x00\x00\x21\x13',
      '\x80',
      '\x00\x01\x00\x03\x21\x12\xa4\x42',
    ]) {
      const end = owned(await StreamEnd.open(bed.port('tcp')));
      end.send(Uint8Array.from(start, (c) => c.charCodeAt(0)));
      await end.ended;
    }
    await bed.counter('connections', (n) => n === 0);
    expect(bed.plane.readCounters().dropped_malformed).toBe(4);
  });

  it('that end are told of when they were heard of, and only then', async () => {
    const bed = newBed();
    const silent = await StreamEnd.open(bed.port('tcp'));
    const end = await StreamEnd.open(bed.port('tcp'));
    end.send(stunRequest());
    const client = await bed.client(end.port);
    silent.close();
    end.close();
    expect(await bed.event('client-closed')).toEqual({ type: 'client-closed', client });
    await bed.counter('connections', (n) => n === 0);
    expect(bed.events.size).toBe(0);
    bed.plane.send(client, bytesOf(20));
    await bed.counter('dropped_no_client', (n) => n === 1);
    const request = { transport: 'udp', family: 4, client, evenPort: false, reserved: false } as const;
    bed.plane.openRelay(relayId(7), { ...request, maxBytesPerSecond: 0 });
    expect(await bed.event('relay-failed')).toMatchObject({ relay: 7, reason: 'no-client' });
  });

  it('are no more than the bounds allow, of one address and in all', async () => {
    const bed = newBed({ maxConnections: 5, maxConnectionsPerAddress: 3 });
    const open = async (address: string): Promise<StreamEnd> => {
      return owned(await StreamEnd.open(bed.port('tcp'), address));
    };
    const first = [await open('127.0.0.1'), await open('127.0.0.1'), await open('127.0.0.1')];
    await (await open('127.0.0.1')).ended;
    await open('127.0.0.2');
    await open('127.0.0.2');
    await (await open('127.0.0.3')).ended;
    expect(bed.plane.readCounters()).toMatchObject({ connections: 5, dropped_connection_limit: 2 });
    first[0]!.close();
    await bed.counter('connections', (n) => n === 4);
    const end = await open('127.0.0.3');
    end.send(stunRequest());
    await bed.client(end.port);
  });

  it('that stay silent are closed, those with a relay are not', async () => {
    const bed = newBed({ handshakeTimeoutMs: 50, idleTimeoutMs: 50 });
    const withRelay = owned(await StreamEnd.open(bed.port('tcp')));
    const { peer } = await startCall(bed, withRelay);
    const trickling = owned(await StreamEnd.open(bed.port('tcp')));
    trickling.send(stunRequest().subarray(0, 19));
    const idle = owned(await StreamEnd.open(bed.port('tcp')));
    idle.send(stunRequest());
    await trickling.ended;
    await idle.ended;
    expect(bed.plane.readCounters().dropped_handshake_timeout).toBe(1);
    withRelay.send(channelData(0x4000, bytesOf(3), true));
    expect((await peer.next()).bytes).toEqual(bytesOf(3));
    bed.plane.closeRelay(relayId(1));
    await withRelay.ended;
  });

  it('that are not read lose data instead of delaying or filling memory', async () => {
    const bed = newBed({ streamQueueBytes: 65_536 });
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    const { peer } = await startCall(bed, end);
    end.send(channelData(0x4000, bytesOf(1), true));
    const { from } = await peer.next();
    end.socket.pause();
    const dropped = (): number => bed.plane.readCounters().dropped_queue_full!;
    for (let round = 0; round < 200 && dropped() === 0; round++) {
      for (let i = 0; i < 100; i++) peer.send(bytesOf(1400), from);
      await bed.counter('received_packets', (n) => n >= 2 + 100 * round);
    }
    expect(dropped()).toBeGreaterThan(0);
    end.socket.resume();
    // Whole messages were dropped: what comes is still framed.
    for (let i = 0; i < 20; i++) expect(await end.take(1404)).toEqual(channelData(0x4000, bytesOf(1400)));
  });

  it('that do not take the answers to their own requests are closed', async () => {
    const bed = newBed({ streamQueueBytes: 16_384 });
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    end.socket.pause();
    end.send(stunRequest());
    const client = await bed.client(end.port);
    for (let i = 0; i < 20_000; i++) bed.plane.send(client, bytesOf(2000));
    expect(await bed.event('client-closed')).toMatchObject({ client });
  });

  it('are closed when the control plane says so', async () => {
    const bed = newBed();
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    end.send(stunRequest());
    const client = await bed.client(end.port);
    bed.plane.send(client, bytesOf(20));
    bed.plane.closeClient(client);
    expect(await end.take(20)).toEqual(bytesOf(20));
    end.socket.end();
    await end.ended;
    await bed.counter('connections', (n) => n === 0);
    expect(bed.events.size).toBe(0);
  });

  it('hold back what follows a ConnectionBind until it is answered', async () => {
    const bed = newBed();
    const end = owned(await StreamEnd.open(bed.port('tcp')));
    end.send(Uint8Array.from([...stunRequest(stunMethod.connectionBind), ...stunRequest()]));
    const { client, bytes } = await bed.event('message');
    expect(bytes[1]).toBe(stunMethod.connectionBind);
    expect(bed.events.size).toBe(0);
    // An error response: what follows are messages after all.
    const refusal = stunRequest(stunMethod.connectionBind);
    refusal.set([0x01, 0x1b]);
    bed.plane.send(client, refusal);
    expect((await bed.event('message')).bytes[1]).toBe(stunMethod.binding);
  });
});

describe('TLS streams', () => {
  it('carry messages and data, and take new certificates without a restart', async () => {
    const listeners = [{ transport: 'tls', address: LOOPBACK, port: 0 }] as const;
    const bed = owned(new RelayBed({ listeners, certificate: makeCertificate('first') }));
    const { end, name } = await StreamEnd.openTls(bed.port('tls'));
    owned(end);
    expect(name).toBe('first');
    const { peer, client } = await startCall(bed, end);
    expect(client.transport).toBe('tls');
    const many = Array.from({ length: 40 }, (_, i) => channelData(0x4000, bytesOf(1000, i), true));
    end.send(Uint8Array.from(many.flatMap((bytes) => [...bytes])));
    for (let i = 0; i < 40; i++) expect((await peer.next()).bytes).toEqual(bytesOf(1000, i));
    const [{ relay }] = bed.plane.readTotals() as [{ relay: number }];
    expect(relay).toBe(1);

    bed.plane.setCertificate(makeCertificate('second'));
    await bed.counter('handshakes', (n) => n === 1);
    const second = await StreamEnd.openTls(bed.port('tls'));
    owned(second.end);
    expect(second.name).toBe('second');
    end.send(channelData(0x4000, bytesOf(6), true));
    expect((await peer.next()).bytes).toEqual(bytesOf(6));
    end.close();
    expect(await bed.event('client-closed')).toMatchObject({ client });
  });

  it('that never shake hands, or speak plainly, hold nothing', async () => {
    const listeners = [{ transport: 'tls', address: LOOPBACK, port: 0 }] as const;
    const bed = owned(new RelayBed({ listeners, certificate: makeCertificate('x'), handshakeTimeoutMs: 50 }));
    const plain = owned(await StreamEnd.open(bed.port('tls')));
    plain.send(stunRequest());
    await plain.ended;
    const silent = owned(await StreamEnd.open(bed.port('tls')));
    await silent.ended;
    await bed.counter('connections', (n) => n === 0);
    expect(bed.plane.readCounters().handshakes_failed).toBe(2);
    expect(bed.events.size).toBe(0);
  });

  it('need a certificate that can be used', () => {
    const listeners = [{ transport: 'tls', address: LOOPBACK, port: 0 }] as const;
    const [a, b] = [makeCertificate('a'), makeCertificate('b')];
    const mixed = { certificatePem: a.certificatePem, privateKeyPem: b.privateKeyPem };
    expect(() => new RelayBed({ listeners })).toThrow(TypeError);
    expect(() => new RelayBed({ listeners, certificate: mixed })).toThrow(TypeError);
    const bed = owned(new RelayBed({ listeners, certificate: a }));
    expect(() => bed.plane.setCertificate(mixed)).toThrow(TypeError);
    expect(() => bed.plane.setCertificate({ certificatePem: '', privateKeyPem: '' })).toThrow(TypeError);
  });
});
