import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const CONCLAVE = fileURLToPath(new URL('../../apps/conclave/bin/conclave.mjs', import.meta.url));

/** An SFT as its operator runs it: the real command in a process of its own. */
export interface SftProcess {
  readonly url: string;
  readonly metricsUrl: string;
  readonly mediaPort: number;
  readonly pid: number;
  /** Everything it printed so far. */
  output(): string;
  /** Value of a metric line without labels, or the sum over labels. */
  metric(name: string): Promise<number>;
  /** Ends it and resolves with its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** How the process is started. */
export interface SftProcessOptions {
  /** Extra command line flags, after those that put it on loopback. */
  readonly flags?: readonly string[];
  /** Command that the process is run under, such as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  /** Address of the signalling server. Default 127.0.0.1. */
  readonly address?: string;
  /** Network interface for media. Default `lo`. */
  readonly interfaceName?: string;
  /** URL that it calls itself. Default: where its signalling is. */
  readonly ownUrl?: string;
  /** Default free ones. */
  readonly ports?: { readonly signalling: number; readonly metrics: number; readonly media: number };
  /** Says whether it serves, for a server that does not log it; asked until it does. Default: it logged it. */
  readonly readyWhen?: () => Promise<boolean>;
}

/** Starts an SFT and resolves when its signalling port answers. */
export async function startSftProcess(options: SftProcessOptions = {}): Promise<SftProcess> {
  const address = options.address ?? '127.0.0.1';
  const host = address.includes(':') ? `[${address}]` : address;
  const ports = options.ports ?? {
    signalling: await freePort(),
    metrics: await freePort(),
    media: await freePort(),
  };
  const url = `http://${host}:${ports.signalling}`;
  const [command, ...before] = [...(options.prefix ?? []), process.execPath];
  const child: ChildProcess = spawn(
    command!,
    [
      ...before,
      CONCLAVE,
      'sft',
      '-I',
      address,
      '-p',
      String(ports.signalling),
      '-M',
      '127.0.0.1',
      '-r',
      String(ports.metrics),
      '-O',
      options.interfaceName ?? 'lo',
      '-u',
      options.ownUrl ?? url,
      '-w',
      '1',
      '--media-port',
      String(ports.media),
      ...(options.flags ?? []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  const ready = new Promise<void>((resolve, reject) => {
    const look = () => {
      if (/"msg":"serving"/.test(output)) resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.on('exit', (code) =>
      reject(new Error(`the SFT ended with ${code} before it was ready:\n${output}`)),
    );
    child.on('error', reject);
  });
  await Promise.race(options.readyWhen ? [ready, untilTrue(options.readyWhen, exited)] : [ready]);
  const metricsUrl = `http://127.0.0.1:${ports.metrics}`;
  return {
    url,
    metricsUrl,
    mediaPort: ports.media,
    pid: child.pid!,
    output: () => output,
    metric: async (name) => {
      const text = await (await fetch(`${metricsUrl}/metrics`)).text();
      let sum = 0;
      for (const line of text.split('\n')) {
        const match = /^([a-z0-9_]+)(?:\{[^}]*\})? ([-0-9.e+]+)$/i.exec(line);
        if (match?.[1] === name) sum += Number(match[2]);
      }
      return sum;
    },
    stop: async (signal = 'SIGKILL') => {
      if (child.exitCode === null) child.kill(signal);
      return exited;
    },
  };
}

async function untilTrue(holds: () => Promise<boolean>, end: Promise<unknown>): Promise<void> {
  let ended = false;
  void end.then(() => {
    ended = true;
  });
  while (!ended && !(await holds().catch(() => false))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const handedOut = new Set<number>();

/**
 * The first of `count` neighbouring ports of this machine that nobody uses, for TCP nor UDP. They lie below those that
 * systems draw from for outgoing connections, so nobody takes them by chance before the server does.
 */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = randomInt(10_000, 32_000);
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (ports.some((port) => handedOut.has(port))) continue;
    const free = await Promise.all(ports.map(isFree));
    if (!free.every(Boolean)) continue;
    for (const port of ports) handedOut.add(port);
    return first;
  }
}

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket('udp4');
  try {
    tcp.listen(port, '127.0.0.1');
    await once(tcp, 'listening');
    udp.bind(port, '127.0.0.1');
    await once(udp, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => tcp.close(resolve));
    udp.close();
  }
}
