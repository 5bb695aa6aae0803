import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConclaveError, loadOptions } from '@conclave/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TurnConfig } from './turn-config.ts';
import {
  checkTurnFiles,
  defaultTurnLimits,
  toTurnConfig,
  turnEnvironmentPrefix,
  turnOptions,
} from './turn-config-options.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'conclave-turn-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function read(words: readonly string[], environment: Record<string, string> = {}): TurnConfig {
  const loaded = loadOptions({
    options: turnOptions,
    words,
    environment,
    environmentPrefix: turnEnvironmentPrefix,
    configOption: 'config',
  })!;
  expect(loaded.warnings).toEqual([]);
  return toTurnConfig(loaded.values);
}

function problem(...words: string[]): string {
  try {
    read(words);
  } catch (error) {
    if (error instanceof ConclaveError) return error.message;
    throw error;
  }
  return 'none';
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const credential = ['--user-file', '/users'];

describe('the settings of the turn command', () => {
  it('have defaults that serve this machine alone', () => {
    const expected: TurnConfig = {
      listeners: [
        { transport: 'udp', address: '127.0.0.1', port: 3478 },
        { transport: 'tcp', address: '127.0.0.1', port: 3478 },
      ],
      relayAddresses: [],
      publicAddresses: [],
      relayPorts: { first: 49152, last: 65535 },
      sharedRelayPort: undefined,
      realm: 'conclave',
      secretFiles: ['/secret'],
      userFile: undefined,
      tls: undefined,
      allowPeers: [],
      allowedPeersOnly: false,
      denyPeers: [],
      peerPorts: undefined,
      tcpRelays: false,
      strictChannels: false,
      maxLifetimeMs: 3_600_000,
      limits: defaultTurnLimits,
      alternates: [],
      drainDeadlineMs: 3_600_000,
      workers: Math.min(64, availableParallelism()),
      metrics: { address: '127.0.0.1', port: 9641 },
      log: { level: 'info', filePrefix: undefined },
      fileCheckIntervalMs: 5000,
    };
    expect(read(['--secret-file', '/secret'])).toEqual(expected);
  });

  it('come from the command line as documented', () => {
    const config = read([
      ...['--listen', '127.0.0.1:3478', '--relay-address', '127.0.0.1', '--relay-ports', '50000-50999'],
      ...['--realm', 'example.org', '--secret-file', '/f', '--allow-peer', '127.0.0.0/8'],
    ]);
    expect(config).toMatchObject({
      listeners: [{ transport: 'udp' }, { transport: 'tcp' }],
      relayAddresses: ['127.0.0.1'],
      relayPorts: { first: 50000, last: 50999 },
      realm: 'example.org',
      secretFiles: ['/f'],
      allowPeers: [{ range: '127.0.0.0/8', listener: undefined }],
    });
  });

  it('come from the environment and a file too, with the same names', () => {
    const path = file(
      'turn.yaml',
      [
        'listen: ["[2001:db8::1]:443/tls", "192.0.2.1:80/tcp"]',
        'listen-tls: 192.0.2.1:5349',
        'tls-cert: /c',
        'tls-key: /k',
        'user-file: /users',
        'shared-relay-port: 3480',
        'deny-peer: ["198.51.100.1@192.0.2.1:80"]',
        'alternate-server: 192.0.2.2:3478',
        'max-allocations-per-user: 3',
      ].join('\n'),
    );
    const config = read(['--config', path], { CONCLAVE_TURN_REALM: 'r', CONCLAVE_TURN_WORKERS: '3' });
    expect(config).toMatchObject({
      listeners: [
        { transport: 'tls', address: '2001:db8::1', port: 443 },
        { transport: 'tcp', address: '192.0.2.1', port: 80 },
        { transport: 'tls', address: '192.0.2.1', port: 5349 },
        { transport: 'dtls', address: '192.0.2.1', port: 5349 },
      ],
      tls: { certificatePath: '/c', keyPath: '/k' },
      userFile: '/users',
      sharedRelayPort: 3480,
      denyPeers: [{ range: '198.51.100.1', listener: { address: '192.0.2.1', port: 80 } }],
      alternates: [{ address: '192.0.2.2', port: 3478 }],
      limits: { allocationsPerUser: 3 },
      realm: 'r',
      workers: 3,
    });
  });

  it.each([
    [['--listen', 'localhost:3478'], /--listen.* must be a list of ADDRESS:PORT/],
    [['--listen', '::1:3478'], /must be a list/],
    [['--listen', '[127.0.0.1]:3478'], /must be a list/],
    [['--listen', '127.0.0.1:65536'], /must be a list/],
    [['--listen', '127.0.0.1:3478/sctp'], /must be a list/],
    [['--listen-tls', '127.0.0.1:3478/tls'], /must be a list of ADDRESS:PORT/],
    [['--relay-ports', '50000'], /two ports/],
    [['--relay-ports', '51000-50000'], /two ports/],
    [['--relay-ports', '1-50000'], /two ports/],
    [['--relay-address', '0.0.0.0'], /one IPv4 and one IPv6 address/],
    [['--relay-address', '192.0.2.1,192.0.2.2'], /not two of one kind/],
    [['-A', '2001:db8::1,2001:db8::2'], /not two of one kind/],
    [['--allow-peer', '10.0.0.0/33'], /must be a list of ADDRESS/],
    [['--allow-peer', '10.0.0.0/8@somewhere'], /must be a list of ADDRESS/],
    [['--deny-peer', '10.0.0.9-10.0.0.1'], /must be a list of ADDRESS/],
    [['--alternate-server', 'turn.example.org:3478'], /must be a list of ADDRESS:PORT/],
    [['--realm', 'x'.repeat(128)], /at most 127 characters/],
    [['--listen-tls', '127.0.0.1:5349'], /needs --tls-cert and --tls-key/],
    [['--listen', '127.0.0.1:5349/dtls'], /needs --tls-cert and --tls-key/],
    [['--tls-cert', '/c'], /have to be given together/],
    [['-q', '-v'], /exclude each other/],
  ] as [string[], RegExp][])('that are wrong are refused: %s', (words, message) => {
    expect(problem(...words, ...credential)).toMatch(message);
  });

  it('that let everybody relay are refused', () => {
    expect(problem('--listen', '127.0.0.1:3478')).toMatch(/nobody may relay without a credential/);
  });
});

describe('the files of the turn command', () => {
  it('are read before anything is started', () => {
    const good = file('secret', 'north star\n');
    const check =
      (...words: string[]) =>
      () =>
        checkTurnFiles(read(words));
    expect(check('-s', good)).not.toThrow();
    expect(check('-s', join(folder, 'absent'))).toThrow(/cannot read the secret file/);
    expect(check('--user-file', join(folder, 'absent'))).toThrow(/cannot read the user file/);
    expect(check('-s', good, '--tls-cert', good, '--tls-key', good)).toThrow(/cannot be used/);
  });
});
