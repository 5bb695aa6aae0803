import { execFile, spawnSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Secret } from '@conclave/bytes';
import { type AccessToken, issueToken } from '@conclave/econn';
import { NodeClient } from '@conclave/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let sft: SftProcess | undefined;
const clients: NodeClient[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-command-'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await sft?.stop();
  sft = undefined;
  rmSync(folder, { recursive: true });
});

function caller(conversation: string, request: Readonly<Record<string, unknown>> = {}): NodeClient {
  const client = new NodeClient({ sft: sft!.url, conversation, videoSlots: 0, request });
  clients.push(client);
  return client;
}

async function joined(
  conversation: string,
  request: Readonly<Record<string, unknown>> = {},
): Promise<NodeClient> {
  const client = caller(conversation, request);
  await client.join();
  return client;
}

/** `speaker` speaks until `listener` has heard ten more packets of it. */
async function expectHeard(listener: NodeClient, speaker: NodeClient, participants = 2): Promise<void> {
  for (const client of [listener, speaker])
    await client.until('all in the list', () => client.roster.length === participants);
  const source = Number(listener.roster.find(({ userid }) => userid === speaker.userId)?.ssrc_audio);
  const before = listener.heardFrom(source);
  const speech = setInterval(() => speaker.sendAudio(20), 20);
  try {
    await listener.until('the voice', () => listener.heardFrom(source) >= before + 10);
  } finally {
    clearInterval(speech);
  }
}

/** Runs the command to its end. */
function run(
  program: string,
  words: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(program, words, { cwd: ROOT }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const logged = (what: string): Promise<unknown> =>
  eventually(
    `"${what}" in the log`,
    async () => sft!.output(),
    (text) => text.includes(what),
  );

describe('the command', () => {
  test('is found by npx and knows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'apps/conclave/package.json'), 'utf8'));
    expect(await run('npx', ['--no-install', 'conclave', '--version'])).toMatchObject({
      code: 0,
      stdout: `conclave ${version}\n`,
    });
  });

  test('serves calls, its address and metrics, and says in one sentence where', async () => {
    sft = await startSftProcess();
    await eventually(
      'the sentence',
      async () => sft!.output().split('\n'),
      (lines) =>
        lines.includes(
          `conclave: the SFT is running at ${sft!.url} (media on port ${sft!.mediaPort}, ` +
            `metrics at ${sft!.metricsUrl}/metrics). Stop it with Ctrl-C.`,
        ),
    );
    const a = await joined('serves');
    const b = await joined('serves');
    await expectHeard(a, b);
    await expectHeard(b, a);
    const address = await fetch(`${sft.url}/sft/url`);
    expect(await address.text()).toBe(`${sft.url}\r\n`);
    expect((await fetch(`${sft.metricsUrl}/healthz`)).status).toBe(200);
    expect(await sft.metric('sft_participants')).toBe(2);
  });

  test('-q keeps the sentence and the log of ordinary events to itself', async () => {
    const ports = { signalling: await freePort(), metrics: await freePort(), media: await freePort() };
    const url = `http://127.0.0.1:${ports.signalling}`;
    sft = await startSftProcess({
      ports,
      flags: ['-q'],
      readyWhen: async () => (await fetch(`${url}/sft/url`)).ok,
    });
    await joined('quiet');
    expect(sft.output()).toBe('');
  });

  test('-w 2 opens a UDP and a TCP port for each of two threads and spreads conferences over them', async () => {
    const media = await freePort(2);
    const ports = { signalling: await freePort(), metrics: await freePort(), media };
    sft = await startSftProcess({ ports, flags: ['-w', '2'] });
    for (const port of [media, media + 1]) {
      const connection = connect(port, '127.0.0.1');
      await once(connection, 'connect');
      connection.destroy();
      const socket = createSocket('udp4');
      socket.bind(port, '127.0.0.1');
      expect(await once(socket, 'error')).toMatchObject([{ code: 'EADDRINUSE' }]);
    }
    const used: number[] = [];
    for (const conversation of ['first', 'second']) {
      const a = await joined(conversation);
      const b = await joined(conversation);
      await expectHeard(a, b);
      expect(a.serverAddress.port).toBe(b.serverAddress.port);
      used.push(a.serverAddress.port);
    }
    expect(used.toSorted()).toEqual([media, media + 1]);
  });

  test.each([
    [['sft', '--nope'], 'conclave sft: CONCLAVE_FLAG_UNKNOWN: unknown flag "--nope"'],
    [['sft', '-p', '99999'], 'conclave sft: CONCLAVE_OPTION_INVALID: -p (--listen-port) must be'],
    [['sft', '--srtp-profiles', 'rot13'], 'conclave sft: CONCLAVE_OPTION_INVALID: --srtp-profiles must be'],
    [['sft', '-O', 'no-such-if'], 'conclave sft: CONCLAVE_INTERFACE_UNKNOWN: there is no network interface'],
    [['serve'], 'conclave: CONCLAVE_COMMAND_UNKNOWN: unknown command "serve"'],
  ])('%j exits with 2 and one line on the error stream', async (words, beginning) => {
    const { code, stdout, stderr } = await run(process.execPath, [
      'apps/conclave/bin/conclave.mjs',
      ...words,
    ]);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr.startsWith(beginning)).toBe(true);
  });

  test('exits with 1 and one line when its port is taken', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, stderr } = await run(process.execPath, [
      'apps/conclave/bin/conclave.mjs',
      ...[
        'sft',
        '-O',
        'lo',
        '-w',
        '1',
        '-p',
        String(port),
        '-r',
        '0',
        '--media-port',
        String(await freePort()),
      ],
    ]);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toBe(
      `conclave sft: CONCLAVE_LISTEN_FAILED: cannot listen on 127.0.0.1 port ${port} (EADDRINUSE)\n`,
    );
  });
});

describe('a signal', () => {
  test('ends a server without calls at once', async () => {
    sft = await startSftProcess();
    expect(await sft.stop('SIGTERM')).toBe(0);
  });

  test('lets a running call go on, sends new callers elsewhere, and ends the server with the call', async () => {
    sft = await startSftProcess();
    const a = await joined('drained');
    const b = await joined('drained');
    expect((await fetch(`${sft.metricsUrl}/readyz`)).status).toBe(200);
    const ended = sft.stop('SIGTERM');
    await logged('draining');
    expect((await fetch(`${sft.metricsUrl}/readyz`)).status).toBe(503);
    expect((await fetch(`${sft.metricsUrl}/healthz`)).status).toBe(200);
    for (const conversation of ['new', 'drained']) {
      const connection = JSON.stringify({
        version: '3.0',
        type: 'CONFCONN',
        sessid: conversation,
        src_userid: randomBytes(16).toString('hex'),
        src_clientid: '_',
        resp: false,
      });
      const response = await fetch(`${sft.url}/sft/${conversation}`, {
        method: 'POST',
        body: connection,
        redirect: 'manual',
      });
      expect(response.status).toBe(303);
    }
    await expectHeard(a, b);
    await a.leave();
    await b.until('alone', () => b.roster.length === 1);
    await b.leave();
    expect(await ended).toBe(0);
    expect(sft.output()).toContain('"msg":"drained"');
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('%s for the second time ends the server although a call runs', async (signal, expected) => {
    sft = await startSftProcess();
    await joined('cut');
    const ended = sft.stop('SIGTERM');
    await logged('draining');
    expect(await sft.metric('sft_participants')).toBe(1);
    process.kill(sft.pid, signal);
    expect(await ended).toBe(expected);
  });
});

describe('calls with tokens', () => {
  const secretWord = randomBytes(24).toString('hex');
  const newSecretWord = randomBytes(24).toString('hex');

  function token(grant: { secret?: string; start?: boolean; validForS?: number }): AccessToken {
    return issueToken({
      expiresAtSeconds: Date.now() / 1000 + (grant.validForS ?? 3600),
      mayStart: grant.start ?? false,
      owner: randomBytes(8).toString('hex'),
      secret: new Secret(Buffer.from(grant.secret ?? secretWord)),
      hmacSha512: (key, data) => createHmac('sha512', key).update(data).digest(),
    });
  }

  function fieldsOf({ username, credential }: AccessToken): Readonly<Record<string, string>> {
    return { username, credential: credential.reveal() };
  }

  test('come in by what their token grants, until the secret is another', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, `${secretWord}\n`);
    sft = await startSftProcess({ flags: ['-a', '-s', path] });
    const start = fieldsOf(token({ start: true }));
    const joining = fieldsOf(token({}));
    await expect(joined('auth', joining)).rejects.toThrow('refused with status 5');
    const a = await joined('auth', start);
    const b = await joined('auth', joining);
    await expectHeard(a, b);
    for (const [fields, status] of [
      [{}, 2],
      [{ username: start.username }, 2],
      [{ ...start, credential: joining.credential }, 2],
      [{ ...start, username: start.username!.replace('.s=1.', '.s=0.') }, 2],
      [fieldsOf(token({ start: true, secret: newSecretWord })), 2],
      [fieldsOf(token({ start: true, validForS: -1 })), 3],
    ] as const) {
      await expect(joined('auth', fields)).rejects.toThrow(`refused with status ${status}`);
    }
    writeFileSync(path, newSecretWord);
    process.kill(sft.pid, 'SIGHUP');
    await logged('read again');
    await joined('auth', fieldsOf(token({ secret: newSecretWord })));
    await expect(joined('auth', joining)).rejects.toThrow('refused with status 2');
    await expectHeard(a, b, 3);
  });

  test('leave neither secrets nor whole hashes in the most detailed log and the metrics', async () => {
    const path = join(folder, 'secret');
    writeFileSync(path, secretWord);
    const conversation = randomBytes(16).toString('hex');
    sft = await startSftProcess({ flags: ['-v', '-a', '-s', path] });
    const good = token({ start: true });
    const forged = token({ start: true, secret: newSecretWord });
    const a = await joined(conversation, fieldsOf(good));
    const b = await joined(conversation, fieldsOf(good));
    await expect(joined(conversation, fieldsOf(forged))).rejects.toThrow('refused');
    const again = await a.prepare(true);
    await a.sendAnswer(again.type, again.sdp);
    await a.until('the new leg', () => a.channelOpen && a.roster.length === 2);
    await expectHeard(b, a);
    const metrics = await (await fetch(`${sft.metricsUrl}/metrics`)).text();
    await a.leave();
    await b.leave();
    expect(await sft.stop('SIGTERM')).toBe(0);

    const text = sft.output() + metrics;
    expect(text, 'the call is in the log, shortened').toContain(conversation.slice(0, 6));
    expect(text).toContain(a.userId.slice(0, 6));
    for (const hidden of [
      secretWord,
      good.credential.reveal(),
      good.username,
      forged.credential.reveal(),
      conversation,
      ...clients.map(({ userId }) => userId),
    ]) {
      expect(text).not.toContain(hidden);
      // Not cut in the middle either: half a hash still says whose it is.
      expect(text).not.toContain(hidden.slice(0, 16));
    }
    for (const client of clients) {
      for (const ice of client.offer.sections[0]?.lines.filter((line) => /ice-pwd|ice-ufrag/.test(line)) ??
        [])
        expect(text).not.toContain(ice.split(':')[1]);
    }
  });
});

const openssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;

describe.skipIf(!openssl)('HTTPS (needs the openssl program)', () => {
  let certificatePath: string;
  let keyPath: string;

  beforeEach(() => {
    certificatePath = join(folder, 'certificate.pem');
    keyPath = join(folder, 'key.pem');
  });

  /** A new certificate for this machine with its key, put where the server looks. */
  function renew(): void {
    const fresh = { certificate: `${certificatePath}.new`, key: `${keyPath}.new` };
    const { status, stderr } = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
        ...['-subj', '/CN=conclave test', '-addext', 'subjectAltName=IP:127.0.0.1'],
        ...['-keyout', fresh.key, '-out', fresh.certificate],
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(stderr);
    renameSync(fresh.key, keyPath);
    renameSync(fresh.certificate, certificatePath);
  }

  async function startSecure(): Promise<number> {
    const ports = { signalling: await freePort(), metrics: await freePort(), media: await freePort() };
    const flags = [
      '--tls-cert',
      certificatePath,
      '--tls-key',
      keyPath,
      '-u',
      `https://127.0.0.1:${ports.signalling}`,
    ];
    sft = await startSftProcess({ ports, flags });
    return ports.signalling;
  }

  /** Posts a message on a connection of its own, which trusts the certificate in the file and nothing else. */
  function post(port: number, message: object): Promise<{ type: string; sdp: string; url: string }> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: '127.0.0.1',
          port,
          path: '/sft/secure',
          method: 'POST',
          ca: readFileSync(certificatePath),
          agent: false,
        },
        async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve(JSON.parse(text));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(JSON.stringify(message));
    });
  }

  const call = {
    version: '3.0',
    type: 'CONFCONN',
    sessid: 'secure',
    src_userid: 'someone',
    src_clientid: '_',
    resp: false,
    toolver: '10.0.0',
    selective_audio: true,
    selective_video: true,
    vstreams: 1,
  };

  async function servedFingerprint(port: number): Promise<string> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  }

  test('serves with the certificate of its files, and speaks no plain HTTP there', async () => {
    renew();
    const port = await startSecure();
    const setup = await post(port, call);
    expect(setup).toMatchObject({ type: 'SETUP', url: `https://127.0.0.1:${port}` });
    expect(setup.sdp).toContain('a=fingerprint:sha-256 ');
    await expect(fetch(`http://127.0.0.1:${port}/sft/url`)).rejects.toThrow();
  });

  test('takes up a renewed certificate by itself, and at SIGHUP, and keeps the old one when the new is no good', async () => {
    renew();
    const port = await startSecure();
    const first = await servedFingerprint(port);
    renew();
    const second = await eventually(
      'the renewed certificate',
      () => servedFingerprint(port),
      (fingerprint) => fingerprint !== first,
    );
    await post(port, call);

    renew();
    process.kill(sft!.pid, 'SIGHUP');
    const third = await eventually(
      'the next one, before the files are looked at again',
      () => servedFingerprint(port),
      (fingerprint) => fingerprint !== second,
      4_000,
    );

    writeFileSync(keyPath, 'no key');
    process.kill(sft!.pid, 'SIGHUP');
    await logged('reload failed');
    expect(await servedFingerprint(port)).toBe(third);
    await post(port, call);
  });

  test('refuses to start with a key of another certificate', async () => {
    renew();
    const key = readFileSync(keyPath);
    renew();
    writeFileSync(keyPath, key);
    const { code, stderr } = await run(process.execPath, [
      'apps/conclave/bin/conclave.mjs',
      ...['sft', '--tls-cert', certificatePath, '--tls-key', keyPath],
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^conclave sft: CONCLAVE_TLS_INVALID: [^\n]+\n$/);
  });
});
