import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { attributeType, findAttribute, parseStun, StunBuilder, stunMethod } from '@conclave/stun';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import {
  makeCertificate,
  restCredential,
  startTurnProcess,
  type TurnProcess,
  type TurnProcessOptions,
  testUser,
  wireCredential,
} from './turn-process.ts';
import { openLine, TurnSocket, type TurnSocketOptions } from './turn-socket.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/METRICS.md', import.meta.url)), 'utf8');

let turn: TurnProcess;
const sockets: TurnSocket[] = [];

async function serve(options: TurnProcessOptions = {}): Promise<void> {
  turn = await startTurnProcess(options);
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await turn?.close();
});

async function open(options: Partial<TurnSocketOptions> = {}): Promise<TurnSocket> {
  const { transport = 'udp' } = options;
  const port = transport === 'tls' || transport === 'dtls' ? turn.tlsPort : turn.port;
  const server = { address: turn.address, port };
  const socket = await TurnSocket.open({ transport, server, ...testUser, ...options });
  sockets.push(socket);
  return socket;
}

/** A peer that remembers what it got and from where. */
async function startPeer(address = '127.0.0.1') {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 1 << 22 });
  const got: { readonly bytes: Uint8Array; readonly port: number }[] = [];
  socket.on('message', (bytes, from) => got.push({ bytes, port: from.port }));
  socket.bind(0, address);
  await once(socket, 'listening');
  return { at: { address, port: socket.address().port }, got, socket };
}

const logged = (what: string): Promise<unknown> =>
  eventually(
    `"${what}" in the log`,
    async () => turn.output(),
    (text) => text.includes(what),
  );

test('the page on metrics lists every metric that the server shows, and no other', async () => {
  await serve();
  const text = await (await fetch(`${turn.metricsUrl}/metrics`)).text();
  const shown = [...text.matchAll(/^# TYPE ((?:turn|stun|conclave)_\S+) /gm)].map((match) => match[1]!);
  const part = PAGE.slice(PAGE.indexOf('# The TURN server'));
  const cells = part.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1]!] : []));
  const listed = cells
    .flatMap((cell) => [...cell.matchAll(/`([a-z_0-9]+)`/g)].map((match) => match[1]!))
    .map((name) => (/^(turn|stun|conclave)_/.test(name) ? name : `conclave_relay_dropped_${name}_total`));
  expect(listed.sort()).toEqual(shown.sort());
});

describe('credentials', () => {
  test('of every form are good until they expire', async () => {
    await serve();
    const secret = readFileSync(turn.files.secret, 'utf8');
    const refusals = [];
    for (const credential of [
      testUser,
      wireCredential(secret),
      restCredential(secret, 'bob'),
      wireCredential(secret, -5),
      restCredential(secret, 'bob', -5),
      wireCredential('another secret'),
      { ...testUser, password: 'wander' },
    ]) {
      refusals.push((await open(credential)).refusal ?? 0);
    }
    expect(refusals).toEqual([0, 0, 0, 401, 401, 401, 401]);
  });

  test('can be rotated under load: no packet is lost, new ones count at once, old ones keep what they have', async () => {
    await serve();
    const old = readFileSync(turn.files.secret, 'utf8');
    const peer = await startPeer();
    const socket = await open(wireCredential(old));
    await socket.bind(peer.at);
    let sent = 0;
    const load = setInterval(() => socket.send(peer.at, Uint8Array.of(sent++ & 0xff)), 2);
    try {
      writeFileSync(`${turn.files.secret}.next`, 'the-next-secret');
      renameSync(`${turn.files.secret}.next`, turn.files.secret);
      turn.signal('SIGHUP');
      await logged('were read again');
      expect((await open(wireCredential('the-next-secret'))).refusal).toBe(undefined);
      expect((await open(wireCredential(old))).refusal).toBe(401);
      const before = sent;
      await eventually(
        'more of the load',
        async () => sent - before,
        (more) => more > 100,
      );
    } finally {
      clearInterval(load);
    }
    await eventually(
      'all of it at the peer',
      async () => peer.got.length,
      (got) => got === sent,
    );
    await socket.release();
    expect(socket.refusal).toBe(0);
    peer.socket.close();
  });
});

test('a certificate that changes on disk is used for connections from then on', async () => {
  await serve();
  const subject = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: '127.0.0.1', port: turn.tlsPort, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().subject.CN as string);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  expect(await subject()).toBe('localhost');
  const next = makeCertificate(turn.files.certificate.replace(/[^/]*$/, ''), 'next.localhost');
  renameSync(next.key, turn.files.key);
  renameSync(next.certificate, turn.files.certificate);
  turn.signal('SIGHUP');
  await logged('were read again');
  expect(await subject()).toBe('next.localhost');
  writeFileSync(turn.files.certificate, 'nonsense');
  turn.signal('SIGHUP');
  await logged('the former settings stay');
  expect(await subject()).toBe('next.localhost');
});

describe('quotas', () => {
  test('of a user and of an address bound what one takes, and give everything back', async () => {
    await serve({ flags: ['--max-allocations-per-user', '3', '--max-allocations-per-address', '5'] });
    const secret = readFileSync(turn.files.secret, 'utf8');
    const alice = [];
    for (let i = 0; i < 4; i++) alice.push(await open());
    expect(alice.map(({ refusal }) => refusal)).toEqual([undefined, undefined, undefined, 486]);
    const bob = [];
    for (let i = 0; i < 3; i++) bob.push(await open(restCredential(secret, 'bob')));
    expect(bob.map(({ refusal }) => refusal)).toEqual([undefined, undefined, 486]);
    for (const socket of [...alice.slice(0, 3), ...bob.slice(0, 2)]) await socket.release();
    expect(await turn.metric('conclave_turn_ports')).toBe(0);
    expect((await open()).refusal).toBe(undefined);
  });

  test('are given back by connections that are dropped', async () => {
    await serve({ flags: ['--max-allocations-per-user', '3'] });
    for (let round = 0; round < 3; round++) {
      for (const transport of ['tcp', 'tls', 'tcp'] as const) {
        expect((await open({ transport })).refusal).toBe(undefined);
      }
      expect((await open({ transport: 'tcp' })).refusal).toBe(486);
      for (const socket of sockets.splice(0)) socket.close();
      await eventually(
        'the ports are free',
        () => turn.metric('conclave_turn_ports'),
        (ports) => ports === 0,
      );
    }
  });

  test('of ports: when all are taken an allocation is refused, and the next works when one is free', async () => {
    await serve({ relayPortCount: 8 });
    for (let i = 0; i < 8; i++) expect((await open()).refusal).toBe(undefined);
    expect(new Set(sockets.map((socket) => socket.relayed.port)).size).toBe(8);
    expect((await open()).refusal).toBe(508);
    expect(await turn.metric('conclave_turn_relay_failures_total', 'no-port')).toBe(1);
    await sockets[0]!.release();
    expect((await open()).refusal).toBe(undefined);
  });

  test('of bandwidth: what is over the cap of an allocation is dropped, and others do not notice', async () => {
    await serve({ flags: ['--max-bytes-per-second', '20000'] });
    const peer = await startPeer();
    const [greedy, modest] = [await open(), await open()];
    await greedy.bind(peer.at);
    await modest.bind(peer.at);
    for (let i = 0; i < 200; i++) greedy.send(peer.at, new Uint8Array(1000));
    modest.send(peer.at, Uint8Array.of(7));
    await eventually(
      'the modest one is heard',
      async () => peer.got.some(({ bytes }) => bytes.length === 1),
      Boolean,
    );
    const heard = peer.got.filter(({ bytes }) => bytes.length === 1000).length;
    expect(heard).toBeGreaterThanOrEqual(10);
    expect(heard).toBeLessThan(100);
    expect(await turn.metric('conclave_turn_capped_packets_total')).toBe(200 - heard);
    peer.socket.close();
  });
});

describe('a server that drains', () => {
  test('keeps its allocations, sends new ones elsewhere, is not ready, and ends with the last', async () => {
    await serve({ flags: ['--alternate-server', '192.0.2.7:3478'] });
    const peer = await startPeer();
    const socket = await open();
    await socket.bind(peer.at);
    expect((await fetch(`${turn.metricsUrl}/readyz`)).status).toBe(200);
    turn.signal('SIGTERM');
    await logged('draining');
    expect((await fetch(`${turn.metricsUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${turn.metricsUrl}/healthz`)).status).toBe(200);
    expect(await turn.metric('conclave_turn_draining')).toBe(1);
    const turnedAway = await open({ transport: 'tcp' });
    expect(turnedAway.events).toContainEqual({
      kind: 'redirected',
      server: { address: '192.0.2.7', port: 3478 },
    });
    socket.send(peer.at, Uint8Array.of(1));
    await eventually(
      'data still passes',
      async () => peer.got.length,
      (n) => n === 1,
    );
    await socket.release();
    expect(await turn.ended).toBe(0);
    peer.socket.close();
  });

  test('refuses new ones when it has nowhere to send them, and ends at the second signal at once', async () => {
    await serve();
    await open();
    turn.signal('SIGTERM');
    await logged('draining');
    expect((await open()).refusal).toBe(508);
    turn.signal('SIGTERM');
    expect(await turn.ended).toBe(143);
  });

  test('ends what outlives its deadline', async () => {
    await serve({ flags: ['--drain-deadline', '1'] });
    await open();
    turn.signal('SIGTERM');
    expect(await turn.ended).toBe(0);
  });

  test('ends at once when it has no allocation', async () => {
    await serve();
    turn.signal('SIGINT');
    expect(await turn.ended).toBe(0);
  });
});

test('an IPv4 client reaches IPv6 peers by an IPv6 relay, and both families by a dual allocation', async () => {
  await serve({ flags: ['--relay-address', '::1', '--allow-peer', '::1'] });
  const [peer4, peer6] = [await startPeer(), await startPeer('::1')];
  for (const families of [[6], [4, 6]] as const) {
    const socket = await open({ families });
    expect(socket.client.relayed.map(({ address }) => address)).toEqual(
      families.map((family) => (family === 4 ? '127.0.0.1' : '::1')),
    );
    for (const peer of families.length === 2 ? [peer4, peer6] : [peer6]) {
      await socket.bind(peer.at);
      socket.send(peer.at, Uint8Array.of(families.length));
      await eventually(
        'the peer hears',
        async () => peer.got.at(-1)?.bytes[0],
        (byte) => byte === families.length,
      );
      const heard = socket.received.length;
      peer.socket.send(Uint8Array.of(9), peer.got.at(-1)!.port, peer.at.address);
      await socket.until('the answer', () => socket.received.length > heard);
      expect(socket.received.at(-1)?.peer).toEqual(peer.at);
    }
  }
  peer4.socket.close();
  peer6.socket.close();
});

describe('with one relay port for all', () => {
  test('a thousand allocations each talk with a peer of their own', async () => {
    const count = 1000;
    await serve({
      flags: [
        ...['--max-allocations-per-user', '2000', '--max-allocations-per-address', '2000'],
        ...['--answer-rate', '10000'],
      ],
      sharedRelayPort: true,
    });
    const peers = await Promise.all(Array.from({ length: count }, () => startPeer()));
    for (let first = 0; first < count; first += 50) {
      await Promise.all(Array.from({ length: 50 }, () => open()));
    }
    expect(new Set(sockets.map((socket) => socket.relayed.port))).toEqual(new Set([turn.sharedRelayPort]));
    for (let first = 0; first < count; first += 50) {
      await Promise.all(
        peers.slice(first, first + 50).map(async (peer, i) => {
          const socket = sockets[first + i]!;
          await socket.bind(peer.at);
          socket.send(peer.at, Uint8Array.of(i));
        }),
      );
    }
    for (const [i, peer] of peers.entries()) {
      await eventually(
        `peer ${i} hears`,
        async () => peer.got.length,
        (n) => n === 1,
      );
      expect(peer.got[0]).toMatchObject({ port: turn.sharedRelayPort });
      peer.socket.send(new Uint8Array([i >> 8, i & 0xff]), turn.sharedRelayPort!, '127.0.0.1');
    }
    for (const [i, socket] of sockets.entries()) {
      await socket.until(`client ${i} hears its peer`, () => socket.received.length > 0);
      expect([...socket.received[0]!.bytes]).toEqual([i >> 8, i & 0xff]);
      expect(socket.received[0]!.peer).toEqual(peers[i]!.at);
    }
    for (const peer of peers) peer.socket.close();
  }, 120_000);

  test('a second allocation to the same peer gets a port of its own, and both hear what is theirs', async () => {
    await serve({ sharedRelayPort: true });
    const peer = await startPeer();
    const [first, second] = [await open(), await open()];
    for (const socket of [first, second]) await socket.bind(peer.at);
    for (const [i, socket] of [first, second].entries()) {
      socket.send(peer.at, Uint8Array.of(i));
      await eventually(
        'the peer hears',
        async () => peer.got.length,
        (n) => n === i + 1,
      );
    }
    const ports = peer.got.map(({ port }) => port);
    expect(ports[0]).toBe(turn.sharedRelayPort);
    expect(ports[1]).toBeGreaterThanOrEqual(turn.relayPorts[0]);
    expect(ports[1]).toBeLessThanOrEqual(turn.relayPorts[1]);
    for (const [i, port] of ports.entries()) peer.socket.send(Uint8Array.of(10 + i), port, '127.0.0.1');
    for (const [i, socket] of [first, second].entries()) {
      await socket.until('its answer', () => socket.received.length === 1);
      expect(socket.received[0]!.bytes[0]).toBe(10 + i);
    }
    peer.socket.close();
  });
});

test('a client that asks for its address is told it, over every transport', async () => {
  await serve();
  for (const transport of ['udp', 'tcp', 'tls', 'dtls'] as const) {
    const port = transport === 'tls' || transport === 'dtls' ? turn.tlsPort : turn.port;
    let answer: Uint8Array | undefined;
    const heard = new Promise<void>((resolve) => {
      void openLine(transport, { address: '127.0.0.1', port }, (bytes) => {
        answer = bytes;
        resolve();
      }).then((line) => {
        const transactionId = new Uint8Array(12).fill(7);
        const request = new StunBuilder({ class: 'request', method: stunMethod.binding, transactionId });
        line.send(request.finish());
        void heard.then(() => line.close());
      });
    });
    await heard;
    const message = parseStun(answer!);
    expect([message.class, message.method]).toEqual(['success', stunMethod.binding]);
    expect(findAttribute(message, attributeType.xorMappedAddress)).toHaveLength(8);
    expect(findAttribute(message, attributeType.mappedAddress)).toBe(undefined);
  }
  expect(await turn.metric('stun_binding_request')).toBe(4);
  expect(await turn.metric('stun_binding_response')).toBe(4);
});
