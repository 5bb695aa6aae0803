import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConclaveError } from '@conclave/service';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartSft } from '../../sft/src/running-sft.ts';
import type { SftConfig } from '../../sft/src/sft-config.ts';
import * as options from '../../sft/src/sft-config-options.ts';
import { runCli } from './cli.ts';
import { createSftCommand } from './sft-command.ts';

/** A server that remembers what it was told and ends when the test says so. */
class FakeSft {
  config: SftConfig | undefined;
  version: string | undefined;
  reloads = 0;
  closed = 0;
  failure: Error | undefined;
  readonly signals = new EventEmitter();
  endConferences = (): void => {};
  draining = false;
  readonly #started: Promise<void>;
  #markStarted = (): void => {};

  constructor() {
    this.#started = new Promise((resolve) => {
      this.#markStarted = resolve;
    });
  }

  /** Resolves when signals have handlers. */
  async started(): Promise<void> {
    await this.#started;
    while (this.signals.listenerCount('SIGTERM') === 0) await nextTurn();
  }

  readonly start: StartSft = async (config, { version }) => {
    if (this.failure) throw this.failure;
    this.config = config;
    this.version = version;
    this.#markStarted();
    return {
      signalling: config.signalling,
      metrics: config.metrics,
      drain: () => {
        this.draining = true;
        return new Promise((resolve) => {
          this.endConferences = resolve;
        });
      },
      reload: async () => {
        this.reloads++;
      },
      close: async () => {
        this.closed++;
      },
    };
  };
}

/** Lets everything that waits for a turn of the event loop have it. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Run {
  readonly sft: FakeSft;
  readonly code: Promise<number>;
  readonly out: () => string;
  readonly err: () => string;
  readonly log: () => string;
}

function run(line: string, environment: Record<string, string> = {}, sft = new FakeSft()): Run {
  let out = '';
  let err = '';
  let log = '';
  const command = createSftCommand({
    program: { ...options, startSft: sft.start },
    signals: sft.signals,
    logStream: {
      write: (text) => {
        log += text;
      },
    },
  });
  const code = runCli(
    {
      words: line.split(' ').filter((word) => word !== ''),
      environment,
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      version: '1.2.3',
    },
    [command],
  );
  return { sft, code, out: () => out, err: () => err, log: () => log };
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('conclave', () => {
  it.each(['--help', '-h', 'help'])('%s lists the commands', async (word) => {
    const { code, out, err } = run(word);
    expect(await code).toBe(0);
    expect(out()).toMatch(/^Usage: conclave COMMAND/);
    expect(out()).toContain('  sft  Run a selective forwarding server');
    expect(err()).toBe('');
  });

  it('--version prints the version', async () => {
    const { code, out } = run('--version');
    expect(await code).toBe(0);
    expect(out()).toBe('conclave 1.2.3\n');
  });

  it.each([
    ['', 'conclave: CONCLAVE_COMMAND_UNKNOWN: no command given (see `conclave --help`)\n'],
    ['turn', 'conclave: CONCLAVE_COMMAND_UNKNOWN: unknown command "turn" (see `conclave --help`)\n'],
    [
      '-p 1 sft',
      'conclave: CONCLAVE_FLAG_UNKNOWN: unknown flag "-p" before a command (see `conclave --help`)\n',
    ],
  ])('"%s" is wrong use', async (line, message) => {
    const { code, err, out } = run(line);
    expect(await code).toBe(2);
    expect(err()).toBe(message);
    expect(out()).toBe('');
  });
});

describe('conclave sft', () => {
  it('--help describes every flag, its variable and its default', async () => {
    const { code, out } = run('sft --help');
    expect(await code).toBe(0);
    for (const [name, option] of Object.entries(options.sftOptions)) {
      expect(out()).toContain(`${option.short === undefined ? '' : `-${option.short}, `}--${name}`);
    }
    expect(out()).toContain('Default: 8585.');
    expect(out()).toContain('CONCLAVE_SFT_CONFIG');
    expect(out()).toContain('Accepted for old command lines, without effect:');
    for (const line of out().split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('starts a server with its settings and drains it at SIGTERM', async () => {
    const { sft, code, err, log } = run(
      'sft -I 127.0.0.1 -p 8585 -A 127.0.0.1 -O lo -M 127.0.0.1 -r 49090 -u http://127.0.0.1:8585 -w 2',
    );
    await sft.started();
    expect(sft.config).toMatchObject({
      signalling: { address: '127.0.0.1', port: 8585 },
      publicAddresses: ['127.0.0.1'],
      interfaces: ['lo'],
      workers: 2,
    });
    expect(sft.version).toBe('1.2.3');
    sft.signals.emit('SIGTERM');
    expect(sft.draining).toBe(true);
    expect(sft.closed).toBe(0);
    sft.endConferences();
    expect(await code).toBe(0);
    expect(sft.closed).toBe(1);
    expect(sft.signals.eventNames()).toEqual([]);
    expect(err()).toBe('');
    expect(log()).toContain('"msg":"serving"');
  });

  it.each([
    [
      '-w 1',
      'conclave: the SFT is running at http://127.0.0.1:8585 (media on port 40000, metrics at http://127.0.0.1:49090/metrics). Stop it with Ctrl-C.\n',
    ],
    [
      '-w 3 -u https://sft.example/a --media-port 5000 -M ::1',
      'conclave: the SFT is running at https://sft.example/a (media on ports 5000 to 5002, metrics at http://[::1]:49090/metrics). Stop it with Ctrl-C.\n',
    ],
    ['-q', ''],
  ])('%s tells a person where it is', async (flags, sentence) => {
    const { sft, out } = run(`sft ${flags}`);
    await sft.started();
    expect(out()).toBe(sentence);
  });

  it('ends at once at a second signal', async () => {
    const { sft, code } = run('sft');
    await sft.started();
    sft.signals.emit('SIGINT');
    sft.signals.emit('SIGINT');
    expect(await code).toBe(130);
    expect(sft.closed).toBe(0);
  });

  it('reloads at SIGHUP', async () => {
    const { sft, code } = run('sft');
    await sft.started();
    sft.signals.emit('SIGHUP');
    while (sft.reloads === 0) await nextTurn();
    sft.signals.emit('SIGTERM');
    sft.endConferences();
    expect(await code).toBe(0);
  });

  it('takes flags before variables before the file', async () => {
    const file = join(folder, 'sft.yaml');
    writeFileSync(file, 'listen-port: 1\nmetrics-port: 2\nmedia-port: 3\nworkers: 1\n');
    const { sft } = run(`sft --config ${file} -p 10`, {
      CONCLAVE_SFT_LISTEN_PORT: '20',
      CONCLAVE_SFT_METRICS_PORT: '30',
    });
    await sft.started();
    expect(sft.config).toMatchObject({
      signalling: { port: 10 },
      metrics: { port: 30 },
      mediaPort: 3,
      workers: 1,
    });
  });

  it('warns of what has no effect, and runs', async () => {
    const { sft, err } = run('sft -x alice -c hunter2 -T', { CONCLAVE_SFT_TYPO: '1' });
    await sft.started();
    expect(err().trimEnd().split('\n')).toEqual([
      'conclave sft: warning: the environment variable "CONCLAVE_SFT_TYPO" is no setting of this command',
      'conclave sft: warning: -x (--turn-username) has no effect: credentials for the TURN server come from --secret-file',
      'conclave sft: warning: -c (--turn-password) has no effect: credentials for the TURN server come from --secret-file',
      'conclave sft: warning: -T (--turn-discovery) is recorded but not served yet: TURN servers of callers are not used',
    ]);
  });

  it.each([
    ['--nope', 'CONCLAVE_FLAG_UNKNOWN: unknown flag "--nope"'],
    ['-z', 'CONCLAVE_FLAG_UNKNOWN: unknown flag "-z"'],
    ['-p', 'CONCLAVE_FLAG_VALUE_MISSING: -p (--listen-port) needs a value'],
    [
      '-p 70000',
      'CONCLAVE_OPTION_INVALID: -p (--listen-port) must be a whole number from 0 to 65535, not "70000"',
    ],
    ['-a', 'CONCLAVE_OPTIONS_CONFLICT: -a (--require-auth) needs -s (--secret-file)'],
    ['-a -s /nowhere/s', 'CONCLAVE_SECRET_UNREADABLE: cannot read the secret file "/nowhere/s" (ENOENT)'],
    [
      '--config /nowhere/c',
      'CONCLAVE_CONFIG_UNREADABLE: cannot read the configuration file "/nowhere/c" (ENOENT)',
    ],
    [
      '--tls-cert /nowhere/c --tls-key /nowhere/k',
      'CONCLAVE_TLS_UNREADABLE: cannot read the certificate "/nowhere/c" (ENOENT)',
    ],
    ['serve', 'CONCLAVE_ARGUMENT_UNEXPECTED: unexpected argument "serve"'],
  ])('%s exits with 2 and one sentence', async (flags, message) => {
    const { code, err, sft } = run(`sft ${flags}`);
    expect(await code).toBe(2);
    expect(err()).toBe(`conclave sft: ${message} (see \`conclave sft --help\`)\n`);
    expect(sft.config).toBeUndefined();
  });

  it.each([
    [
      new ConclaveError('CONCLAVE_LISTEN_FAILED', 'cannot listen'),
      1,
      'conclave sft: CONCLAVE_LISTEN_FAILED: cannot listen\n',
    ],
    [new TypeError('oops'), 1, 'conclave sft: CONCLAVE_INTERNAL: TypeError: oops | at '],
  ])('exits when the server cannot start: %s', async (failure, expected, message) => {
    const sft = new FakeSft();
    sft.failure = failure;
    const { code, err } = run('sft', {}, sft);
    expect(await code).toBe(expected);
    expect(err().startsWith(message)).toBe(true);
  });
});

describe('bin/conclave.mjs', () => {
  it('is a file of its own that says when nothing is built', async () => {
    mkdirSync(join(folder, 'bin'));
    const copy = join(folder, 'bin/conclave.mjs');
    copyFileSync(new URL('../bin/conclave.mjs', import.meta.url), copy);
    expect(readFileSync(copy, 'utf8').startsWith('#!/usr/bin/env node\n')).toBe(true);
    const result = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
      execFile(process.execPath, [copy, 'sft'], (error, _, stderr) => resolve({ code: error?.code, stderr }));
    });
    expect(result).toEqual({
      code: 2,
      stderr: 'CONCLAVE_NOT_BUILT: not built yet: run `npm start` or `npm run build`\n',
    });
  });
});
