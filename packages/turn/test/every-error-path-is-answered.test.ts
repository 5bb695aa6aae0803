import {
  attributeType as A,
  decodeXorAddress,
  findAttribute,
  findAttributes,
  stunMethod as M,
  parseUnknownAttributes,
  uint32Attribute,
} from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import {
  all,
  answerOf,
  channel,
  clientTuple,
  codeOf,
  type Fill,
  family,
  flag,
  held,
  lifetime,
  nothing,
  peer,
  ScriptedClient,
  ServerBench,
  tcp,
  udp,
} from './server-bench.ts';

const PEER = '9.9.9.9';
const even = (bits: number): Fill => flag(A.evenPort, Uint8Array.of(bits));
const token = flag(A.reservationToken, new Uint8Array(8));
const additional = family(2, A.additionalAddressFamily);

describe('Allocate', () => {
  const rows: [string, Fill, number][] = [
    ['without REQUESTED-TRANSPORT', () => {}, 400],
    ['with a short REQUESTED-TRANSPORT', flag(A.requestedTransport, Uint8Array.of(17)), 400],
    ['for SCTP', flag(A.requestedTransport, Uint8Array.of(132, 0, 0, 0)), 442],
    ['for TCP over UDP', tcp, 400],
    ['for UDP', udp, 0],
    ['with DONT-FRAGMENT that cannot be honoured', all(udp, flag(A.dontFragment)), 420],
    ['with an unknown required attribute', all(udp, flag(0x7ffe)), 420],
    ['with an unknown optional attribute', all(udp, flag(0xfffe)), 0],
    ['with MOBILITY-TICKET', all(udp, flag(0x8030)), 0],
    ['with ICE attributes', all(udp, flag(A.priority, new Uint8Array(4))), 420],
    ['for IPv4', all(udp, family(1)), 0],
    ['for IPv6', all(udp, family(2)), 0],
    ['for family 3', all(udp, family(3)), 440],
    ['for family 0', all(udp, family(0)), 440],
    ['with a short family', all(udp, flag(A.requestedAddressFamily, Uint8Array.of(1))), 400],
    ['for both families', all(udp, additional), 0],
    ['with IPv4 as additional family', all(udp, family(1, A.additionalAddressFamily)), 400],
    ['with family 0 as additional', all(udp, family(0, A.additionalAddressFamily)), 400],
    ['with requested and additional family', all(udp, family(1), additional), 400],
    ['with an even port', all(udp, even(0)), 0],
    ['with an even port and the next', all(udp, even(0x80)), 0],
    ['with an empty EVEN-PORT', all(udp, flag(A.evenPort)), 400],
    ['with the next port and both families', all(udp, even(0x80), additional), 400],
    ['with an even port and both families', all(udp, even(0), additional), 0],
    ['with an unknown token', all(udp, token), 508],
    ['with a short token', all(udp, flag(A.reservationToken, new Uint8Array(7))), 400],
    ['with a token and EVEN-PORT', all(udp, token, even(0)), 400],
    ['with a token and a family', all(udp, token, family(1)), 400],
    ['with a token and family 0', all(udp, token, family(0)), 400],
    ['with a token and an additional family', all(udp, token, additional), 400],
    ['with a short lifetime attribute', all(udp, flag(A.lifetime, Uint8Array.of(1))), 400],
  ];
  it.each(rows)('%s', (_name, fill, code) => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    expect(client.code(M.allocate, fill)).toBe(code);
    expect(bench.server.stats().allocations).toBe(code === 0 ? 1 : 0);
    if (code !== 0) expect(held(bench.server)).toEqual(nothing);
  });

  it.each([
    ['plain', tcp, 0],
    ['with DONT-FRAGMENT', all(tcp, flag(A.dontFragment)), 400],
    ['with EVEN-PORT', all(tcp, even(0)), 400],
    ['with a token', all(tcp, token), 400],
  ] as [string, Fill, number][])('a TCP relay over TCP, %s', (_name, fill, code) => {
    const client = new ScriptedClient(new ServerBench({ dontFragment: true }), clientTuple(1, 'tcp'));
    expect(client.code(M.allocate, fill)).toBe(code);
  });

  it('a TCP relay when none are offered', () => {
    const client = new ScriptedClient(new ServerBench({ tcpRelays: false }), clientTuple(1, 'tcp'));
    expect(client.code(M.allocate, tcp)).toBe(442);
  });

  it.each([
    [undefined, 600],
    [0, 600],
    [10, 600],
    [1200, 1200],
    [0xffffffff, 3600],
  ])('lifetime %s gives %s', (asked, given) => {
    const client = new ScriptedClient(new ServerBench());
    const answer = answerOf(
      client.request(M.allocate, all(udp, asked === undefined ? () => {} : lifetime(asked))),
    );
    expect(uint32Attribute(answer, A.lifetime)).toBe(given);
  });

  it('lists the unknown attributes', () => {
    const client = new ScriptedClient(new ServerBench());
    const answer = answerOf(client.request(M.allocate, all(udp, flag(0x7ffe), flag(0x7ffd))));
    expect(parseUnknownAttributes(findAttribute(answer, A.unknownAttributes)!)).toEqual([0x7ffe, 0x7ffd]);
  });

  it('tells relayed and mapped addresses, of both families when asked', () => {
    const client = new ScriptedClient(new ServerBench());
    const answer = answerOf(client.request(M.allocate, all(udp, additional)));
    const relayed = findAttributes(answer, A.xorRelayedAddress).map(
      (v) => decodeXorAddress(v, answer.transactionId).address,
    );
    expect(relayed).toEqual(['9.1.1.1', '2600::1:1']);
    const mapped = decodeXorAddress(findAttribute(answer, A.xorMappedAddress)!, answer.transactionId);
    expect(mapped).toEqual(client.tuple.remote);
  });

  it.each([
    [4, 1],
    [6, 2],
  ])('of both families gives one when family %s fails', (failing, number) => {
    const bench = new ServerBench();
    bench.failFamily = failing;
    const answer = answerOf(new ScriptedClient(bench).request(M.allocate, all(udp, additional)));
    expect(codeOf(answer)).toBe(0);
    expect([...findAttribute(answer, A.addressErrorCode)!]).toEqual([number, 0, 5, 8]);
    expect(bench.server.stats()).toMatchObject({ relays: 1, quotaPorts: 1 });
  });

  it('of both families gives 440 for the one that is not offered', () => {
    const bench = new ServerBench({ relayFamilies: [4] });
    const answer = answerOf(new ScriptedClient(bench).request(M.allocate, all(udp, additional)));
    expect([...findAttribute(answer, A.addressErrorCode)!]).toEqual([2, 0, 4, 40]);
    expect(new ScriptedClient(bench, clientTuple(5)).allocate(family(2))).toBe(440);
  });

  it('is 508 when no relay opens, at once or within the time', () => {
    const bench = new ServerBench();
    bench.failFamily = 4;
    const client = new ScriptedClient(bench);
    expect(client.allocate(even(0x80))).toBe(508);
    expect(held(bench.server)).toEqual(nothing);
    bench.answersOpen = false;
    client.request(M.allocate, udp);
    expect(codeOf(answerOf(bench.advance(10_000)))).toBe(508);
    expect(held(bench.server)).toEqual(nothing);
  });

  it('retransmitted gets the same answer, and one with another id 437', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    const bytes = client.build(M.allocate, udp);
    const first = answerOf(bench.packet(client.tuple, bytes)).bytes;
    bench.advance(3000);
    expect(answerOf(bench.packet(client.tuple, bytes)).bytes).toEqual(first);
    expect(client.allocate()).toBe(437);
    expect(bench.server.stats().allocations).toBe(1);
  });

  it('retransmitted while the relay opens is answered once', () => {
    const bench = new ServerBench();
    bench.answersOpen = false;
    const client = new ScriptedClient(bench);
    const bytes = client.build(M.allocate, udp);
    const [open] = bench.packet(client.tuple, bytes);
    expect(bench.packet(client.tuple, bytes)).toEqual([]);
    if (open?.kind !== 'open-relay') throw new Error('no relay');
    bench.server.handleRelayOpened(bench.now, open.relay, { address: '9.1.1.1', port: 9 });
    expect(codeOf(answerOf(bench.drain()))).toBe(0);
  });

  it('uses a reserved port once, and only its owner', () => {
    const bench = new ServerBench();
    const first = answerOf(new ScriptedClient(bench).request(M.allocate, all(udp, even(0x80))));
    const use = flag(A.reservationToken, findAttribute(first, A.reservationToken)!);
    expect(new ScriptedClient(bench, clientTuple(2), 'bob', 'builder').allocate(use)).toBe(508);
    expect(new ScriptedClient(bench, clientTuple(3)).allocate(use)).toBe(0);
    expect(new ScriptedClient(bench, clientTuple(4)).allocate(use)).toBe(508);
    expect(bench.server.stats()).toMatchObject({ quotaPorts: 2, reservations: 0 });
  });

  it('is redirected or refused while draining, and what was there lives on', () => {
    const bench = new ServerBench();
    const old = new ScriptedClient(bench, clientTuple(1));
    expect(old.allocate()).toBe(0);
    bench.server.drain([
      { address: '2600::9', port: 1 },
      { address: '9.1.1.2', port: 3479 },
    ]);
    const answer = answerOf(new ScriptedClient(bench, clientTuple(2)).request(M.allocate, udp));
    expect(codeOf(answer)).toBe(300);
    expect([...findAttribute(answer, A.alternateServer)!]).toEqual([0, 1, 13, 151, 9, 1, 1, 2]);
    bench.server.drain();
    expect(new ScriptedClient(bench, clientTuple(3)).allocate()).toBe(508);
    expect(old.code(M.refresh)).toBe(0);
  });
});

describe('Refresh', () => {
  it.each([
    ['plain', () => {}, 0],
    ['of the family that is there', family(1), 0],
    ['of the other family', family(2), 443],
    ['of no known family', family(7), 443],
    ['with lifetime 0', lifetime(0), 0],
    ['with a long lifetime attribute', flag(A.lifetime, new Uint8Array(8)), 400],
    ['with an unknown attribute', flag(0x7fff), 420],
  ] as [string, Fill, number][])('%s', (_name, fill, code) => {
    const client = new ScriptedClient(new ServerBench());
    expect(client.allocate()).toBe(0);
    expect(client.code(M.refresh, fill)).toBe(code);
  });

  it('without an allocation is 437, with another user 441', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    for (const method of [M.refresh, M.createPermission, M.channelBind, M.connect]) {
      expect(client.code(method, peer(PEER))).toBe(437);
    }
    client.allocate();
    client.username = 'bob';
    client.password = 'builder';
    for (const method of [M.refresh, M.createPermission, M.channelBind, M.connect]) {
      expect(client.code(method, peer(PEER))).toBe(441);
    }
  });

  it('of one family of two leaves the other', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate(additional);
    client.code(M.createPermission, all(peer(PEER), peer('2600::5')));
    expect(client.code(M.refresh, all(lifetime(0), family(1)))).toBe(0);
    expect(bench.server.stats()).toMatchObject({ relays: 1, permissions: 1, quotaPorts: 1 });
    expect(client.code(M.createPermission, peer(PEER))).toBe(443);
    bench.advance(600_000);
    expect(held(bench.server)).toEqual(nothing);
    expect(bench.ports.size).toBe(0);
  });

  it('keeps the allocation for exactly the lifetime it said', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    bench.advance(599_999);
    expect(client.code(M.refresh)).toBe(0);
    bench.advance(599_999);
    expect(bench.server.stats().allocations).toBe(1);
    bench.advance(1);
    expect(held(bench.server)).toEqual(nothing);
  });
});

describe('CreatePermission', () => {
  it.each([
    ['without a peer', () => {}, 400],
    ['with a malformed peer', flag(A.xorPeerAddress, new Uint8Array(5)), 400],
    ['with a peer of the other family', peer('2600::5'), 443],
    ['with a denied peer', peer('127.0.0.1'), 403],
    ['with one denied of two', all(peer(PEER), peer('10.0.0.1')), 403],
    ['with two peers', all(peer(PEER), peer('9.9.9.10')), 0],
  ] as [string, Fill, number][])('%s', (_name, fill, code) => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    expect(client.code(M.createPermission, fill)).toBe(code);
    expect(bench.server.stats().permissions).toBe(code === 0 ? 2 : 0);
  });

  it('is 508 beyond the bound', () => {
    const client = new ScriptedClient(new ServerBench({ limits: { maxPermissions: 2, maxChannels: 1 } }));
    client.allocate();
    expect(client.code(M.createPermission, all(peer('9.9.9.1'), peer('9.9.9.2'), peer('9.9.9.3')))).toBe(508);
    expect(client.code(M.channelBind, all(peer('9.9.9.1'), channel(0x4000)))).toBe(0);
    expect(client.code(M.channelBind, all(peer('9.9.9.2'), channel(0x4001)))).toBe(508);
    expect(client.code(M.createPermission, peer('9.9.9.2'))).toBe(0);
    expect(client.code(M.createPermission, peer('9.9.9.3'))).toBe(508);
  });

  it('lasts 300 seconds, in the data plane too', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate();
    client.code(M.createPermission, peer(PEER));
    bench.advance(299_999);
    expect(bench.server.stats().permissions).toBe(1);
    expect(bench.advance(1).map((e) => e.kind)).toEqual(['remove-permission']);
  });
});

describe('ChannelBind', () => {
  it.each([
    ['without a number', peer(PEER), 400],
    ['without a peer', channel(0x4000), 400],
    ['with a short number', all(peer(PEER), flag(A.channelNumber, Uint8Array.of(0x40, 0))), 400],
    ['of 0x3fff', all(peer(PEER), channel(0x3fff)), 400],
    ['of 0x4000', all(peer(PEER), channel(0x4000)), 0],
    ['of 0x4fff', all(peer(PEER), channel(0x4fff)), 0],
    ['of 0x5000', all(peer(PEER), channel(0x5000)), 400],
    ['of 0x7fff', all(peer(PEER), channel(0x7fff)), 400],
    ['of 0xffff', all(peer(PEER), channel(0xffff)), 400],
    ['to the other family', all(peer('2600::5'), channel(0x4000)), 443],
    ['to a denied peer', all(peer('192.168.0.1'), channel(0x4000)), 403],
  ] as [string, Fill, number][])('%s', (_name, fill, code) => {
    const client = new ScriptedClient(new ServerBench());
    client.allocate();
    expect(client.code(M.channelBind, fill)).toBe(code);
  });

  it('keeps one number for one peer until it ends', () => {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench);
    client.allocate(lifetime(3600));
    const bind = (number: number, port: number) =>
      client.code(M.channelBind, all(peer(PEER, port), channel(number)));
    expect(bind(0x4000, 1)).toBe(0);
    expect(bind(0x4000, 1)).toBe(0);
    expect(bind(0x4000, 2)).toBe(400);
    expect(bind(0x4001, 1)).toBe(400);
    expect(bind(0x4001, 2)).toBe(0);
    bench.advance(599_999);
    expect(bind(0x4000, 2)).toBe(400);
    bench.advance(1);
    expect(bind(0x4000, 2)).toBe(0);
  });
});
