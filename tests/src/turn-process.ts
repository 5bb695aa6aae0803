import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, createHmac, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './sft-process.ts';

const CONCLAVE = fileURLToPath(new URL('../../apps/conclave/bin/conclave.mjs', import.meta.url));

/** The static user of every server under test. */
export const testUser = { username: 'alice', password: 'wonder' } as const;

/** A TURN server as its operator runs it: the real command in a process of its own. */
export interface TurnProcess {
  readonly address: string;
  /** UDP and TCP. */
  readonly port: number;
  /** TLS and DTLS. */
  readonly tlsPort: number;
  /** First and last port of the relays. */
  readonly relayPorts: readonly [number, number];
  /** The port that relays share, when they do. */
  readonly sharedRelayPort: number | undefined;
  readonly metricsUrl: string;
  readonly pid: number;
  /** Files that it watches. */
  readonly files: { readonly certificate: string; readonly key: string; readonly secret: string };
  /** Everything it printed so far. */
  output(): string;
  /** Value of a metric line, or the sum over labels; `label` picks lines by a text in the braces. */
  metric(name: string, label?: string): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code when the process has ended. */
  readonly ended: Promise<number | null>;
  /** Ends it at once and removes its files. */
  close(): Promise<void>;
}

/** How the process is started. */
export interface TurnProcessOptions {
  /** Extra command line flags. */
  readonly flags?: readonly string[];
  /** Address of listeners and relays. Default 127.0.0.1, whose network is allowed as peers then. */
  readonly address?: string;
  /** Address of the relays. Default that of the listeners. */
  readonly relayAddress?: string;
  /** Whether peers on loopback are allowed. Default: when the address is the default. */
  readonly allowLoopback?: boolean;
  /** Command that the process is run under, such as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  /** How many relay ports. Default 200. */
  readonly relayPortCount?: number;
  /** Whether relays share one port. */
  readonly sharedRelayPort?: boolean;
  /** Fixed ports, for hosts of their own. */
  readonly ports?: { readonly plain: number; readonly tls: number; readonly relay: number };
}

/** A self-made certificate for loopback addresses with its key, as PEM files in `folder`. */
export function makeCertificate(folder: string, name = 'localhost'): { certificate: string; key: string } {
  const [certificate, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'.split(' ');
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name},IP:127.0.0.1`];
  execFileSync('openssl', [...words, ...subject, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  return { certificate, key };
}

/** What Chromium's `--ignore-certificate-errors-spki-list` knows a certificate by, so that it takes this one alone. */
export function pinOf(certificatePath: string): string {
  const { publicKey } = new X509Certificate(readFileSync(certificatePath));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

/** Starts a TURN server with all transports and resolves when it serves. */
export async function startTurnProcess(options: TurnProcessOptions = {}): Promise<TurnProcess> {
  const address = options.address ?? '127.0.0.1';
  const host = address.includes(':') ? `[${address}]` : address;
  const count = options.relayPortCount ?? 200;
  const [plain, tls, relay, metrics] = options.ports
    ? [options.ports.plain, options.ports.tls, options.ports.relay, await freePort()]
    : [await freePort(), await freePort(), await freePort(count), await freePort()];
  const shared = options.sharedRelayPort ? await freePort() : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'conclave-turn-'));
  const { certificate, key } = makeCertificate(folder);
  const secret = join(folder, 'secret');
  const users = join(folder, 'users');
  writeFileSync(secret, randomBytes(24).toString('base64url'));
  writeFileSync(users, `${testUser.username}:${testUser.password}\n`);
  const [command, ...before] = [...(options.prefix ?? []), process.execPath];
  const words = [
    ...['turn', '--listen', `${host}:${plain}`, '--listen-tls', `${host}:${tls}`],
    ...['--relay-address', options.relayAddress ?? address, '--relay-ports', `${relay}-${relay + count - 1}`],
    ...['--realm', 'example.org', '--secret-file', secret, '--user-file', users],
    ...['--tls-cert', certificate, '--tls-key', key, '-M', '127.0.0.1', '-r', String(metrics), '-w', '1'],
    ...((options.allowLoopback ?? options.address === undefined) ? ['--allow-peer', '127.0.0.0/8'] : []),
    ...(shared === undefined ? [] : ['--shared-relay-port', String(shared)]),
    ...(options.flags ?? []),
  ];
  const child: ChildProcess = spawn(command!, [...before, CONCLAVE, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ended = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: unknown) => {
      output += chunk;
      if (/"msg":"serving"/.test(output)) resolve();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.on('error', reject);
    void ended.then((code) => reject(new Error(`the TURN server ended with ${code}:\n${output}`)));
  });
  const metricsUrl = `http://127.0.0.1:${metrics}`;
  return {
    address,
    port: plain,
    tlsPort: tls,
    relayPorts: [relay, relay + count - 1],
    sharedRelayPort: shared,
    metricsUrl,
    pid: child.pid!,
    files: { certificate, key, secret },
    output: () => output,
    metric: async (name, label = '') => {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      let sum = 0;
      for (const line of text.split('\n')) {
        const match = /^([a-z0-9_]+)(\{[^}]*\})? ([-0-9.e+]+)$/i.exec(line);
        if (match?.[1] === name && (match[2] ?? '').includes(label)) sum += Number(match[3]);
      }
      return sum;
    },
    signal: (signal) => {
      child.kill(signal);
    },
    ended,
    close: async () => {
      if (child.exitCode === null) child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** A credential in Wire's form, good for `lifeS` seconds from now; negative for one that has expired. */
export function wireCredential(secret: string, lifeS = 600): { username: string; password: string } {
  const expiry = Math.floor(Date.now() / 1000) + lifeS;
  const username = `d=${expiry}.v=1.k=0.t=s.r=${randomBytes(8).toString('hex')}`;
  return { username, password: createHmac('sha512', secret).update(username).digest('base64') };
}

/** A credential in the REST form. */
export function restCredential(
  secret: string,
  name: string,
  lifeS = 600,
): { username: string; password: string } {
  const username = `${Math.floor(Date.now() / 1000) + lifeS}:${name}`;
  return { username, password: createHmac('sha1', secret).update(username).digest('base64') };
}
