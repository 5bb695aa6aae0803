import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { NodeClient } from '@conclave/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { freePort } from './sft-process.ts';

const CONCLAVE = fileURLToPath(new URL('../../apps/conclave/bin/conclave.mjs', import.meta.url));

let folder: string;
const children: ChildProcess[] = [];
const clients: NodeClient[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-up-'));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true });
});

interface Up {
  readonly child: ChildProcess;
  readonly port: number;
  readonly turnPort: number;
  readonly metricsPort: number;
  /** What it said until it served. */
  readonly greeting: string;
}

/** Starts `conclave up` in the empty folder and resolves when it has said where it is. */
async function up(flags: readonly string[], port?: number): Promise<Up> {
  const chosen = port ?? (await freePort());
  const [media, metrics, turn] = [await freePort(), await freePort(), await freePort()];
  const ports = [
    ...['-p', String(chosen), '--media-port', String(media), '-r', String(metrics), '-w', '1'],
    ...['--turn-port', String(turn)],
  ];
  const child = spawn(process.execPath, [CONCLAVE, 'up', ...ports, ...flags], { cwd: folder });
  children.push(child);
  let said = '';
  let problems = '';
  child.stderr.on('data', (text) => {
    problems += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text) => {
      said += text;
      if (said.includes('Ctrl-C.')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`conclave up ended with ${code}: ${problems}`)));
  });
  return { child, port: chosen, turnPort: turn, metricsPort: metrics, greeting: said };
}

/** Runs the command to its end. */
function run(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CONCLAVE, ...words], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function servedCertificate(port: number): Promise<{ fingerprint: string; names: string }> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256, subjectaltname } = socket.getPeerCertificate();
  socket.destroy();
  return { fingerprint: fingerprint256, names: subjectaltname ?? '' };
}

describe('conclave up', () => {
  test('in an empty folder serves page and calls at one printed address, and leaves nothing but a secret behind', async () => {
    const { child, port, greeting } = await up([]);
    expect(greeting).toContain(
      `conclave: open http://localhost:${port}/ in a browser on this machine. Stop it with Ctrl-C.\n`,
    );
    const page = await fetch(`http://127.0.0.1:${port}/`);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    const html = await page.text();
    const script = /src="\.?(\/assets\/[^"]+\.js)"/.exec(html)?.[1];
    const code = await fetch(`http://127.0.0.1:${port}${script}`);
    expect(code.headers.get('cache-control')).toContain('immutable');
    expect((await code.text()).length).toBeGreaterThan(1000);

    const conversation = randomBytes(16).toString('hex');
    for (let i = 0; i < 2; i++) {
      const client = new NodeClient({
        sft: `http://127.0.0.1:${port}`,
        conversation,
        videoSlots: 0,
        request: {},
      });
      clients.push(client);
      await client.join();
    }
    for (const client of clients) await client.until('both in the list', () => client.roster.length === 2);
    for (const client of clients) await client.leave();

    const ended = once(child, 'exit');
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    expect(readdirSync(join(folder, 'conclave-state'))).toEqual(['turn-secret']);
  });

  test('takes its settings from conclave.yaml in the folder, and flags before them', async () => {
    writeFileSync(join(folder, 'conclave.yaml'), 'port: 1\nlan: true\nlisten-address: 127.0.0.1\n');
    const { port, greeting } = await up([]);
    expect(greeting).toContain(`open https://127.0.0.1:${port}/`);
  });

  test('with --lan makes a certificate, says that browsers warn, shows its fingerprint and keeps it', async () => {
    const first = await up(['--lan', '-I', '127.0.0.1']);
    expect(first.greeting).toContain('browsers will warn');
    const served = await servedCertificate(first.port);
    expect(first.greeting).toContain(served.fingerprint);
    expect(served.names).toContain('IP Address:127.0.0.1');
    expect(statSync(join(folder, 'conclave-state/key.pem')).mode & 0o777).toBe(0o600);
    const certificate = readFileSync(join(folder, 'conclave-state/certificate.pem'), 'utf8');
    expect(certificate).toContain('BEGIN CERTIFICATE');
    const ended = once(first.child, 'exit');
    first.child.kill('SIGTERM');
    await ended;
    const second = await up(['--lan', '-I', '127.0.0.1'], first.port);
    expect(await servedCertificate(second.port)).toEqual(served);
  });

  test('runs from what conclave init wrote, and conclave doctor finds it well', async () => {
    const flags = ['--domain', 'meet.example.org', '-A', 'none', '--certificate', 'self-made'];
    expect(await run('init', ...flags)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'conclave.service'), 'utf8')).toContain(`--config ${folder}`);
    const { port, greeting } = await up(['-I', '127.0.0.1', '-O', 'lo']);
    expect(greeting).toContain(`people can open https://meet.example.org:${port}/`);
    expect((await servedCertificate(port)).names).toBe('DNS:meet.example.org');
  });

  test('is found well by conclave doctor while it runs', async () => {
    const { port, turnPort } = await up([]);
    const { code, stdout } = await run('doctor', '-p', String(port), '--turn-port', String(turnPort));
    expect(stdout).toContain(`well     The server answers at http://localhost:${port}.`);
    expect(stdout).toContain('0 problems');
    expect([0, 3]).toContain(code);
  });

  test('tells its page of a TURN server that relays to its media port and nowhere else', async () => {
    const { port, turnPort, metricsPort } = await up([]);
    const secret = join(folder, 'conclave-state/turn-secret');
    expect(statSync(secret).mode & 0o777).toBe(0o600);
    const reply = await fetch(`http://127.0.0.1:${port}/config.json`);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    const text = await reply.text();
    expect(text).not.toContain(readFileSync(secret, 'utf8').trim());
    const { iceServers, validForSeconds } = JSON.parse(text);
    expect(validForSeconds).toBe(3600);
    const { urls, username, credential } = iceServers[0];
    expect(urls).toEqual(['udp', 'tcp'].map((by) => `turn:127.0.0.1:${turnPort}?transport=${by}`));
    expect(Number(/^d=(\d+)\./.exec(username)?.[1])).toBeGreaterThan(Date.now() / 1000 + 3500);

    const listener = createSocket('udp4').bind(0, '127.0.0.1');
    await once(listener, 'listening');
    try {
      const words = ['-y', '-u', username, '-w', credential, '-n', '5', '-m', '1', '-e', '127.0.0.1'];
      const other = ['-r', String(listener.address().port), '-p', String(turnPort), '127.0.0.1'];
      const relayed = spawn('turnutils_uclient', [...words.slice(1), '-c', ...other], { stdio: 'ignore' });
      children.push(relayed);
      const metric = async (name: string): Promise<number> => {
        const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
        expect(metrics.match(/^# TYPE process_cpu_seconds_total/gm)).toHaveLength(1);
        return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
      };
      await eventually(
        'packets to another port are dropped',
        () => metric('conclave_relay_dropped_peer_port_total'),
        (count) => count > 0,
      );
      expect(await metric('turn_total_traffic_peer_sentp')).toBe(0);
    } finally {
      listener.close();
    }
  });

  test('runs without a TURN server when told so', async () => {
    const { port } = await up(['--turn-port', '0']);
    const reply = await fetch(`http://127.0.0.1:${port}/config.json`);
    expect(await reply.json()).toEqual({ iceServers: [], validForSeconds: 3600 });
    expect(existsSync(join(folder, 'conclave-state'))).toBe(false);
  });

  test.each([
    ['--port', async () => [] as string[]],
    ['--metrics-port', async () => ['-p', String(await freePort())]],
    ['--media-port', async () => ['-p', String(await freePort()), '-r', String(await freePort())]],
    [
      '--turn-port',
      async () => [
        ...['-p', String(await freePort()), '-r', String(await freePort())],
        ...['--media-port', String(await freePort())],
      ],
    ],
  ])('names a taken port and the option that changes it: %s', async (option, others) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, stderr } = await run('up', '-w', '1', option, String(port), ...(await others()));
    server.close();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^conclave up: CONCLAVE_PORT_TAKEN: [^\n]+\n$/);
    expect(stderr).toContain(`TCP port ${port} on 127.0.0.1`);
    expect(stderr).toContain(option);
  });

  test('without a built page says how to build it', async () => {
    const { code, stderr } = await run(
      ...['up', '--web', folder, '-p', String(await freePort()), '-r', '0', '-w', '1', '--turn-port', '0'],
      ...['--media-port', String(await freePort())],
    );
    expect(code).toBe(2);
    expect(stderr).toContain('CONCLAVE_WEB_UNREADABLE');
  });
});
