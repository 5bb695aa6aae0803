import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createDtlsSession,
  type DtlsEvent,
  type DtlsSession,
  generateDtlsIdentity,
  type SrtpKeys,
  SrtpProfile,
} from '../src/index.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

const profileNames = [
  ['SRTP_AEAD_AES_256_GCM', SrtpProfile.aeadAes256Gcm, 2 * (32 + 12)],
  ['SRTP_AEAD_AES_128_GCM', SrtpProfile.aeadAes128Gcm, 2 * (16 + 12)],
  ['SRTP_AES128_CM_SHA1_80', SrtpProfile.aes128CmSha1_80, 2 * (16 + 14)],
] as const;

/** Runs a session on a UDP socket; `remote` is learned from the first datagram when not given. */
class SessionOnSocket {
  readonly #session: DtlsSession;
  readonly #socket: Socket;
  #remotePort: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #waiting: ((event: DtlsEvent) => void)[] = [];
  readonly #events: DtlsEvent[] = [];

  constructor(session: DtlsSession, socket: Socket, remotePort?: number) {
    this.#session = session;
    this.#socket = socket;
    this.#remotePort = remotePort;
    socket.on('message', (bytes, { port }) => {
      this.#remotePort ??= port;
      session.handlePacket(performance.now(), bytes);
      this.flush();
    });
    session.start(performance.now());
    this.flush();
  }

  flush(): void {
    for (let out = this.#session.pollTransmit(); out !== undefined; out = this.#session.pollTransmit()) {
      this.#socket.send(out, this.#remotePort, '127.0.0.1');
    }
    for (let event = this.#session.pollEvent(); event !== undefined; event = this.#session.pollEvent()) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#events.push(event);
      else waiting(event);
    }
    clearTimeout(this.#timer);
    const deadline = this.#session.pollTimeout();
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => {
      this.#session.handleTimeout(performance.now());
      this.flush();
    }, deadline - performance.now());
  }

  next(): Promise<DtlsEvent> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve(event);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  send(text: string): void {
    this.#session.send(Buffer.from(text));
    this.flush();
  }

  close(): void {
    this.#session.close();
    this.flush();
    this.#socket.close();
  }
}

/** Collects what a process prints, to wait for a line of it. */
class Output {
  #text = '';
  #check: () => void = () => {};

  constructor(child: ChildProcess) {
    const take = (chunk: Buffer): void => {
      this.#text += chunk.toString('latin1');
      this.#check();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
  }

  match(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      this.#check = () => {
        const found = pattern.exec(this.#text);
        if (found !== null) resolve(found);
      };
      this.#check();
    });
  }
}

function hexOf(...parts: Uint8Array[]): string {
  return Buffer.concat(parts).toString('hex').toUpperCase();
}

/** The exported material as RFC 5764 §4.2 orders it. */
function materialOf(keys: SrtpKeys, weAreClient: boolean): string {
  return weAreClient
    ? hexOf(keys.sendKey, keys.receiveKey, keys.sendSalt, keys.receiveSalt)
    : hexOf(keys.receiveKey, keys.sendKey, keys.receiveSalt, keys.sendSalt);
}

describe.runIf(hasOpenssl)('the openssl program', () => {
  let folder = '';
  let files: string[] = [];
  const children: ChildProcess[] = [];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dtls-'));
    files = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    const made = spawnSync('openssl', [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-subj',
        '/CN=peer',
      ],
      ...['-days', '2', '-keyout', files[0]!, '-out', files[1]!],
    ]);
    expect(made.status, made.stderr.toString()).toBe(0);
  });

  afterAll(() => {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true });
  });

  function openssl(...args: string[]): ChildProcess {
    const child = spawn('openssl', args, { stdio: 'pipe' });
    children.push(child);
    return child;
  }

  async function boundSocket(): Promise<Socket> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  }

  const certificateArguments = (): string[] => ['-key', files[0]!, '-cert', files[1]!];

  test.each(profileNames)(
    'as client agrees on %s, on the keys, and hears us',
    async (name, profile, length) => {
      const socket = await boundSocket();
      const identity = generateDtlsIdentity();
      const ours = new SessionOnSocket(
        createDtlsSession({ identity, role: 'server', srtpProfiles: [profile] }),
        socket,
      );
      const client = openssl(
        ...['s_client', '-dtls1_2', '-connect', `127.0.0.1:${socket.address().port}`, '-use_srtp', name],
        ...[
          '-keymatexport',
          'EXTRACTOR-dtls_srtp',
          '-keymatexportlen',
          `${length}`,
          ...certificateArguments(),
        ],
      );
      const output = new Output(client);
      const connected = await ours.next();
      if (connected.type !== 'connected') throw new Error(JSON.stringify(connected));
      expect(connected.srtpKeys!.profile).toBe(profile);
      const material = await output.match(/Keying material: ([0-9A-F]+)\n/);
      expect(materialOf(connected.srtpKeys!, false)).toBe(material[1]);
      client.stdin!.write('from openssl\n');
      expect(await ours.next()).toEqual({
        type: 'data',
        bytes: new Uint8Array(Buffer.from('from openssl\n')),
      });
      ours.send('from us\n');
      await output.match(/from us\n/);
      client.stdin!.end('Q\n');
      expect(await ours.next()).toEqual({ type: 'closed', reason: 'closed by the peer' });
      ours.close();
    },
  );

  test('as client is refused a renegotiation, and goes on', async () => {
    const socket = await boundSocket();
    const ours = new SessionOnSocket(
      createDtlsSession({ identity: generateDtlsIdentity(), role: 'server', srtpProfiles: [] }),
      socket,
    );
    const client = openssl(
      ...[
        's_client',
        '-dtls1_2',
        '-connect',
        `127.0.0.1:${socket.address().port}`,
        ...certificateArguments(),
      ],
    );
    expect(await ours.next()).toMatchObject({ type: 'connected', srtpKeys: undefined });
    const output = new Output(client);
    client.stdin!.write('R\n');
    await output.match(/RENEGOTIATING/);
    await output.match(/no renegotiation/);
    ours.close();
  });

  test.each([
    ['DTLS 1.0', ['-dtls1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['suites without forward secrecy', ['-dtls1_2', '-cipher', 'AES128-GCM-SHA256']],
    ['suites without authenticated encryption', ['-dtls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256']],
  ])('as client with %s alone gets no answer', async (_, args) => {
    const socket = await boundSocket();
    const ours = new SessionOnSocket(
      createDtlsSession({ identity: generateDtlsIdentity(), role: 'server', srtpProfiles: [] }),
      socket,
    );
    let answers = 0;
    const send = socket.send.bind(socket) as (...a: unknown[]) => void;
    socket.send = ((...a: unknown[]) => {
      answers++;
      send(...a);
    }) as Socket['send'];
    openssl('s_client', '-connect', `127.0.0.1:${socket.address().port}`, ...args, ...certificateArguments());
    // Its first message and, a second later, the repetition.
    await once(socket, 'message');
    await once(socket, 'message');
    expect(answers).toBe(0);
    ours.close();
  });

  test('as client with an RSA certificate is accepted, and reported by its fingerprint', async () => {
    const rsa = [join(folder, 'rsa-key.pem'), join(folder, 'rsa-certificate.pem')] as const;
    const made = spawnSync('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=peer', '-days', '2'],
      ...['-keyout', rsa[0], '-out', rsa[1]],
    ]);
    expect(made.status, made.stderr.toString()).toBe(0);
    const socket = await boundSocket();
    const ours = new SessionOnSocket(
      createDtlsSession({ identity: generateDtlsIdentity(), role: 'server', srtpProfiles: [] }),
      socket,
    );
    const port = `${socket.address().port}`;
    openssl('s_client', '-dtls1_2', '-connect', `127.0.0.1:${port}`, '-key', rsa[0], '-cert', rsa[1]);
    expect(await ours.next()).toMatchObject({
      type: 'connected',
      peerFingerprint: new X509Certificate(readFileSync(rsa[1])).fingerprint256,
    });
    ours.close();
  });

  test('as client without a certificate is refused', async () => {
    const socket = await boundSocket();
    const ours = new SessionOnSocket(
      createDtlsSession({ identity: generateDtlsIdentity(), role: 'server', srtpProfiles: [] }),
      socket,
    );
    openssl('s_client', '-dtls1_2', '-connect', `127.0.0.1:${socket.address().port}`);
    expect(await ours.next()).toEqual({
      type: 'closed',
      reason: 'the handshake failed: peer did not return a certificate',
    });
    ours.close();
  });

  test.each(profileNames)('as server agrees on %s and on the keys', async (name, profile, length) => {
    const socket = await boundSocket();
    const free = await boundSocket();
    const { port } = free.address();
    free.close();
    await once(free, 'close');
    const server = openssl(
      ...['s_server', '-dtls1_2', '-accept', `127.0.0.1:${port}`, '-Verify', '1', '-use_srtp', name],
      ...['-keymatexport', 'EXTRACTOR-dtls_srtp', '-keymatexportlen', `${length}`, ...certificateArguments()],
    );
    const output = new Output(server);
    await output.match(/ACCEPT/);
    const ours = new SessionOnSocket(
      createDtlsSession({ identity: generateDtlsIdentity(), role: 'client', srtpProfiles: [profile] }),
      socket,
      port,
    );
    const connected = await ours.next();
    if (connected.type !== 'connected') throw new Error(JSON.stringify(connected));
    const material = await output.match(/Keying material: ([0-9A-F]+)\n/);
    expect(materialOf(connected.srtpKeys!, true)).toBe(material[1]);
    ours.send('from us\n');
    await output.match(/from us\n/);
    server.stdin!.write('from openssl\n');
    expect(await ours.next()).toEqual({ type: 'data', bytes: new Uint8Array(Buffer.from('from openssl\n')) });
    ours.close();
  });
});
