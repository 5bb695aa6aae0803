import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { attributeType, findAttribute, parseStun, StunBuilder, stunMethod } from '@conclave/stun';
import { encodeChannelData, type TurnTransport } from '@conclave/turn';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { startTurnProcess, type TurnProcess, testUser, wireCredential } from './turn-process.ts';
import { openLine, TurnSocket, type TurnSocketOptions } from './turn-socket.ts';

let turn: TurnProcess;
const sockets: TurnSocket[] = [];
const plain: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  for (const socket of plain.splice(0)) socket.close();
  await turn?.close();
});

async function open(options: Partial<TurnSocketOptions> = {}): Promise<TurnSocket> {
  const { transport = 'udp' } = options;
  const port = transport === 'tls' || transport === 'dtls' ? turn.tlsPort : turn.port;
  const socket = await TurnSocket.open({
    transport,
    server: { address: '127.0.0.1', port },
    ...testUser,
    ...options,
  });
  sockets.push(socket);
  return socket;
}

async function udp(onMessage: (bytes: Buffer) => void = () => undefined): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 21 });
  socket.on('message', onMessage);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  plain.push(socket);
  return socket;
}

function allocateRequest(): Uint8Array {
  return new StunBuilder({ class: 'request', method: stunMethod.allocate, transactionId: randomBytes(12) })
    .attribute(attributeType.requestedTransport, Uint8Array.of(17, 0, 0, 0))
    .finish();
}

const bindingRequest = (): Uint8Array =>
  new StunBuilder({ class: 'request', method: stunMethod.binding, transactionId: randomBytes(12) }).finish();

/** Resolves when a Binding is answered over a connection of its own: the server has come to itself. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => {
    const server = { address: '127.0.0.1', port: turn.port };
    // From an address of its own, which no limit is on.
    const line = openLine('tcp', server, () => resolve(), undefined, '127.0.0.9');
    void line.then((l) => l.send(bindingRequest()));
  });
}

const inside4 = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.9.9.9', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.168.1.1', '198.18.0.1', '224.0.0.1', '239.1.1.1'],
  ...['240.0.0.1', '255.255.255.255'],
];
const inside6 = [
  ...['::', '::1', 'fc00::1', 'fd12::1', 'fe80::1', 'ff02::1', '2001:db8::1', '100::1'],
  ...inside4.flatMap((address) => [`::ffff:${address}`, `64:ff9b::${address}`, `::${address}`]),
];

describe('1: a relay is no door into the network it stands in', () => {
  test('peers there are refused in every form, by every request, also the server itself', async () => {
    turn = await startTurnProcess({
      allowLoopback: false,
      flags: ['--deny-peer', '203.0.114.0/24', '--relay-address', '::1'],
    });
    const socket = await open({ families: [4, 6] });
    const [relayed4, relayed6] = socket.client.relayed.map(({ address }) => address);
    for (const peer of [...inside4, ...inside6, relayed4!, relayed6!, '203.0.114.7']) {
      expect([peer, await socket.permit(peer)]).toEqual([peer, 403]);
    }
    expect(await socket.permit('9.9.9.9')).toBe(0);
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      expect(await socket.bind({ address, port: 22 })).toBe(403);
    }
    expect(await turn.metric('conclave_relay_channels')).toBe(0);
    expect(await turn.metric('conclave_relay_permissions')).toBe(1);
  });

  test('a Send indication without permission reaches nobody', async () => {
    turn = await startTurnProcess();
    const got: Buffer[] = [];
    const victim = await udp((bytes) => got.push(bytes));
    const at = { address: '127.0.0.1', port: victim.address().port };
    const lines = [];
    for (const transport of ['udp', 'tcp'] as const) {
      await open({ transport });
      const line = await openLine(transport, { address: '127.0.0.1', port: turn.port }, () => undefined);
      lines.push(line);
      for (const from of [sockets.at(-1)!, undefined]) {
        const indication = new StunBuilder({
          class: 'indication',
          method: stunMethod.send,
          transactionId: randomBytes(12),
        })
          .xorAddress(attributeType.xorPeerAddress, at)
          .attribute(attributeType.data, Uint8Array.of(1));
        if (from) from.sendRaw(indication.finish());
        else line.send(indication.finish());
      }
    }
    await eventually(
      'both were dropped',
      () => turn.metric('conclave_relay_dropped_no_permission_total'),
      (count) => count === 2,
    );
    await eventually(
      'those without allocation too',
      () => turn.metric('conclave_relay_dropped_no_relay_total'),
      (count) => count === 2,
    );
    expect(got).toEqual([]);
    for (const line of lines) line.close();
  });
});

test('3: reserved ports come back when nobody fetches them, and with them the quota', async () => {
  turn = await startTurnProcess({ flags: ['--max-allocations-per-user', '4'], relayPortCount: 40 });
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 4; i++) expect((await open({ transport: 'tcp' })).refusal).toBe(undefined);
    expect((await open()).refusal).toBe(486);
    for (const socket of sockets.splice(0)) socket.close();
    await eventually(
      'all ports free',
      () => turn.metric('conclave_turn_ports'),
      (ports) => ports === 0,
    );
  }
});

test('4: two hundred thousand requests without a credential leave nothing behind, and others are served', async () => {
  turn = await startTurnProcess();
  const attackers = await Promise.all(Array.from({ length: 200 }, () => udp()));
  const flood = async (packets: number): Promise<void> => {
    for (let sent = 0; sent < packets; sent += attackers.length) {
      for (const attacker of attackers) attacker.send(allocateRequest(), turn.port, '127.0.0.1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled();
  };
  const residentMib = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${turn.pid}/status`, 'utf8'))![1]) / 1024;
  await flood(50_000);
  const before = residentMib();
  await flood(200_000);
  await eventually(
    'no more memory is held than before',
    () => Promise.resolve(residentMib() - before),
    (mib) => mib < 32,
  );
  expect(await turn.metric('turn_total_allocations')).toBe(0);
  expect(await turn.metric('conclave_turn_ports')).toBe(0);
  await eventually(
    'somebody elsewhere with a credential is served',
    async () => (await open({ transport: 'tcp', localAddress: '127.0.0.9' })).refusal ?? 0,
    (code) => code === 0,
  );
});

describe('5: answers cannot be turned against others', () => {
  test.each([
    ['challenges', allocateRequest, 4.5],
    ['Binding answers', bindingRequest, 2],
  ])(
    '%s are little longer than what asks for them, and stop when too many ask',
    async (_name, make, ratio) => {
      turn = await startTurnProcess({ flags: ['--answer-rate', '20'] });
      let answers = 0;
      let answerBytes = 0;
      const victim = await udp((bytes) => {
        answers++;
        answerBytes += bytes.length;
      });
      const started = performance.now();
      let asked = 0;
      let askedBytes = 0;
      for (; asked < 1000; asked++) {
        const request = make();
        askedBytes += request.length;
        victim.send(request, turn.port, '127.0.0.1');
        if (asked % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await settled();
      const seconds = (performance.now() - started) / 1000;
      expect(answers).toBeGreaterThan(20);
      expect(answers).toBeLessThanOrEqual(60 + 20 * (seconds + 1));
      expect(answerBytes / answers).toBeLessThanOrEqual((ratio * askedBytes) / asked);
    },
  );
});

test('6: what was authenticated from one address proves nothing from another', async () => {
  turn = await startTurnProcess();
  const sent: Uint8Array[] = [];
  const socket = await open({ onSent: (bytes: Uint8Array) => sent.push(bytes) });
  const authenticated = sent.at(-1)!;
  const codes: number[] = [];
  const thief = await udp((bytes) => {
    const error = findAttribute(parseStun(bytes), attributeType.errorCode);
    codes.push(error ? error[2]! * 100 + error[3]! : 0);
  });
  for (const bytes of [authenticated, authenticated.subarray(0, authenticated.length - 4)]) {
    thief.send(bytes, turn.port, '127.0.0.1');
  }
  await eventually(
    'one answer: the other is malformed',
    async () => codes,
    (list) => list.length > 0,
  );
  await settled();
  expect(codes).toEqual([438]);
  expect(await turn.metric('turn_total_allocations')).toBe(1);
  await socket.release();
});

test('8: the log of whole calls has no secret, password, user name nor client address in it', async () => {
  turn = await startTurnProcess({ flags: ['--verbose'] });
  const secret = readFileSync(turn.files.secret, 'utf8');
  const credentials = [testUser, wireCredential(secret), wireCredential(secret, -1)];
  const ports: number[] = [];
  for (const credential of credentials) {
    for (const transport of ['udp', 'tcp', 'tls', 'dtls'] as TurnTransport[]) {
      const socket = await open({ transport, ...credential });
      ports.push(socket.localPort);
      if (socket.refusal === undefined) {
        await socket.permit('127.0.0.1');
        await socket.permit('10.0.0.1');
        await socket.release();
      }
    }
  }
  turn.signal('SIGHUP');
  turn.signal('SIGTERM');
  expect(await turn.ended).toBe(0);
  const log = turn.output();
  expect(log).toContain('drained');
  for (const text of [secret, 'wonder', ...credentials.flatMap((c) => [c.username, c.password])]) {
    expect(log).not.toContain(text);
  }
  for (const port of ports) expect(log).not.toContain(String(port));
});

describe('9: channels', () => {
  test('over a stream are found at whatever bytes it is cut, and padding does not shift them', async () => {
    turn = await startTurnProcess();
    const got: number[] = [];
    const peer = await udp((bytes) => got.push(bytes.length));
    const at = { address: '127.0.0.1', port: peer.address().port };
    const socket = await open({ transport: 'tcp' });
    await socket.bind(at);
    const channel = socket.client.channelTo(performance.now(), at)!;
    const sizes = [1, 2, 3, 4, 5, 171];
    const stream = Buffer.concat(
      sizes.map((size) => encodeChannelData(channel, new Uint8Array(size).fill(7), true)),
    );
    for (let cut = 1; cut < stream.length; cut += 3) {
      socket.sendRaw(stream.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      socket.sendRaw(stream.subarray(cut));
    }
    for (const byte of stream) socket.sendRaw(Uint8Array.of(byte));
    const times = Math.ceil((stream.length - 1) / 3) + 1;
    await eventually(
      'all of them at the peer',
      async () => got.length,
      (count) => count === times * sizes.length,
    );
    expect(got).toEqual(Array.from({ length: times }, () => sizes).flat());
  });

  test('that are unbound, cut short or too long carry nothing, and bytes of no protocol end a stream', async () => {
    turn = await startTurnProcess();
    let got = 0;
    const peer = await udp(() => got++);
    const at = { address: '127.0.0.1', port: peer.address().port };
    const socket = await open();
    await socket.bind(at);
    const channel = socket.client.channelTo(performance.now(), at)!;
    const whole = encodeChannelData(channel, new Uint8Array(5), false);
    for (const bytes of [
      encodeChannelData(channel + 1, new Uint8Array(5), false),
      whole.subarray(0, 8),
      whole.subarray(0, 3),
      Buffer.concat([whole, new Uint8Array(4)]),
      Buffer.from([0x80, 0, 0, 1, 1]),
      new Uint8Array(0),
    ]) {
      socket.sendRaw(bytes);
    }
    socket.sendRaw(whole);
    await eventually(
      'the whole one alone',
      async () => got,
      (count) => count === 1,
    );
    const foreign = connect(turn.port, '127.0.0.1');
    foreign.on('error', () => undefined);
    foreign.write('GET / HTTP/1.1\r\n\r\n');
    await once(foreign, 'close');
    await settled();
    expect(got).toBe(1);
  });
});
