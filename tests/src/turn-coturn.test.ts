import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { freePort } from './sft-process.ts';
import { makeCertificate, startTurnProcess, type TurnProcess, testUser } from './turn-process.ts';
import { TurnSocket } from './turn-socket.ts';

const UCLIENT = '/usr/bin/turnutils_uclient';
const TURNSERVER = '/usr/bin/turnserver';

const ways = ['udp', 'tcp', 'tls', 'dtls'] as const;
const flagsOf: Readonly<Record<(typeof ways)[number], readonly string[]>> = {
  udp: [],
  tcp: ['-t'],
  tls: ['-t', '-S'],
  dtls: ['-S'],
};

/** A peer that sends everything back, on a port and the next. */
async function startEcho(address: string): Promise<{ port: number; close(): void }> {
  const port = await freePort(2);
  const sockets: Socket[] = [];
  for (const at of [port, port + 1]) {
    const type = address.includes(':') ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: 1 << 21 });
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
    socket.bind(at, address);
    await once(socket, 'listening');
    sockets.push(socket);
  }
  return {
    port,
    close: () => {
      for (const socket of sockets) socket.close();
    },
  };
}

describe.skipIf(!existsSync(UCLIENT))("coturn's test client", () => {
  let turn: TurnProcess;
  let echo: Awaited<ReturnType<typeof startEcho>>;
  let echo6: Awaited<ReturnType<typeof startEcho>>;

  beforeAll(async () => {
    [turn, echo, echo6] = await Promise.all([
      startTurnProcess({
        flags: ['--relay-address', '127.0.0.1,::1', '--allow-peer', '::1', '--tcp-relays'],
      }),
      startEcho('127.0.0.1'),
      startEcho('::1'),
    ]);
  });

  afterAll(async () => {
    echo?.close();
    echo6?.close();
    await turn?.close();
  });

  /** Runs it to its end and resolves with what it says of bytes and losses. */
  async function run(words: readonly string[], secure: boolean): Promise<Record<string, number>> {
    const port = String(secure ? turn.tlsPort : turn.port);
    const all = ['-p', port, ...words, '127.0.0.1'];
    const output = await new Promise<string>((resolve, reject) => {
      execFile(UCLIENT, all, { timeout: 40_000 }, (error, stdout, stderr) => {
        if (error) reject(new Error(`${error.message}\n${(stdout + stderr).slice(-400)}`));
        else resolve(stdout + stderr);
      });
    });
    // It tells as it goes; the last of each counts.
    const last = (pattern: RegExp): number => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? Number.NaN);
    return {
      sent: last(/tot_send_bytes ~ (\d+)/g),
      received: last(/tot_recv_bytes ~ (\d+)/g),
      lost: last(/Total lost packets (\d+)/g),
      dropped: last(/total send dropped (\d+)/g),
    };
  }

  const user = ['-u', testUser.username, '-w', testUser.password];
  // Two pairs of relays, as for RTP and RTCP, that send a hundred messages each.
  const load = ['-n', '100', '-m', '4', '-l', '170', '-z', '10'];
  const expected = { sent: 68_000, received: 68_000, lost: 0, dropped: 0 };
  const kinds = [
    ['channels', []],
    ['indications', ['-s']],
  ] as const;
  const plain = (['udp', 'tcp', 'dtls'] as const).flatMap((way) =>
    kinds.map(([kind, words]) => [way, kind, words] as const),
  );
  test.each(plain)('completes over %s with %s, without loss', async (way, _kind, words) => {
    const peer = ['-e', '127.0.0.1', '-r', String(echo.port)];
    expect(await run([...flagsOf[way], ...user, ...load, ...words, ...peer], way === 'dtls')).toEqual(
      expected,
    );
  });

  test.each(kinds)('completes over tls with %s, and everything is relayed', async (_kind, words) => {
    const names = ['rcvp', 'sentp', 'peer_rcvp', 'peer_sentp'].map((name) => `turn_total_traffic_${name}`);
    const relayed = () => Promise.all(names.map((name) => turn.metric(name)));
    const before = await relayed();
    const peer = ['-e', '127.0.0.1', '-r', String(echo.port)];
    // It takes one record when its TLS connection becomes readable and leaves others that came with it lying, with
    // any server; so what it received is no measure.
    const { sent } = await run([...flagsOf.tls, ...user, ...load, ...words, ...peer], true);
    expect(sent).toBe(expected.sent);
    const packets = expected.sent / 170;
    expect((await relayed()).map((count, i) => count - before[i]!)).toEqual(names.map(() => packets));
  });

  test.each([
    ['to an IPv6 peer', ['-x', '-e', '::1']],
    ['with a secret of the REST form', ['-e', '127.0.0.1']],
    ['with padding, DONT-FRAGMENT and requests in between', ['-D', '-g', '-G', '-e', '127.0.0.1']],
  ])('completes %s, without loss', async (what, words) => {
    const port = words.includes('::1') ? echo6.port : echo.port;
    const who = what.includes('secret') ? ['-u', 'bob', '-W', readFileSync(turn.files.secret, 'utf8')] : user;
    expect(await run([...who, ...load, ...words, '-r', String(port)], false)).toEqual(expected);
  });

  test('completes between two clients, relay to relay, without loss', async () => {
    const result = await run([...user, ...load, '-y'], false);
    expect(result).toMatchObject({ lost: 0, dropped: 0 });
    expect(result.received).toBe(result.sent);
    expect(result.sent).toBeGreaterThan(0);
  });

  test.each([
    ['active', '-T', 1],
    // Only one end of each connection is read by it then.
    ['passive', '-P', 0.5],
  ])('completes over TCP relays with %s peers, without loss', async (_name, flag, share) => {
    const result = await run([flag, ...user, '-n', '100', '-m', '2', '-l', '170', '-z', '10'], false);
    expect(result).toMatchObject({ sent: 34_000, received: 34_000 * share, dropped: 0 });
  });

  test('met no defect, and its streams took their allocations with them', async () => {
    for (const type of ['"TCP"', '"TLS/TCP"']) {
      await eventually(
        `no allocation over ${type}`,
        () => turn.metric('turn_total_allocations', type),
        (n) => n === 0,
      );
    }
    expect(await turn.metric('conclave_turn_faults_total')).toBe(0);
  });
});

describe.skipIf(!existsSync(TURNSERVER))("coturn's server", () => {
  const SECRET = 'a-secret-of-the-test';
  let server: ChildProcess;
  let folder: string;
  let ports: { plain: number; tls: number };
  let echo: Awaited<ReturnType<typeof startEcho>>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'conclave-coturn-'));
    const { certificate, key } = makeCertificate(folder);
    echo = await startEcho('127.0.0.1');
    const relay = await freePort(100);
    ports = { plain: await freePort(), tls: await freePort() };
    const words = [
      ...['-n', '-L', '127.0.0.1', '-E', '127.0.0.1', '-p', String(ports.plain)],
      ...['--tls-listening-port', String(ports.tls), '--cert', certificate, '--pkey', key],
      ...['--min-port', String(relay), '--max-port', String(relay + 99), '-r', 'example.org'],
      ...['--use-auth-secret', '--static-auth-secret', SECRET, '--allow-loopback-peers', '--no-cli'],
      ...['--log-file', 'stdout', '--pidfile', join(folder, 'pid'), '--userdb', join(folder, 'users.db')],
    ];
    server = spawn(TURNSERVER, words, { stdio: 'ignore', cwd: folder });
    await eventually('coturn listens', () => answers(ports.tls), Boolean);
  });

  afterAll(async () => {
    echo?.close();
    if (server && server.exitCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    rmSync(folder, { recursive: true });
  });

  function answers(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const probe = createConnection(port, '127.0.0.1');
      probe.on('connect', () => {
        probe.destroy();
        resolve(true);
      });
      probe.on('error', () => resolve(false));
    });
  }

  test.each(ways)('serves our client over %s, without loss', async (transport) => {
    const username = `${Math.floor(Date.now() / 1000) + 600}:carol`;
    const port = transport === 'tls' || transport === 'dtls' ? ports.tls : ports.plain;
    const socket = await TurnSocket.open({
      transport,
      server: { address: '127.0.0.1', port },
      username,
      password: createHmac('sha1', SECRET).update(username).digest('base64'),
    });
    const peer = { address: '127.0.0.1', port: echo.port };
    expect(await socket.permit(peer.address)).toBe(0);
    socket.send(peer, Uint8Array.of(1));
    await socket.until('an echo in an indication', () => socket.received.length === 1);
    await socket.bind(peer);
    for (let i = 0; i < 100; i++) {
      socket.send(peer, Uint8Array.of(2, i, ...new Uint8Array(i)));
      await socket.until(`echo ${i} in the channel`, () => socket.received.length === 2 + i);
    }
    expect(socket.received.map(({ bytes }) => bytes.length)).toEqual([
      1,
      ...Array.from({ length: 100 }, (_, i) => 2 + i),
    ]);
    await socket.release();
    expect(socket.refusal).toBe(0);
  });
});
