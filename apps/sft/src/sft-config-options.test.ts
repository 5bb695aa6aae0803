import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConclaveError, loadOptions } from '@conclave/service';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultSftLimits, defaultSftTimings, type SftConfig } from './sft-config.ts';
import {
  checkSftFiles,
  type SftConfigResult,
  sftEnvironmentPrefix,
  sftOptions,
  toSftConfig,
} from './sft-config-options.ts';

function read(words: readonly string[], environment: Record<string, string> = {}): SftConfigResult {
  const loaded = loadOptions({
    options: sftOptions,
    words,
    environment,
    environmentPrefix: sftEnvironmentPrefix,
    configOption: 'config',
  })!;
  const { config, warnings } = toSftConfig(loaded.values);
  return { config, warnings: [...loaded.warnings, ...warnings] };
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

describe('the settings of the sft command', () => {
  it('have defaults that serve one machine', () => {
    const expected: SftConfig = {
      signalling: { address: '127.0.0.1', port: 8585, tls: undefined },
      metrics: { address: '127.0.0.1', port: 49090 },
      admin: undefined,
      federation: undefined,
      url: 'http://127.0.0.1:8585',
      webFolder: undefined,
      publicAddresses: [],
      interfaces: [],
      mediaPort: 40000,
      workers: availableParallelism(),
      srtpProfiles: ['aes-128-gcm', 'aes-256-gcm', 'aes-128-cm-sha1-80'],
      auth: { required: false, secretFiles: [] },
      blacklist: [],
      turnDiscovery: false,
      federationTurn: undefined,
      keyFrameIntervalMs: 1000,
      packetSending: 'segmented',
      log: { level: 'info', filePrefix: undefined },
      limits: defaultSftLimits,
      cors: { origins: ['*'] },
      trustedProxies: [],
      timings: defaultSftTimings,
    };
    expect(read([])).toEqual({ config: expected, warnings: [] });
  });

  it('read a whole command line of one-letter flags', () => {
    const words =
      '-I 127.0.0.1 -p 8585 -A 127.0.0.1 -O lo -M 127.0.0.1 -r 49090 -u http://127.0.0.1:8585 -w 2'.split(
        ' ',
      );
    const { config, warnings } = read(words);
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      signalling: { address: '127.0.0.1', port: 8585 },
      publicAddresses: ['127.0.0.1'],
      interfaces: ['lo'],
      metrics: { address: '127.0.0.1', port: 49090 },
      admin: undefined,
      url: 'http://127.0.0.1:8585',
      workers: 2,
    });
  });

  it('mean the same in every order', () => {
    const flags = [
      '-I ::1',
      '-p 1',
      '-A 192.0.2.1',
      '-A 2001:db8::1',
      '-O lo,eth0',
      '-M ::1',
      '-r 2',
      '-u http://h',
      '-w 2',
      '-a',
      '-s f',
      '-b 1.2.3',
      '-T',
      '-t turn:x',
      '-k 500',
      '-l p',
      '-q',
    ].map((f) => f.split(' '));
    const expected = read(flags.flat());
    fc.assert(
      fc.property(fc.shuffledSubarray(flags, { minLength: flags.length }), (shuffled) => {
        const { config, warnings } = read(shuffled.flat());
        expect([...config.publicAddresses].sort()).toEqual(['192.0.2.1', '2001:db8::1']);
        expect({ ...config, publicAddresses: expected.config.publicAddresses }).toEqual(expected.config);
        expect(warnings).toEqual(expected.warnings);
      }),
      { seed: 4, numRuns: 30 },
    );
  });

  it.each([
    [
      'long names',
      ['--listen-port', '1', '--workers=3', '--media-port=50000'],
      { mediaPort: 50000, workers: 3 },
    ],
    ['a URL with slashes at the end', ['-u', 'https://h/sfts/a//'], { url: 'https://h/sfts/a' }],
    ['an IPv6 address in the URL', ['-I', '::1'], { url: 'http://[::1]:8585' }],
    ['HTTPS in the URL', ['--tls-cert', 'c', '--tls-key', 'k'], { url: 'https://127.0.0.1:8585' }],
    [
      'both public addresses at once',
      ['-A', '192.0.2.1,2001:DB8::1'],
      { publicAddresses: ['192.0.2.1', '2001:db8::1'] },
    ],
    ['several interfaces', ['-O', 'lo,eth0', '-O', 'wg0'], { interfaces: ['lo', 'eth0', 'wg0'] }],
    ['several secrets', ['-s', 'a', '-s', 'b', '-a'], { auth: { required: true, secretFiles: ['a', 'b'] } }],
    [
      'protections of media in the order given',
      ['--srtp-profiles', 'aes-256-gcm,aes-128-cm-sha1-80'],
      { srtpProfiles: ['aes-256-gcm', 'aes-128-cm-sha1-80'] },
    ],
    ['quiet', ['-q'], { log: { level: 'warn' } }],
    ['verbose', ['-v'], { log: { level: 'debug' } }],
    ['a log prefix', ['-l', '/tmp/x'], { log: { filePrefix: '/tmp/x' } }],
    [
      'limits',
      ['--max-conferences', '1', '--request-rate', '2'],
      { limits: { maxConferences: 1, requestsPerSecond: 2 } },
    ],
    ['a blacklist', ['-b', '<9.0.0, 9.1.2'], { blacklist: [{ relation: 'below' }, { relation: 'exactly' }] }],
  ])('take %s', (_, words, expected) => {
    expect(read(words).config).toMatchObject(expected);
  });

  it('come from the environment too', () => {
    const { config } = read([], {
      CONCLAVE_SFT_LISTEN_PORT: '9000',
      CONCLAVE_SFT_REQUIRE_AUTH: 'yes',
      CONCLAVE_SFT_SECRET_FILE: 'a,b',
      CONCLAVE_SFT_SRTP_PROFILES: 'aes-256-gcm',
    });
    expect(config.signalling.port).toBe(9000);
    expect(config.auth).toEqual({ required: true, secretFiles: ['a', 'b'] });
    expect(config.srtpProfiles).toEqual(['aes-256-gcm']);
  });

  it('say of flags of old command lines that they do nothing, and do not show their values', () => {
    const { warnings } = read(['-f', 'http://x', '-x', 'alice', '-c', 'hunter2']);
    expect(warnings).toEqual([
      '-f (--federation-url) has no effect: servers do not talk to each other over HTTP',
      '-x (--turn-username) has no effect: credentials for the TURN server come from --secret-file',
      '-c (--turn-password) has no effect: credentials for the TURN server come from --secret-file',
    ]);
  });

  it('keep TURN settings and say that they are not served yet', () => {
    const { config, warnings } = read(['-T', '-t', 'turn:turn.example']);
    expect(config).toMatchObject({ turnDiscovery: true, federationTurn: 'turn:turn.example' });
    expect(warnings).toEqual([
      '-T (--turn-discovery) is recorded but not served yet: TURN servers of callers are not used',
      '-t (--federation-turn) is recorded but not served yet: there are no links to other servers',
    ]);
  });

  it.each([
    [['-a'], '-a (--require-auth) needs -s (--secret-file)'],
    [['-q', '-v'], '-q (--quiet) and -v (--verbose) exclude each other'],
    [['--tls-cert', 'c'], '--tls-cert and --tls-key have to be given together'],
    [['--tls-key', 'k'], '--tls-cert and --tls-key have to be given together'],
    [
      ['-I', '0.0.0.0'],
      '-I (--listen-address) with all addresses needs -u (--url), since clients have to be told one',
    ],
    [
      ['-I', '::'],
      '-I (--listen-address) with all addresses needs -u (--url), since clients have to be told one',
    ],
    [['-p', '0'], '-p (--listen-port) 0 needs -u (--url), since clients have to be told a port'],
    [
      ['-A', '192.0.2.1', '-A', '192.0.2.2'],
      '-A (--public-address) takes one IPv4 and one IPv6 address, not two of one kind',
    ],
    [['--media-port', '65535', '-w', '2'], '--media-port plus -w (--workers) goes beyond port 65535'],
    [['-p', '65536'], '-p (--listen-port) must be a whole number from 0 to 65535, not "65536"'],
    [['-I', 'localhost'], '-I (--listen-address) must be an IPv4 or IPv6 address, not "localhost"'],
    [['-A', '0.0.0.0'], '-A (--public-address) must be one IPv4 and one IPv6 address at most, not "0.0.0.0"'],
    [['-A', 'host'], '-A (--public-address) must be one IPv4 and one IPv6 address at most, not "host"'],
    [['-O', 'a/b'], '-O (--interface) must be a list of names of network interfaces, not "a/b"'],
    [
      ['-u', 'sft.example'],
      '-u (--url) must be an http or https URL without user, query and fragment, not "sft.example"',
    ],
    [
      ['-u', 'ftp://h'],
      '-u (--url) must be an http or https URL without user, query and fragment, not "ftp://h"',
    ],
    [
      ['-u', 'http://u:p@h'],
      '-u (--url) must be an http or https URL without user, query and fragment, not "http://u:p@h"',
    ],
    [
      ['-u', 'http://h/?'],
      '-u (--url) must be an http or https URL without user, query and fragment, not "http://h/?"',
    ],
    [['-w', '0'], '-w (--workers) must be a whole number from 1 to 256, not "0"'],
    [
      ['--srtp-profiles', 'aes-128-gcm,rot13'],
      '--srtp-profiles must be a list of aes-128-gcm, aes-256-gcm, aes-128-cm-sha1-80, not "aes-128-gcm,rot13"',
    ],
    [['--srtp-profiles', ','], '--srtp-profiles has to name at least one'],
    [['-k', '99'], '-k (--key-frame-interval) must be a whole number from 100 to 60000, not "99"'],
    [['-b', '<9'], '-b (--blacklist) must be a list of versions x.y.z or <x.y.z, not "<9"'],
    [
      ['--cors-origin', 'app.example'],
      '--cors-origin must be a list of origins such as https://app.example.com, or *, not "app.example"',
    ],
    [
      ['--cors-origin', 'https://a/'],
      '--cors-origin must be a list of origins such as https://app.example.com, or *, not "https://a/"',
    ],
    [
      ['--trusted-proxy', '10.0.0.0/40'],
      '--trusted-proxy must be a list of addresses or blocks of addresses, not "10.0.0.0/40"',
    ],
  ])('refuse %j', (words, message) => {
    expect(problem(...words)).toBe(message);
  });

  it('have all flags of the server that they follow', () => {
    const shorts = Object.values(sftOptions).flatMap(({ short }) => short ?? []);
    expect(shorts.sort().join('')).toBe([...'IpAMruwasbOTtklqvfcx'].sort().join(''));
  });

  it('find unusable files before anything starts', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sft-'));
    try {
      const path = join(folder, 's');
      writeFileSync(path, 'word');
      checkSftFiles(read(['-a', '-s', path]).config);
      expect(() => checkSftFiles(read(['-a', '-s', join(folder, 'none')]).config)).toThrow(
        /cannot read the secret file/,
      );
      expect(() => checkSftFiles(read(['--tls-cert', path, '--tls-key', path]).config)).toThrow(
        /cannot be used/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
