import { Secret } from '@conclave/bytes';
import { expect, it } from 'vitest';
import * as program from '../../sft/src/sft-config-options.ts';
import * as turnOptions from '../../turn/src/turn-config-options.ts';
import { formatTransportAddress } from '../../turn/src/turn-listen-option.ts';
import { siteIceServers, siteTurnConfig } from './site-turn.ts';
import { loadUpOptions, sftConfigOf } from './up-command.ts';
import { planUp, type UpMachine } from './up-plan.ts';

const info = { netmask: '', mac: '', cidr: null, internal: false } as const;
const machine: UpMachine = {
  hostName: 'box',
  interfaces: {
    lo: [{ ...info, address: '127.0.0.1', family: 'IPv4', internal: true }],
    eth0: [
      { ...info, address: '10.0.0.5', family: 'IPv4' },
      { ...info, address: 'fd00::5', family: 'IPv6', scopeid: 0 },
    ],
    wifi0: [{ ...info, address: '192.168.1.5', family: 'IPv4' }],
  },
};

function site(line: string) {
  const { values } = loadUpOptions(line.split(' ').filter(Boolean), {})!;
  const plan = planUp(values, machine);
  const sft = sftConfigOf(values, plan, program);
  const turn = siteTurnConfig(values, plan, sft, machine, { ...turnOptions, formatTransportAddress });
  const issuer = {
    issue: (expires: number) => ({ username: `until ${expires}`, password: new Secret('p') }),
  };
  const told = siteIceServers({ values, plan, sft, machine, issuer, nowMs: () => 5_000_000 });
  const urls = (hostname?: string): readonly string[] => told(hostname).iceServers[0]!.urls;
  return { turn, told, urls };
}

const allowed = (line: string): string[] | undefined => site(line).turn?.allowPeers.map(({ range }) => range);

it('listens where media is, and relays to the media ports of this server alone', () => {
  const { turn } = site('--lan -w 2 --media-port 41000');
  expect(turn?.listeners).toEqual(
    ['10.0.0.5', 'fd00::5', '192.168.1.5'].flatMap((address) =>
      ['udp', 'tcp'].map((transport) => ({ address, port: 3478, transport })),
    ),
  );
  expect(turn).toMatchObject({
    relayAddresses: ['10.0.0.5', 'fd00::5'],
    allowedPeersOnly: true,
    peerPorts: { first: 41000, last: 41001 },
    secretFiles: ['conclave-state/turn-secret'],
    tcpRelays: false,
    metrics: undefined,
  });
  expect(allowed('--lan')).toEqual(['10.0.0.5', 'fd00::5', '192.168.1.5']);
  expect(allowed('')).toEqual(['127.0.0.1']);
  expect(allowed('--domain a.example -O eth0 -A 203.0.113.1')).toEqual([
    '10.0.0.5',
    '203.0.113.1',
    'fd00::5',
  ]);
});

it('serves TLS with a certificate that browsers take, and no other', () => {
  const tls = (line: string) => site(line).turn?.listeners.filter(({ transport }) => transport === 'tls');
  const files = '--domain a.example -O wifi0 --tls-cert c --tls-key k';
  expect(tls(files)).toEqual([{ address: '192.168.1.5', port: 5349, transport: 'tls' }]);
  expect(tls(`${files} --turn-tls-port 0`)).toEqual([]);
  expect(tls('--domain a.example --self-made-certificate')).toEqual([]);
});

it('is switched off by its port', () => {
  expect(site('--turn-port 0').turn).toBeUndefined();
});

it('names the server as its page was reached, and never by what else a request may say', () => {
  const both = (host: string): string[] => ['udp', 'tcp'].map((by) => `turn:${host}:3478?transport=${by}`);
  expect(site('').urls('localhost')).toEqual(both('127.0.0.1'));
  const lan = site('--lan');
  expect(lan.urls('192.168.1.5')).toEqual(both('192.168.1.5'));
  expect(lan.urls('[fd00::5]')).toEqual(both('[fd00::5]'));
  expect(lan.urls('evil.example')).toEqual(both('10.0.0.5'));
  expect(site('--domain a.example --tls-cert c --tls-key k').urls()).toEqual([
    ...both('a.example'),
    'turns:a.example:5349?transport=tcp',
  ]);
  expect(site('--domain a.example -A 203.0.113.1').urls('a.example')).toEqual(both('203.0.113.1'));
});

it('gives out credentials that end after the time it tells', () => {
  expect(site('').told(undefined)).toMatchObject({
    iceServers: [{ username: 'until 8600', credential: 'p' }],
    validForSeconds: 3600,
  });
});
