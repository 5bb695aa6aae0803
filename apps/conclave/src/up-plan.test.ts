import { ConclaveError } from '@conclave/service';
import { describe, expect, it } from 'vitest';
import { loadUpOptions } from './up-command.ts';
import { planUp, type UpMachine, type UpPlan } from './up-plan.ts';

const lo = {
  address: '127.0.0.1',
  netmask: '',
  mac: '',
  internal: true,
  cidr: null,
  family: 'IPv4',
} as const;
const machine: UpMachine = {
  hostName: 'Meeting-Box',
  interfaces: {
    lo: [lo],
    eth0: [
      { ...lo, address: 'fe80::1', internal: false, family: 'IPv6', scopeid: 2 },
      { ...lo, address: 'fd00::2', internal: false, family: 'IPv6', scopeid: 0 },
      { ...lo, address: '192.0.2.2', internal: false },
    ],
    wifi0: [{ ...lo, address: '198.51.100.7', internal: false }],
  },
};

function plan(line: string, on: UpMachine = machine): UpPlan {
  return planUp(loadUpOptions(line.split(' ').filter(Boolean), {})!.values, on);
}

function problem(line: string, on: UpMachine = machine): string {
  try {
    plan(line, on);
  } catch (error) {
    if (error instanceof ConclaveError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'none';
}

describe('the plan of conclave up', () => {
  it('without settings serves this machine alone, which needs no HTTPS', () => {
    expect(plan('')).toMatchObject({
      reach: 'machine',
      certificate: { from: 'none' },
      urls: ['http://localhost:8585'],
      listenAddress: '127.0.0.1',
      port: 8585,
      interfaces: ['lo'],
      trustedProxies: [],
    });
  });

  it('with --lan serves every address of the local network with a certificate of its own', () => {
    expect(plan('--lan -p 9000')).toMatchObject({
      reach: 'lan',
      certificate: {
        from: 'self',
        names: ['192.0.2.2', '198.51.100.7', 'fd00::2', 'meeting-box', 'localhost', '127.0.0.1'],
      },
      urls: ['https://192.0.2.2:9000', 'https://198.51.100.7:9000', 'https://[fd00::2]:9000'],
      listenAddress: '::',
      interfaces: [],
    });
  });

  it('with --lan can be kept to one interface or one address', () => {
    expect(plan('--lan --interface wifi0').urls).toEqual(['https://198.51.100.7:8585']);
    expect(plan('--lan -I 192.0.2.2')).toMatchObject({
      urls: ['https://192.0.2.2:8585'],
      listenAddress: '192.0.2.2',
    });
  });

  it('listens on IPv4 alone where there is nothing else', () => {
    const four: UpMachine = { ...machine, interfaces: { lo: [lo], wifi0: machine.interfaces.wifi0! } };
    expect(plan('--lan', four).listenAddress).toBe('0.0.0.0');
  });

  it('with a domain and a certificate is a server of its own on port 443', () => {
    expect(plan('--domain Meet.Example.org --tls-cert c --tls-key k')).toMatchObject({
      reach: 'domain',
      certificate: { from: 'files', files: { certificatePath: 'c', keyPath: 'k' } },
      urls: ['https://meet.example.org'],
      listenAddress: '::',
      port: 443,
    });
    expect(plan('--domain meet.example.org --self-made-certificate -p 8443')).toMatchObject({
      certificate: { from: 'self', names: ['meet.example.org'] },
      urls: ['https://meet.example.org:8443'],
    });
  });

  it('with a domain alone stays behind a proxy, whose word about callers it takes', () => {
    expect(plan('--domain meet.example.org')).toMatchObject({
      certificate: { from: 'proxy' },
      urls: ['https://meet.example.org'],
      listenAddress: '127.0.0.1',
      port: 8585,
      interfaces: [],
      trustedProxies: ['127.0.0.1', '::1'],
    });
  });

  it.each([
    ['--tls-cert c', 'CONCLAVE_OPTIONS_CONFLICT: --tls-cert and --tls-key'],
    ['--tls-cert c --tls-key k', 'CONCLAVE_OPTIONS_CONFLICT: --tls-cert needs --domain'],
    ['--lan --tls-cert c --tls-key k', 'CONCLAVE_OPTIONS_CONFLICT: --tls-cert has no use'],
    ['--lan --domain a.example', 'CONCLAVE_OPTIONS_CONFLICT: --lan and --domain'],
    ['--self-made-certificate', 'CONCLAVE_OPTIONS_CONFLICT: --self-made-certificate needs'],
    ['--domain 192.0.2.2', 'CONCLAVE_OPTION_INVALID: --domain must be a host name'],
    ['--domain example', 'CONCLAVE_OPTION_INVALID: --domain must be a host name'],
    ['--domain https://a.example', 'CONCLAVE_OPTION_INVALID: --domain must be a host name'],
  ])('refuses %s', (line, message) => {
    expect(problem(line)).toContain(message);
  });

  it('says when --lan finds no network', () => {
    expect(problem('--lan', { ...machine, interfaces: { lo: [lo] } })).toContain(
      'CONCLAVE_INTERFACE_UNKNOWN',
    );
  });
});
