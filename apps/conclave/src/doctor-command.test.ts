import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as program from '../../sft/src/sft-config-options.ts';
import * as turnOptions from '../../turn/src/turn-config-options.ts';
import { formatTransportAddress } from '../../turn/src/turn-listen-option.ts';
import { runCli } from './cli.ts';
import { createDoctorCommand, type DoctorCommandParts, examine } from './doctor-command.ts';
import type { Finding } from './doctor-finding.ts';
import type { MachineFacts } from './machine-check.ts';
import { tryPort } from './port-check.ts';
import type { NetworkFacts } from './reach-check.ts';
import type { UpMachine } from './up-plan.ts';

const turnProgram = { ...turnOptions, formatTransportAddress };

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2030, 0, 1);
const DOMAIN = 'meet.example.org';
const PUBLIC = '203.0.113.7';

const info = { netmask: '', mac: '', cidr: null, family: 'IPv4', internal: false } as const;
const machine: UpMachine = {
  hostName: 'box',
  interfaces: {
    lo: [{ ...info, address: '127.0.0.1', internal: true }],
    eth0: [{ ...info, address: PUBLIC }],
  },
};
const facts: MachineFacts = {
  readText: () => '4194304\n',
  kernelRelease: '6.1.0-18-amd64',
  platform: 'linux',
  clockSynchronised: async () => true,
  nowMs: () => NOW_MS,
};
/** A network in which the domain leads here, all ports are free and nothing runs. */
const network: NetworkFacts = {
  lookUp: async () => [PUBLIC],
  tryPort: async () => undefined,
  fetchText: async () => {
    throw failure('ECONNREFUSED');
  },
};

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

let folder: string;
let web: string;
const closers: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'doctor-'));
  web = join(folder, 'web');
  mkdirSync(web);
  writeFileSync(join(web, 'index.html'), '');
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(folder, { recursive: true });
});

async function diagnose(
  words: readonly string[],
  parts: Partial<DoctorCommandParts> = {},
): Promise<readonly Finding[]> {
  const all = ['--web', web, ...words];
  return examine(all, {}, { program, turnProgram, machine, facts, network, ...parts });
}

/** Names and severities of what is not well. */
function wrong(findings: readonly Finding[]): string[] {
  const bad = findings.filter(({ severity }) => severity === 'warning' || severity === 'problem');
  for (const { id, remedy } of bad) expect(remedy, id).toMatch(/\S/);
  return bad.map(({ id, severity }) => `${severity} ${id}`);
}

interface CertificateWish {
  readonly name?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly selfMade?: boolean;
  readonly withIntermediate?: boolean;
}

/** Writes a certificate of an authority with its key, and gives the flags that name them. */
async function certificate(wish: CertificateWish = {}): Promise<string[]> {
  const { name = DOMAIN, selfMade = false, withIntermediate = true } = wish;
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
  const dates = {
    notBefore: new Date(wish.fromMs ?? NOW_MS - DAY_MS),
    notAfter: new Date(wish.toMs ?? NOW_MS + 60 * DAY_MS),
  };
  const [ours, theirs] = [
    await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
    await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
  ];
  const authority = await x509.X509CertificateGenerator.createSelfSigned(
    { name: 'CN=Authority', keys: theirs as never, signingAlgorithm: algorithm, ...dates },
    webcrypto as never,
  );
  const leaf = await x509.X509CertificateGenerator.create(
    {
      subject: 'CN=leaf',
      issuer: selfMade ? 'CN=leaf' : 'CN=Authority',
      publicKey: ours.publicKey as never,
      signingKey: (selfMade ? ours : theirs).privateKey as never,
      signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
      ...dates,
    },
    webcrypto as never,
  );
  const [chain, key] = [join(folder, 'chain.pem'), join(folder, 'key.pem')];
  writeFileSync(
    chain,
    withIntermediate ? `${leaf.toString('pem')}\n${authority.toString('pem')}\n` : leaf.toString('pem'),
  );
  const pem = KeyObject.from(ours.privateKey as never).export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(key, pem, { mode: 0o600 });
  return ['--domain', DOMAIN, '--tls-cert', chain, '--tls-key', key];
}

describe('conclave doctor', () => {
  it('finds nothing wrong with what is right', async () => {
    expect(wrong(await diagnose([]))).toEqual([]);
    expect(wrong(await diagnose(await certificate()))).toEqual([]);
    expect(wrong(await diagnose(['--domain', DOMAIN]))).toEqual([]);
    expect(wrong(await diagnose(['--domain', DOMAIN, '--self-made-certificate', '--state', folder]))).toEqual(
      [],
    );
  });

  it.each<[string, CertificateWish]>([
    ['problem certificate-expired', { toMs: NOW_MS - 1000 }],
    ['problem certificate-early', { fromMs: NOW_MS + 1000 }],
    ['warning certificate-ending', { toMs: NOW_MS + 13 * DAY_MS }],
    ['problem certificate-name', { name: 'other.example.org' }],
    ['warning certificate-chain', { withIntermediate: false }],
    ['warning certificate-self-made', { selfMade: true, withIntermediate: false }],
  ])('finds: %s', async (expected, wish) => {
    expect(wrong(await diagnose(await certificate(wish)))).toEqual([expected]);
  });

  it('finds keys of other certificates and keys that all may read', async () => {
    const flags = await certificate();
    chmodSync(join(folder, 'key.pem'), 0o644);
    expect(wrong(await diagnose(flags))).toEqual(['warning key-rights']);
    writeFileSync(join(folder, 'key.pem'), 'nonsense');
    expect(wrong(await diagnose(flags))).toEqual(['problem certificate-unusable']);
    rmSync(join(folder, 'key.pem'));
    expect(wrong(await diagnose(flags))).toEqual(['problem certificate-unusable']);
  });

  it('finds settings that cannot be, and a page that is not there', async () => {
    writeFileSync(join(folder, 'bad.yaml'), 'domian: meet.example.org\n');
    expect(wrong(await diagnose(['--config', join(folder, 'bad.yaml')]))).toEqual(['problem settings-wrong']);
    expect(wrong(await diagnose(['--lan', '--domain', DOMAIN]))).toEqual(['problem settings-wrong']);
    rmSync(web, { recursive: true });
    expect(wrong(await diagnose([]))).toEqual(['problem page-missing']);
    mkdirSync(web);
    writeFileSync(join(web, 'index.html'), '');
    const misspelt = await examine(
      ['--web', web],
      { CONCLAVE_UP_PROT: '1' },
      { program, turnProgram, machine, facts, network },
    );
    expect(wrong(misspelt)).toEqual(['warning settings-ignored']);
  });

  it('finds ports that another program has', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    closers.push(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const real = { ...network, tryPort };
    const local: UpMachine = { ...machine, interfaces: { lo: machine.interfaces.lo! } };
    const flags = ['-p', String(port), '-r', '0', '-w', '1', '--media-port', String(port)];
    const findings = await diagnose(flags, { network: real, machine: local });
    expect(wrong(findings)).toEqual(['problem port-taken', 'problem port-taken']);
    expect(findings.find(({ id }) => id === 'port-taken')?.text).toContain(`TCP port ${port} on 127.0.0.1`);
    const denied = { ...network, tryPort: async () => 'EACCES' };
    expect(new Set(wrong(await diagnose([], { network: denied })))).toEqual(new Set(['warning port-right']));
    const elsewhere = await diagnose(['-I', '192.0.2.99', '-r', '0'], { network: real, machine: local });
    expect(wrong(elsewhere)).toContain('problem port-unusable');
  });

  it('finds domains that lead nowhere or elsewhere', async () => {
    const nowhere: NetworkFacts = { ...network, lookUp: async () => Promise.reject(failure('ENOTFOUND')) };
    expect(wrong(await diagnose(['--domain', DOMAIN], { network: nowhere }))).toEqual([
      'problem domain-unknown',
    ]);
    const elsewhere: NetworkFacts = { ...network, lookUp: async () => ['198.51.100.1'] };
    expect(wrong(await diagnose(['--domain', DOMAIN], { network: elsewhere }))).toEqual([
      'warning domain-elsewhere',
    ]);
    const translated = ['--domain', DOMAIN, '--public-address', '198.51.100.1'];
    expect(wrong(await diagnose(translated, { network: elsewhere }))).toEqual([]);
  });

  it('finds media that only neighbours can reach', async () => {
    const hidden: UpMachine = { ...machine, interfaces: { eth0: [{ ...info, address: '10.0.0.2' }] } };
    const near: NetworkFacts = { ...network, lookUp: async () => ['10.0.0.2'] };
    const flags = ['--domain', DOMAIN];
    expect(wrong(await diagnose(flags, { machine: hidden, network: near }))).toEqual([
      'warning media-private',
    ]);
    const none: UpMachine = { ...machine, interfaces: {} };
    expect(wrong(await diagnose(flags, { machine: none }))).toContain('problem media-nowhere');
  });

  it.each([
    ['ECONNREFUSED', 'problem url-unreachable'],
    ['ETIMEDOUT', 'problem url-unreachable'],
    ['CERT_HAS_EXPIRED', 'problem url-certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'problem url-certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'problem url-certificate'],
  ])('finds that a running server is not reached at its URL: %s', async (code, expected) => {
    const broken: NetworkFacts = {
      ...network,
      fetchText: async (url) => {
        if (url.includes('127.0.0.1')) return `https://${DOMAIN}\r\n`;
        throw failure(code);
      },
    };
    expect(wrong(await diagnose(['--domain', DOMAIN], { network: broken }))).toEqual([expected]);
  });

  it('finds that somebody else answers at the URL', async () => {
    const broken: NetworkFacts = {
      ...network,
      fetchText: async (url) => (url.includes('127.0.0.1') ? `https://${DOMAIN}\r\n` : '<html>'),
    };
    expect(wrong(await diagnose(['--domain', DOMAIN], { network: broken }))).toEqual(['problem url-foreign']);
  });

  it.each<[string, Partial<MachineFacts>]>([
    ['warning kernel-rmem_max', { readText: (path) => (path.includes('rmem') ? '212992' : '4194304') }],
    ['warning kernel-wmem_max', { readText: (path) => (path.includes('wmem') ? '212992' : '4194304') }],
    ['warning kernel-segmentation', { kernelRelease: '4.15.0-200-generic' }],
    ['problem clock-wrong', { nowMs: () => 0 }],
    ['warning clock-unsynchronised', { clockSynchronised: async () => false }],
  ])('finds: %s', async (expected, change) => {
    expect(wrong(await diagnose([], { facts: { ...facts, ...change } }))).toEqual([expected]);
  });

  it('finds a state folder that others can read or that cannot be written', async () => {
    const flags = ['--domain', DOMAIN, '--self-made-certificate', '--state'];
    chmodSync(folder, 0o755);
    expect(wrong(await diagnose([...flags, folder]))).toEqual(['warning state-rights']);
    expect(wrong(await diagnose([...flags, join(web, 'index.html')]))).toEqual(['problem state-unwritable']);
  });

  it('asks a server that runs, over the network, and takes its own ports for no trouble', async () => {
    const server = createHttpServer((_, response) => response.end(`http://localhost:${port}\r\n`));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const findings = await examine(
      ['--web', web, '-p', String(port)],
      {},
      { program, turnProgram, machine, facts },
    );
    expect(wrong(findings)).toEqual([]);
    expect(findings.map(({ id }) => id)).toContain('url');
  });
});

describe('TURN', () => {
  it('is told of with its ports, or that there is none', async () => {
    const text = async (...words: string[]) =>
      (await diagnose(words)).find(({ id }) => id.startsWith('turn'))?.text;
    expect(await text()).toContain('UDP and TCP port 3478; it relays from the ports 50000 to 50999');
    expect(await text('--turn-port', '0')).toContain('No TURN server');
  });

  it('has ports that another program must not have', async () => {
    const taken: NetworkFacts = {
      ...network,
      tryPort: async ({ port }) => (port === 3478 ? 'EADDRINUSE' : undefined),
    };
    const findings = await diagnose([], { network: taken });
    expect(wrong(findings)).toEqual(['problem port-taken', 'problem port-taken']);
    expect(findings.find(({ id }) => id === 'port-taken')?.remedy).toContain('--turn-port');
  });
});

describe('the command', () => {
  async function run(
    line: string[],
    parts: Partial<DoctorCommandParts> = {},
  ): Promise<{ code: number; out: string }> {
    let out = '';
    const context = {
      words: ['doctor', '--web', web, ...line],
      environment: {},
      out: (text: string) => {
        out += text;
      },
      err: () => undefined,
      version: '1.2.3',
    };
    const code = await runCli(context, [
      createDoctorCommand({ program, turnProgram, machine, facts, network, ...parts }),
    ]);
    return { code, out };
  }

  it('exits by how bad it is', async () => {
    expect((await run([])).code).toBe(0);
    const slow = { ...facts, clockSynchronised: async () => false };
    expect((await run([], { facts: slow })).code).toBe(3);
    const early = { ...facts, nowMs: () => 0 };
    expect((await run([], { facts: early })).code).toBe(1);
  });

  it('prints each finding with its remedy, and explains itself', async () => {
    const { out } = await run([], { facts: { ...facts, nowMs: () => 0 } });
    expect(out).toMatch(/^well {5}The settings are consistent/);
    expect(out).toContain('problem  The clock of this machine');
    expect(out).toContain('         → Switch on time synchronisation');
    expect(out).toContain('conclave doctor: 1 problem, 0 warnings.');
    expect((await run(['--help'])).out).toMatch(/Exits\s+with\s+0\s+when\s+all\s+is\s+well/);
  });
});
