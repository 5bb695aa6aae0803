import { describe, expect, test } from 'vitest';
import { type DtlsIdentity, generateDtlsIdentity } from '../src/index.ts';
import {
  closedReasonOf,
  connectedOf,
  dataOf,
  type End,
  fragmentingLink,
  handshake,
  handshakeWithTimers,
  type Link,
  makeEnd,
  perfectLink,
  pump,
  recordsOf,
} from './dtls-pair.ts';

/** A small generator with a fixed seed (Mulberry32). */
function makeRandom(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/** A record of the given type and version in epoch 0. */
function record(type: number, body: Uint8Array, version = 0xfefd): Uint8Array {
  const out = new Uint8Array(13 + body.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, type);
  view.setUint16(1, version);
  view.setUint16(11, body.length);
  out.set(body, 13);
  return out;
}

/** A ClientHello (RFC 6347 §4.2.2, RFC 5246 §7.4.1.2) without extensions; a fragment of it when told. */
function clientHello({
  version = 0xfefd,
  suites = [0x0000],
  fragmentLength,
}: {
  version?: number;
  suites?: number[];
  fragmentLength?: number;
} = {}): Uint8Array {
  const body = new Uint8Array(2 + 32 + 1 + 1 + 2 + suites.length * 2 + 2);
  const view = new DataView(body.buffer);
  view.setUint16(0, version);
  view.setUint16(36, suites.length * 2);
  for (const [i, suite] of suites.entries()) view.setUint16(38 + i * 2, suite);
  body.set([1, 0], 38 + suites.length * 2);
  const sent = body.subarray(0, fragmentLength ?? body.length);
  const message = new Uint8Array(12 + sent.length);
  message[0] = 1;
  message[3] = body.length;
  message[11] = sent.length;
  message.set(sent, 12);
  return record(22, message, version === 0xfefd ? 0xfefd : 0xfeff);
}

function expectConnected(server: End, client: End): void {
  expect(connectedOf(server)).toBeDefined();
  expect(connectedOf(client)!.srtpKeys!.sendKey).toEqual(connectedOf(server)!.srtpKeys!.receiveKey);
}

describe('a hello that cannot be served is as if it had not come', () => {
  test.each([
    ['offers TLS_NULL_WITH_NULL_NULL alone', clientHello()],
    ['offers suites without encryption alone', clientHello({ suites: [0x0001, 0x0002, 0xc006, 0xc010] })],
    ['offers CBC suites alone', clientHello({ suites: [0xc009, 0xc013, 0x002f] })],
    ['offers DTLS 1.0', clientHello({ version: 0xfeff, suites: [0xc02b, 0xc009] })],
    ['is cut', clientHello({ suites: [0xc02b] }).subarray(0, 40)],
    ['is a fragment whose rest never comes', clientHello({ suites: [0xc02b], fragmentLength: 20 })],
    ['is a fatal alert instead', record(21, Uint8Array.of(2, 40))],
    ['is a close_notify instead', record(21, Uint8Array.of(1, 0))],
    [
      'is another handshake message instead',
      record(22, Uint8Array.of(20, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 12, ...new Uint8Array(12))),
    ],
    ['is a ChangeCipherSpec instead', record(20, Uint8Array.of(1))],
    ['is application data instead', record(23, new Uint8Array(50))],
  ])('when it %s', async (_, hello) => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    server.session.start(performance.now());
    for (let i = 0; i < 50; i++) server.session.handlePacket(performance.now(), hello);
    expect(server.session.pollEvent()).toBeUndefined();
    expect(server.session.pollTransmit()).toBeUndefined();
    const done = (): boolean => connectedOf(server) !== undefined && connectedOf(client) !== undefined;
    await handshakeWithTimers(server, client, perfectLink, done);
    expectConnected(server, client);
  });
});

test('a fragment whose rest never comes does not keep a hello out that comes in fragments itself', async () => {
  const server = makeEnd('server');
  const client = makeEnd('client');
  server.session.start(performance.now());
  server.session.handlePacket(performance.now(), clientHello({ suites: [0xc02b], fragmentLength: 20 }));
  const done = (): boolean => connectedOf(server) !== undefined && connectedOf(client) !== undefined;
  await handshakeWithTimers(server, client, fragmentingLink(60), done);
  expectConnected(server, client);
});

describe('junk', () => {
  /** Datagrams no peer means: noise, noise that begins like DTLS, cut and padded copies. */
  const junkLink = (seed: number): Link => {
    const random = makeRandom(seed);
    const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random(256));
    return (datagram) => {
      const out: Uint8Array[] = [];
      for (let i = 0; i < 8; i++) out.push(noise(random(1500)));
      for (let i = 0; i < 8; i++) {
        const dtlsLike = noise(1 + random(200));
        dtlsLike[0] = 20 + random(44);
        out.push(dtlsLike);
      }
      const wrongLength = record(22, noise(30));
      new DataView(wrongLength.buffer).setUint16(11, 2000);
      const farEpoch = record(22, noise(60));
      farEpoch[4] = 1 + random(3);
      out.push(new Uint8Array(), wrongLength, farEpoch, datagram.subarray(0, random(datagram.length)));
      const first = recordsOf(datagram)[0]!;
      out.push(datagram.subarray(0, first.end - 1));
      out.splice(random(out.length), 0, datagram);
      return out;
    };
  };

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'among the datagrams of a handshake and after it changes nothing (seed %d)',
    (seed) => {
      const server = makeEnd('server');
      const client = makeEnd('client');
      const link = junkLink(seed);
      handshake(server, client, link);
      expectConnected(server, client);
      for (let i = 0; i < 20; i++) client.session.send(Uint8Array.of(i));
      pump(server, client, link);
      expect(
        dataOf(server)
          .map((bytes) => bytes[0])
          .sort((a, b) => a! - b!),
      ).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect(closedReasonOf(server)).toBeUndefined();
      expect(closedReasonOf(client)).toBeUndefined();
    },
  );

  test('in clear after the handshake, well formed as it may be, changes nothing', () => {
    const server = makeEnd('server');
    const client = makeEnd('client');
    handshake(server, client);
    for (const end of [server, client]) {
      for (const forged of [
        record(21, Uint8Array.of(2, 40)),
        record(21, Uint8Array.of(1, 0)),
        clientHello({ suites: [0xc02b] }),
        record(23, new Uint8Array(20)),
        record(22, new Uint8Array(12)),
      ]) {
        end.session.handlePacket(0, forged);
      }
    }
    client.session.send(Uint8Array.of(1));
    server.session.send(Uint8Array.of(2));
    pump(server, client);
    expect(dataOf(server)).toEqual([Uint8Array.of(1)]);
    expect(dataOf(client)).toEqual([Uint8Array.of(2)]);
  });

  test('of later epochs before the handshake is kept within bounds', () => {
    const server = makeEnd('server');
    server.session.start(0);
    handshake(makeEnd('server'), makeEnd('client'));
    const before = process.memoryUsage.rss();
    const datagram = record(22, new Uint8Array(1000));
    datagram[4] = 1;
    const view = new DataView(datagram.buffer);
    for (let i = 0; i < 20_000; i++) {
      view.setUint32(7, i);
      server.session.handlePacket(0, datagram);
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(20e6);
    const client = makeEnd('client');
    handshake(server, client);
    expect(connectedOf(server)).toBeDefined();
  });
});

/** Two identities whose certificates have the same length, so that one can stand where the other was. */
function twinIdentities(): [DtlsIdentity, DtlsIdentity] {
  const first = generateDtlsIdentity();
  for (;;) {
    const second = generateDtlsIdentity();
    if (second.certificateDer.length === first.certificateDer.length) return [first, second];
  }
}

/** Puts one certificate in the place of another in what goes to `victim`. */
function swapCertificate(
  from: DtlsIdentity,
  to: DtlsIdentity,
  victim: 'server' | 'client',
): { link: Link; swaps: () => number } {
  let swaps = 0;
  return {
    swaps: () => swaps,
    link: (datagram, direction) => {
      const at = Buffer.from(datagram).indexOf(from.certificateDer);
      if (direction !== victim || at < 0) return [datagram];
      swaps++;
      const swapped = datagram.slice();
      swapped.set(to.certificateDer, at);
      return [swapped];
    },
  };
}

describe('a certificate', () => {
  test.each(['server', 'client'] as const)('without its key is refused by a %s', (victim) => {
    const [real, stolen] = twinIdentities();
    const server = makeEnd('server', victim === 'client' ? { identity: real } : {});
    const client = makeEnd('client', victim === 'server' ? { identity: real } : {});
    const { link, swaps } = swapCertificate(real, stolen, victim);
    handshake(server, client, link);
    expect(swaps()).toBe(1);
    const end = victim === 'server' ? server : client;
    expect(connectedOf(server)).toBeUndefined();
    expect(connectedOf(client)).toBeUndefined();
    expect(closedReasonOf(end)).toMatch(/signature/);
  });

  test('of somebody else with its key connects, and shows by the fingerprint', () => {
    const expected = generateDtlsIdentity();
    const client = makeEnd('client');
    const server = makeEnd('server');
    handshake(server, client);
    expect(connectedOf(client)!.peerFingerprint).not.toBe(expected.fingerprint);
  });
});

describe('a handshake altered on the way', () => {
  /** Positions in the bodies of a flight's records: handshake messages past their header, everything encrypted. */
  function bodyPositions(datagram: Uint8Array): number[] {
    return recordsOf(datagram).flatMap(({ type, epoch, bodyStart, end }) => {
      const from = epoch === 0 && type === 22 ? bodyStart + 12 : bodyStart;
      return Array.from({ length: end - from }, (_, i) => from + i);
    });
  }

  const flights = [
    "client's hello",
    "server's first flight",
    "client's second flight",
    "server's last flight",
  ];

  test.each([0, 1, 2, 3])(
    'in any byte of flight %d never connects the end that would rely on it',
    (flight) => {
      const identities = { server: generateDtlsIdentity(), client: generateDtlsIdentity() };
      let positions: number[] = [];
      let sent = 0;
      handshake(
        makeEnd('server', { identity: identities.server }),
        makeEnd('client', { identity: identities.client }),
        (datagram) => {
          if (sent++ === flight) positions = bodyPositions(datagram);
          return [datagram];
        },
      );
      expect(positions.length, flights[flight]).toBeGreaterThan(50 * Number(flight < 3));
      const receiver = flight % 2 === 0 ? 'server' : 'client';
      // Lengths of signatures vary by a byte or two; positions beyond a shorter flight are skipped. A step of 3 keeps
      // the test short and still meets every field.
      for (const position of positions.filter((_, i) => i % 3 === 0)) {
        const server = makeEnd('server', { identity: identities.server });
        const client = makeEnd('client', { identity: identities.client });
        let count = 0;
        let altered = false;
        handshake(server, client, (datagram) => {
          if (count++ !== flight || !bodyPositions(datagram).includes(position)) return [datagram];
          altered = true;
          const copy = datagram.slice();
          copy[position]! ^= 0x04;
          return [copy];
        });
        const end = receiver === 'server' ? server : client;
        if (altered) expect(connectedOf(end), `byte ${position}`).toBeUndefined();
      }
    },
  );
});

describe('a protected record too short for its tag', () => {
  test.each(['server', 'client'] as const)(
    'is dropped by the %s, whose session goes on (RFC 6347 §4.1.2.7)',
    (role) => {
      const server = makeEnd('server');
      const client = makeEnd('client');
      handshake(server, client);
      const [victim, peer] = role === 'server' ? [server, client] : [client, server];
      for (const type of [20, 21, 22, 23, 25]) {
        for (let length = 0; length < 40; length++) {
          const short = record(type, new Uint8Array(length).fill(7));
          short.set([0, 1, 0, 0, 0, 0, 1, length], 3);
          victim.session.handlePacket(0, short);
          pump(server, client);
        }
      }
      expect(closedReasonOf(victim)).toBeUndefined();
      peer.session.send(Uint8Array.of(1, 2, 3));
      pump(server, client);
      expect(dataOf(victim)).toHaveLength(1);
    },
  );
});
