import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createDtlsSession,
  type DtlsSession,
  generateDtlsIdentity,
  type RelayPlaneOptions,
  SrtpProfile,
} from '../src/index.ts';
import {
  bytesOf,
  channelData,
  Inbox,
  LOOPBACK,
  RelayBed,
  relayId,
  stunRequest,
  UdpEnd,
} from './relay-fixture.ts';
import { makeCertificate } from './relay-stream-end.ts';

const closing: { close(): void }[] = [];
const owned = <T extends { close(): void }>(thing: T): T => {
  closing.push(thing);
  return thing;
};
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

const certificate = makeCertificate('relay');
const listeners = [{ transport: 'dtls', address: LOOPBACK, port: 0 }] as const;
const newBed = (options: Partial<RelayPlaneOptions> = {}): RelayBed =>
  owned(new RelayBed({ listeners, certificate, ...options }));

const newSession = (): DtlsSession =>
  createDtlsSession({
    identity: generateDtlsIdentity(),
    role: 'client',
    srtpProfiles: [SrtpProfile.aeadAes128Gcm],
  });

/** A DTLS client on a UDP socket. */
class DtlsEnd {
  readonly udp: UdpEnd;
  readonly port: number;
  readonly data = new Inbox<Uint8Array>();
  readonly changes = new Inbox<'connected' | 'closed'>();
  session: DtlsSession = newSession();

  constructor(udp: UdpEnd, port: number) {
    this.udp = udp;
    this.port = port;
    udp.socket.on('message', (bytes) => {
      this.session.handlePacket(performance.now(), new Uint8Array(bytes));
      this.drain();
    });
  }

  static async open(port: number): Promise<DtlsEnd> {
    return owned(new DtlsEnd(await UdpEnd.open(), port));
  }

  async connect(): Promise<this> {
    this.session.start(performance.now());
    this.drain();
    await this.changes.next('a DTLS connection', (change) => change === 'connected');
    return this;
  }

  send(bytes: Uint8Array): void {
    this.session.send(bytes);
    this.drain();
  }

  drain(): void {
    for (let out = this.session.pollTransmit(); out; out = this.session.pollTransmit()) {
      this.udp.send(out, { address: LOOPBACK, port: this.port });
    }
    for (let event = this.session.pollEvent(); event; event = this.session.pollEvent()) {
      if (event.type === 'data') this.data.push(event.bytes);
      else this.changes.push(event.type);
    }
  }

  close(): void {
    this.session.close();
    this.drain();
    this.udp.close();
  }
}

describe('DTLS clients', () => {
  it('are relayed like those of UDP', async () => {
    const bed = newBed();
    const end = await (await DtlsEnd.open(bed.port('dtls'))).connect();
    end.send(stunRequest());
    const client = await bed.client(end.udp.at.port);
    const local = { address: LOOPBACK, port: bed.port('dtls') };
    expect(client).toMatchObject({ transport: 'dtls', local, remote: end.udp.at });
    bed.plane.send(client, bytesOf(20));
    expect(await end.data.next('an answer')).toEqual(bytesOf(20));
    await bed.open(1, client);
    const peer = owned(await UdpEnd.open());
    bed.plane.addPermission(relayId(1), LOOPBACK);
    bed.plane.bindChannel(relayId(1), 0x4000, peer.at);
    for (const length of [1, 3, 1000]) {
      end.send(channelData(0x4000, bytesOf(length)));
      const { bytes, from } = await peer.next();
      expect(bytes).toEqual(bytesOf(length));
      peer.send(bytes, from);
      expect(await end.data.next('data')).toEqual(channelData(0x4000, bytesOf(length)));
    }
    end.session.close();
    end.drain();
    expect(await bed.event('client-closed')).toMatchObject({ client });
    await bed.counter('connections', (n) => n === 0);
  });

  it('leave nothing behind before they proved their address', async () => {
    const bed = newBed();
    const session = newSession();
    session.start(performance.now());
    const hello = session.pollTransmit()!;
    const socket = owned(createSocket('udp4'));
    socket.bind(0, LOOPBACK);
    await once(socket, 'listening');
    const answers = new Inbox<Uint8Array>();
    socket.on('message', (bytes) => answers.push(new Uint8Array(bytes)));
    for (let i = 0; i < 200; i++) socket.send(hello, bed.port('dtls'), LOOPBACK);
    const answer = await answers.next('a HelloVerifyRequest');
    // Type 3: HelloVerifyRequest. It is shorter than what caused it, so it is of no use for reflection.
    expect(answer[13]).toBe(3);
    expect(answer.length).toBeLessThan(hello.length);
    const { connections, handshakes_failed } = bed.plane.readCounters();
    expect([connections, handshakes_failed]).toEqual([0, 0]);
  });

  it('do not get in with the cookie of another address', async () => {
    const bed = newBed();
    const [one, other] = [await UdpEnd.open(), owned(await UdpEnd.open())];
    owned(one);
    const to = { address: LOOPBACK, port: bed.port('dtls') };
    const session = newSession();
    session.start(performance.now());
    one.send(session.pollTransmit()!, to);
    session.handlePacket(performance.now(), (await one.next()).bytes);
    const withCookie = session.pollTransmit()!;
    other.send(withCookie, to);
    expect((await other.next()).bytes[13]).toBe(3);
    expect(bed.plane.readCounters().connections).toBe(0);
    one.send(withCookie, to);
    // ServerHello.
    expect((await one.next()).bytes[13]).toBe(2);
    expect(bed.plane.readCounters().connections).toBe(1);
  });

  it('that lost their session get a new one on the same port', async () => {
    const bed = newBed();
    const end = await (await DtlsEnd.open(bed.port('dtls'))).connect();
    end.send(stunRequest());
    const first = await bed.client(end.udp.at.port);
    end.session = newSession();
    await end.connect();
    expect(await bed.event('client-closed')).toMatchObject({ client: first });
    end.send(stunRequest());
    const second = await bed.client(end.udp.at.port);
    expect(second.socket).not.toBe(first.socket);
    await bed.counter('connections', (n) => n === 1);
  });

  it('outlive records that anybody could send', async () => {
    const bed = newBed();
    const end = await (await DtlsEnd.open(bed.port('dtls'))).connect();
    const forged = [
      Uint8Array.of(23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 1, 0),
      Uint8Array.of(23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 30, ...bytesOf(30)),
      Uint8Array.of(21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40),
      Uint8Array.of(22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255, 1),
      bytesOf(100),
      stunRequest(),
      new Uint8Array(0),
    ];
    for (const bytes of forged) end.udp.send(bytes, { address: LOOPBACK, port: bed.port('dtls') });
    end.send(stunRequest());
    await bed.client(end.udp.at.port);
  });

  it('are no more than the bound of one address, and go when they stay silent', async () => {
    const bed = newBed({ maxConnectionsPerAddress: 2, handshakeTimeoutMs: 100, idleTimeoutMs: 100 });
    await (await DtlsEnd.open(bed.port('dtls'))).connect();
    const heard = await (await DtlsEnd.open(bed.port('dtls'))).connect();
    const third = await DtlsEnd.open(bed.port('dtls'));
    third.session.start(performance.now());
    third.drain();
    await bed.counter('dropped_connection_limit', (n) => n > 0);
    heard.send(stunRequest());
    const client = await bed.client(heard.udp.at.port);
    expect(await bed.event('client-closed')).toMatchObject({ client });
    await bed.counter('connections', (n) => n === 0);
    await (await DtlsEnd.open(bed.port('dtls'))).connect();
  });
});
