import { formatIp, parseIp, Secret } from '@conclave/bytes';
import { attributeType as A, stunMethod as M, StunBuilder } from '@conclave/stun';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareIp, makeRestCredential, PeerPolicy, parseAddressRange, rangeHolds } from '../src/index.ts';
import { hashes } from './node-hashes.ts';
import {
  all,
  answerOf,
  channel,
  clientTuple,
  type Fill,
  family,
  flag,
  held,
  lifetime,
  nothing,
  OWN_ADDRESS,
  peer,
  ScriptedClient,
  ServerBench,
  tcp,
  UNIX_MS,
  udp,
} from './server-bench.ts';

const PEER = '9.9.9.9';
const denied4 = [
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.0.1',
  '192.168.255.255',
  '169.254.169.254',
  '100.64.0.1',
  '100.127.255.255',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.7',
  '203.0.113.7',
  OWN_ADDRESS,
];
const allowed4 = [
  '9.9.9.9',
  '1.0.0.0',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
];
const hex4 = (ip: string) => {
  const b = parseIp(ip)!;
  return `${((b[0]! << 8) | b[1]!).toString(16)}:${((b[2]! << 8) | b[3]!).toString(16)}`;
};
const forms: [string, (ip: string) => string][] = [
  ['mapped', (ip) => `::ffff:${ip}`],
  ['compatible', (ip) => `::${ip}`],
  ['translated', (ip) => `::ffff:0:${ip}`],
  ['NAT64', (ip) => `64:ff9b::${ip}`],
  ['local NAT64', (ip) => `64:ff9b:1::${ip}`],
  ['6to4', (ip) => `2002:${hex4(ip)}::1`],
];
const denied6 = [
  '::',
  '::1',
  'fc00::1',
  'fdff::1',
  'fe80::1',
  'febf::1',
  'fec0::1',
  'ff02::1',
  'ffff::',
  '64:ff9b::9.9.9.9',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2001:1ff:ffff::',
  '3fff::1',
  '4000::',
  '1fff::',
  '::ffff:9.9.9.9',
  ...forms.flatMap(([, form]) => denied4.map(form)),
];

describe('1: peers that are none', () => {
  const denied = [...denied4, ...denied6];
  function attackers() {
    const bench = new ServerBench();
    const datagrams = new ScriptedClient(bench, clientTuple(1));
    expect(datagrams.allocate(family(2, A.additionalAddressFamily))).toBe(0);
    const streams = new ScriptedClient(bench, clientTuple(2, 'tcp'));
    expect(streams.code(M.allocate, all(tcp, family(2, A.additionalAddressFamily)))).toBe(0);
    return { bench, datagrams, streams };
  }
  it('are refused by CreatePermission, ChannelBind and Connect, and get nothing by Send', () => {
    const { bench, datagrams, streams } = attackers();
    for (const address of denied) {
      expect([address, datagrams.code(M.createPermission, peer(address))]).toEqual([address, 403]);
      expect([address, datagrams.code(M.channelBind, all(peer(address), channel(0x4000)))]).toEqual([
        address,
        403,
      ]);
      expect([address, streams.code(M.connect, peer(address))]).toEqual([address, 403]);
      expect(datagrams.indication(all(peer(address), flag(A.data, Uint8Array.of(1))))).toEqual([]);
    }
    expect(bench.server.stats()).toMatchObject({ permissions: 0, channels: 0, connections: 0 });
  });
  it('are refused in every form, while others are not', () => {
    const policy = new PeerPolicy({ own: [OWN_ADDRESS] });
    for (const address of denied) expect([address, policy.permits(address)]).toEqual([address, false]);
    for (const address of allowed4) {
      expect([address, policy.permits(address)]).toEqual([address, true]);
      expect(policy.permits(`2002:${hex4(address)}::1`)).toBe(true);
    }
    for (const address of ['2600::1', '2a00:1450::1', '3ffe::1', '2001:200::'])
      expect(policy.permits(address)).toBe(true);
    for (const text of ['', 'localhost', '127.1', '1.2.3', '::g']) expect(policy.permits(text)).toBe(false);
  });
  it('are allowed by list, but not by another form, and never against the deny list', () => {
    const policy = new PeerPolicy({
      allow: ['10.1.0.0/16', '64:ff9b::/96'],
      deny: ['10.1.0.1', '9.9.9.8-9.9.9.9'],
    });
    expect(policy.permits('10.1.0.2')).toBe(true);
    expect(policy.permits('10.1.0.1')).toBe(false);
    expect(policy.permits('9.9.9.9')).toBe(false);
    expect(policy.permits('64:ff9b::9.9.9.9')).toBe(false);
    expect(policy.permits('64:ff9b::10.0.0.1')).toBe(false);
    expect(policy.permits('64:ff9b::8.8.8.8')).toBe(true);
    expect(policy.permits('::ffff:10.1.0.2')).toBe(false);
    const few = new PeerPolicy({ allow: ['10.1.0.0/16', '8.8.8.8'], allowedOnly: true, deny: ['10.1.0.1'] });
    const asked = ['10.1.0.2', '8.8.8.8', '10.1.0.1', '8.8.4.4', '2600::1'];
    expect(asked.map((peer) => few.permits(peer))).toEqual([true, true, false, false, false]);
    const loopback = new PeerPolicy({ allow: ['::1'] });
    expect(['::', '::1', '::2', '127.0.0.1'].map((peer) => loopback.permits(peer))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });
  it('lose what they have when the policy changes, and listeners have their own', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    client.code(M.channelBind, all(peer(PEER), channel(0x4000)));
    bench.server.setPeerPolicy(new PeerPolicy(), [
      { local: client.tuple.local, policy: new PeerPolicy({ deny: [PEER] }) },
    ]);
    expect(bench.drain().map((e) => e.kind)).toEqual(['remove-permission', 'unbind-channel']);
    expect(client.code(M.createPermission, peer(PEER))).toBe(403);
  });
});

it('2: ranges of addresses are ordered as numbers', () => {
  const big = (ip: Uint8Array) => ip.reduce((n, b) => n * 256n + BigInt(b), 0n);
  for (const size of [4, 16]) {
    const ip = fc.uint8Array({ minLength: size, maxLength: size });
    fc.assert(
      fc.property(ip, ip, ip, (a, b, x) => {
        const [first, last] = big(a) <= big(b) ? [a, b] : [b, a];
        expect(Math.sign(compareIp(a, b))).toBe(big(a) < big(b) ? -1 : big(a) > big(b) ? 1 : 0);
        const range = parseAddressRange(`${formatIp(first)}-${formatIp(last)}`);
        expect(rangeHolds(range, x)).toBe(big(first) <= big(x) && big(x) <= big(last));
      }),
      { seed: 5 },
    );
    fc.assert(
      fc.property(ip, fc.integer({ min: 0, max: size * 8 }), ip, (a, bits, x) => {
        const shift = BigInt(size * 8 - bits);
        expect(rangeHolds(parseAddressRange(`${formatIp(a)}/${bits}`), x)).toBe(
          big(a) >> shift === big(x) >> shift,
        );
      }),
      { seed: 6 },
    );
  }
  for (const bad of [
    '',
    '1.2.3.4/33',
    '::/129',
    '1.2.3.4/-1',
    '2.0.0.0-1.0.0.0',
    '1.0.0.0-::1',
    '1.2.3.4/8/8',
    'x',
  ]) {
    expect(() => parseAddressRange(bad)).toThrow('no address');
  }
});

describe('3: ports cannot be exhausted', () => {
  const even = flag(A.evenPort, Uint8Array.of(0x80));
  it('by one user, one address, or all, and everything comes back', () => {
    const bench = new ServerBench({ quota: { perUser: 4, perSource: 5, total: 7 } });
    const clients: ScriptedClient[] = [];
    const allocate = (address: string, name = 'alice', fill: Fill = () => {}) => {
      const tuple = clientTuple(1000 + clients.length, 'tcp', address);
      const client = new ScriptedClient(bench, tuple, name, name === 'alice' ? 'wonder' : 'builder');
      clients.push(client);
      return client.allocate(fill);
    };
    expect(allocate('8.0.0.1', 'alice', even)).toBe(0);
    expect(allocate('8.0.0.1', 'alice', family(2, A.additionalAddressFamily))).toBe(0);
    expect(allocate('8.0.0.2')).toBe(486);
    expect(allocate('8.0.0.1', 'bob')).toBe(0);
    expect(allocate('8.0.0.1', 'bob')).toBe(486);
    expect(allocate('2600::1:0:0:0:1', 'bob')).toBe(0);
    expect(allocate('2600::2:0:0:0:1', 'bob', even)).toBe(508);
    expect(allocate('2600::2:0:0:0:1', 'bob')).toBe(0);
    expect(bench.server.stats().quotaPorts).toBe(7);
    clients.forEach((client, i) => {
      if (i % 2 === 0) client.code(M.refresh, lifetime(0));
      else bench.server.handleTransportClosed(bench.now, client.tuple);
    });
    bench.drain();
    expect(bench.server.stats()).toMatchObject({ quotaPorts: 1, reservations: 1, allocations: 0 });
    bench.advance(30_000);
    expect(held(bench.server)).toEqual(nothing);
    expect(bench.ports.size).toBe(0);
  });
  it('by many addresses of one IPv6 network', () => {
    const bench = new ServerBench({ quota: { perSource: 2 } });
    const codes = [1, 2, 3].map((n) =>
      new ScriptedClient(bench, clientTuple(1, 'udp', `2600:0:0:7::${n}`)).allocate(),
    );
    expect(codes).toEqual([0, 0, 486]);
  });
  it('by a REST name under changing expiries', () => {
    const bench = new ServerBench({ quota: { perUser: 1 } });
    const secret = new Secret('s');
    bench.users.setSharedSecrets([secret]);
    const codes = [1, 2].map((n) => {
      const { username, password } = makeRestCredential(secret, UNIX_MS / 1000 + n, 'eve', hashes.hmacSha1);
      return new ScriptedClient(bench, clientTuple(n), username, password.reveal()).allocate();
    });
    expect(codes).toEqual([0, 486]);
  });
});

it('4: a flood of unauthenticated requests leaves nothing behind', () => {
  const bench = new ServerBench({ limits: { maxSources: 500 } });
  const bytes = new StunBuilder({ class: 'request', method: M.allocate, transactionId: new Uint8Array(12) });
  udp(bytes);
  const packet = bytes.finish();
  for (let i = 0; i < 20_000; i++) {
    bench.server.handlePacket(
      bench.now,
      clientTuple(i & 0xffff, 'udp', `8.${i & 127}.${(i >> 7) & 255}.1`),
      packet,
    );
    while (bench.server.pollEffect());
  }
  expect(held(bench.server)).toEqual(nothing);
  expect(bench.server.stats().limitedSources).toBeLessThanOrEqual(500);
});

describe('5: answers to the unknown', () => {
  const ask = (method: number) =>
    new StunBuilder({ class: 'request', method, transactionId: new Uint8Array(12) });
  it('are hardly longer than what asked for them', () => {
    const bench = new ServerBench();
    const challenge = answerOf(bench.packet(clientTuple(), ask(M.allocate).finish())).bytes;
    expect(challenge.length).toBeLessThanOrEqual(112);
    const binding = answerOf(bench.packet(clientTuple(), ask(M.binding).finish())).bytes;
    expect(binding.length).toBe(32);
  });
  it.each([
    ['Allocate', M.allocate],
    ['Binding', M.binding],
  ])('to %s stop after a burst, for one source alone', (_name, method) => {
    const bench = new ServerBench({ limits: { answersPerSecond: 5, answerBurst: 10 } });
    const count = (address: string) => {
      let answers = 0;
      for (let port = 1; port <= 100; port++)
        answers += bench.packet(clientTuple(port, 'udp', address), ask(method).finish()).length;
      return answers;
    };
    expect(count('8.0.0.1')).toBe(10);
    expect(count('8.0.0.1')).toBe(0);
    expect(count('8.0.0.2')).toBe(10);
    bench.advance(1000);
    expect(count('8.0.0.1')).toBe(5);
  });
});

describe('6: nonces', () => {
  it.each([
    ['stale', (c: ScriptedClient) => void c.bench.advance(3_600_000)],
    [
      'truncated',
      (c: ScriptedClient) => {
        c.nonce = c.nonce.slice(0, -1);
      },
    ],
    [
      'lengthened',
      (c: ScriptedClient) => {
        c.nonce += 'A';
      },
    ],
    [
      'very long',
      (c: ScriptedClient) => {
        c.nonce = 'A'.repeat(700);
      },
    ],
    [
      'empty',
      (c: ScriptedClient) => {
        c.nonce = ' ';
      },
    ],
    [
      'of another port',
      (c: ScriptedClient) => {
        const o = new ScriptedClient(c.bench, clientTuple(1));
        o.learnNonce();
        c.nonce = o.nonce;
      },
    ],
    [
      'of another transport',
      (c: ScriptedClient) => {
        const o = new ScriptedClient(c.bench, clientTuple(4000, 'tcp'));
        o.learnNonce();
        c.nonce = o.nonce;
      },
    ],
    [
      'with features taken out',
      (c: ScriptedClient) => {
        c.nonce = c.nonce.replace('obMatJos2wAAA', 'obMatJos2AAAA').replace('obMatJos2gAAA', 'obMatJos2AAAA');
      },
    ],
    [
      'changed in one bit',
      (c: ScriptedClient) => {
        c.nonce = c.nonce.slice(0, -1) + (c.nonce.endsWith('A') ? 'B' : 'A');
      },
    ],
  ] as [string, (c: ScriptedClient) => void][])('%s get 438 and make no state', (_name, damage) => {
    const client = new ScriptedClient(new ServerBench());
    client.learnNonce();
    damage(client);
    expect(client.allocate()).toBe(438);
    expect(held(client.bench.server)).toEqual(nothing);
  });
});
