import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConclaveError } from '@conclave/service';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StartTurn } from '../../turn/src/running-turn.ts';
import * as options from '../../turn/src/turn-config-options.ts';
import { formatTransportAddress } from '../../turn/src/turn-listen-option.ts';
import { runCli } from './cli.ts';
import { createTurnCommand } from './turn-command.ts';

let secret: string;
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-turn-command-'));
  secret = join(folder, 'secret');
  writeFileSync(secret, 'north');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a command line over a server that serves where it is told and is drained at once. */
function run(line: string, failure?: Error) {
  const signals = new EventEmitter();
  const did: string[] = [];
  const texts = { out: '', err: '', log: '' };
  let markStarted = (): void => {};
  const started = new Promise<void>((resolve) => {
    markStarted = resolve;
  });
  const startTurn: StartTurn = async (config) => {
    if (failure) throw failure;
    setImmediate(markStarted);
    return {
      listeners: config.listeners,
      metrics: config.metrics,
      drain: async () => void did.push('drain'),
      reload: async () => void did.push('reload'),
      close: async () => void did.push('close'),
    };
  };
  const command = createTurnCommand({
    program: { ...options, formatTransportAddress, startTurn },
    signals,
    logStream: {
      write: (text) => {
        texts.log += text;
      },
    },
  });
  const code = runCli(
    {
      words: line.split(' '),
      environment: {},
      out: (text) => {
        texts.out += text;
      },
      err: (text) => {
        texts.err += text;
      },
      version: '1.2.3',
    },
    [command],
  );
  return { signals, started, code, did, texts };
}

it('tells a person where it serves, reloads at SIGHUP, and drains and closes at SIGTERM', async () => {
  const { signals, started, code, did, texts } = run(`turn --listen [::1]:3478 -s ${secret}`);
  await started;
  expect(texts.out).toBe(
    'conclave: the TURN server is running on [::1]:3478/udp, [::1]:3478/tcp ' +
      '(metrics at http://127.0.0.1:9641/metrics). Stop it with Ctrl-C.\n',
  );
  expect(texts.log).toContain('"msg":"serving"');
  signals.emit('SIGHUP');
  signals.emit('SIGTERM');
  expect(await code).toBe(0);
  expect(did.sort()).toEqual(['close', 'drain', 'reload']);
  expect([texts.err, signals.eventNames()]).toEqual(['', []]);
});

it('lists every option with its environment variable in its help', async () => {
  const { code, texts } = run('turn --help');
  expect(await code).toBe(0);
  for (const name of Object.keys(options.turnOptions)) expect(texts.out).toContain(`--${name}`);
  expect(texts.out).toContain('CONCLAVE_TURN_CONFIG');
  for (const line of texts.out.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
});

it.each([
  ['turn', /CONCLAVE_OPTIONS_CONFLICT: .*credential.* \(see `conclave turn --help`\)\n$/, 2],
  ['turn -s /absent', /CONCLAVE_SECRET_UNREADABLE/, 2],
  ['turn --listen nowhere', /CONCLAVE_OPTION_INVALID: -L \(--listen\) must be a list of ADDRESS:PORT/, 2],
])('says in one line what is wrong with "%s"', async (line, message, exitCode) => {
  const { code, texts } = run(line);
  expect(await code).toBe(exitCode);
  expect(texts.err).toMatch(message);
  expect(texts.err.trim().split('\n')).toHaveLength(1);
});

it('ends with the error of a server that cannot start', async () => {
  const failure = new ConclaveError('CONCLAVE_LISTEN_FAILED', 'cannot open the listeners: taken');
  const { code, texts } = run(`turn -s ${secret}`, failure);
  expect(await code).toBe(1);
  expect(texts.err).toBe('conclave turn: CONCLAVE_LISTEN_FAILED: cannot open the listeners: taken\n');
});
