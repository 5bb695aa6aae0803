import { Secret } from '@conclave/bytes';
import { attributeType as A, findAttribute, parseStun, StunBuilder, stunMethod } from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import type { TurnTransport } from '../src/index.ts';
import { ClientLink } from './client-link.ts';
import { held, nothing, ServerBench } from './server-bench.ts';

const PEER = { address: '9.9.9.9', port: 7000 };
const OTHER = { address: '9.9.9.10', port: 7001 };
const bytes = Uint8Array.of(1, 2, 3);

function allocated(link: ClientLink): ClientLink {
  link.client.allocate(link.bench.now);
  link.run(60_000);
  expect(link.event('allocated')?.relayed[0]).toMatchObject({ address: '9.1.1.1' });
  expect(link.event('allocated')?.mapped).toEqual(link.tuple.remote);
  return link;
}

describe.each(['udp', 'tcp', 'tls', 'dtls'] as TurnTransport[])('over %s', (transport) => {
  it('a relay carries data by indication and by channel, and is given back', () => {
    const link = allocated(new ClientLink(new ServerBench(), { transport }));
    const { client, bench } = link;
    expect(client.send(bench.now, PEER, bytes)).toBe(false);
    expect(client.permit(bench.now, PEER.address)).toBe(true);
    link.run(100);
    expect(client.send(bench.now, PEER, bytes)).toBe(true);
    link.run(100);
    expect(link.toPeers).toMatchObject([{ peer: PEER, data: bytes }]);
    expect(client.bindChannel(bench.now, OTHER)).toBe(true);
    link.run(100);
    expect(link.event('channel-bound')).toMatchObject({ peer: OTHER, channel: 0x4000 });
    expect(client.channelTo(bench.now, OTHER)).toBe(0x4000);
    client.send(bench.now, OTHER, bytes);
    link.fromPeer(PEER, bytes);
    link.fromPeer(OTHER, bytes);
    link.run(100);
    expect(link.toPeers[1]).toMatchObject({ peer: OTHER, data: bytes });
    const data = link.events.filter((e) => e.kind === 'data');
    expect(data).toEqual(
      expect.arrayContaining([
        { kind: 'data', peer: PEER, bytes },
        { kind: 'data', peer: OTHER, bytes },
      ]),
    );
    expect(data).toHaveLength(2);
    client.release(bench.now);
    link.run(1000);
    expect(link.event('closed')).toMatchObject({ reason: 'released' });
    expect(held(bench.server)).toEqual(nothing);
    expect(client.pollTimeout()).toBeUndefined();
  });
});

it.each([1, 2, 3, 4, 5, 6])('lives for three hours at 20 % loss, seed %s', (seed) => {
  const link = new ClientLink(new ServerBench({ relayFamilies: [4, 6] }), { families: [4, 6] }, seed);
  link.lossRate = 0.2;
  const { client, bench } = allocated(link);
  client.permit(bench.now, '2600::7');
  for (let i = 1; i <= 10; i++) client.permit(bench.now, `9.9.9.${i}`);
  client.bindChannel(bench.now, PEER);
  link.run(60_000);
  // The nonce goes stale twice meanwhile.
  for (let i = 0; i < 36; i++) {
    link.run(300_000);
    expect(link.event('closed')).toBeUndefined();
    expect(bench.server.stats()).toMatchObject({ allocations: 1, relays: 2, channels: 1, permissions: 11 });
    expect(client.channelTo(bench.now, PEER)).toBe(0x4000);
  }
  client.release(bench.now);
  link.run(60_000);
  expect(held(bench.server).allocations).toBe(0);
});

describe('the end', () => {
  it('comes as timeout when nothing answers, after seven requests', () => {
    const link = new ClientLink(new ServerBench());
    link.blocked = true;
    link.client.allocate(link.bench.now);
    link.run(39_499);
    expect(link.sent).toBe(7);
    expect(link.event('closed')).toBeUndefined();
    link.run(1);
    expect(link.event('closed')).toEqual({ kind: 'closed', reason: 'timeout', code: 0 });
  });
  it('comes as timeout over a stream after one request', () => {
    const link = new ClientLink(new ServerBench(), { transport: 'tcp' });
    link.blocked = true;
    link.client.allocate(link.bench.now);
    link.run(39_500);
    expect([link.sent, link.event('closed')?.reason]).toEqual([1, 'timeout']);
  });
  it('comes as refused with a wrong password, a quota, and while draining', () => {
    const wrong = new ClientLink(new ServerBench(), { password: new Secret('x') });
    wrong.client.allocate(wrong.bench.now);
    wrong.run(1000);
    expect(wrong.event('closed')).toMatchObject({ reason: 'refused', code: 401 });
    expect(wrong.sent).toBe(2);
    const full = new ClientLink(new ServerBench({ quota: { perUser: 0 } }));
    full.client.allocate(full.bench.now);
    full.run(1000);
    expect(full.event('closed')).toMatchObject({ reason: 'refused', code: 486 });
  });
  it('comes as lost when the server forgot the allocation', () => {
    const link = allocated(new ClientLink(new ServerBench()));
    link.bench.server.closeAll();
    link.run(600_000);
    expect(link.event('closed')).toMatchObject({ reason: 'lost', code: 437 });
  });
  it('comes as lost when the way is cut, at the latest with the lifetime', () => {
    const link = allocated(new ClientLink(new ServerBench()));
    link.blocked = true;
    link.run(600_000);
    expect(link.event('closed')).toMatchObject({ reason: 'lost', code: 0 });
    expect(held(link.bench.server)).toEqual(nothing);
  });
  it('comes at once when released before there was anything', () => {
    const link = new ClientLink(new ServerBench());
    link.client.release(link.bench.now);
    expect(link.client.pollEvent()).toMatchObject({ reason: 'released' });
  });
});

it('follows one redirection and no second', () => {
  const link = new ClientLink(new ServerBench());
  const sister = { address: '9.1.1.2', port: 3478 };
  link.bench.server.drain([sister]);
  link.client.allocate(link.bench.now);
  link.run(5000);
  expect(link.event('redirected')).toEqual({ kind: 'redirected', server: sister });
  expect(link.client.server).toEqual(sister);
  expect(link.event('closed')).toMatchObject({ reason: 'refused', code: 300 });
});

it('waits for a connection to the server it is sent to', () => {
  const link = new ClientLink(new ServerBench(), { transport: 'tcp' });
  link.bench.server.drain([{ address: '9.1.1.2', port: 3478 }]);
  link.client.allocate(link.bench.now);
  link.run(5000);
  const before = link.sent;
  expect(link.event('closed')).toBeUndefined();
  link.client.handleConnected(link.bench.now);
  link.run(10);
  expect(link.sent).toBe(before + 1);
});

it('tells which peer was refused, and keeps the others', () => {
  const link = allocated(new ClientLink(new ServerBench()));
  link.client.permit(link.bench.now, '10.0.0.1');
  link.client.permit(link.bench.now, PEER.address);
  expect(link.client.permit(link.bench.now, '2600::1')).toBe(false);
  link.run(1000);
  expect(link.event('refused')).toEqual({ kind: 'refused', peer: '10.0.0.1', code: 403 });
  expect(link.event('permitted')).toEqual({ kind: 'permitted', peer: PEER.address });
});

it('believes no answer that is not sealed, and no offer that was cut', () => {
  const link = new ClientLink(new ServerBench());
  const { client, bench, tuple } = link;
  client.allocate(bench.now);
  const challenge = () => {
    const request = client.pollTransmit()!.bytes;
    bench.server.handlePacket(bench.now, tuple, request);
    return parseStun(bench.drain().find((e) => e.kind === 'send')!.bytes);
  };
  const answer = challenge();
  const cut = new StunBuilder({
    class: 'error',
    method: stunMethod.allocate,
    transactionId: answer.transactionId,
  })
    .errorCode(401)
    .attribute(A.realm, findAttribute(answer, A.realm)!)
    .attribute(A.nonce, findAttribute(answer, A.nonce)!);
  client.handlePacket(bench.now, answer.bytes);
  const sealed = parseStun(client.pollTransmit()!.bytes);
  expect(sealed.integritySha256Offset).toBeDefined();
  const forged = new StunBuilder({
    class: 'success',
    method: stunMethod.allocate,
    transactionId: sealed.transactionId,
  })
    .xorAddress(A.xorRelayedAddress, PEER)
    .uint32(A.lifetime, 600);
  client.handlePacket(bench.now, forged.finish());
  const refused = new StunBuilder({
    class: 'error',
    method: stunMethod.allocate,
    transactionId: sealed.transactionId,
  });
  client.handlePacket(bench.now, refused.errorCode(508).finish());
  expect(client.pollEvent()).toBeUndefined();
  const other = new ClientLink(bench);
  other.client.allocate(bench.now);
  const { transactionId } = parseStun(other.client.pollTransmit()!.bytes);
  const bytesCut = cut.finish();
  bytesCut.set(transactionId, 8);
  other.client.handlePacket(bench.now, bytesCut);
  expect(other.client.pollEvent()).toMatchObject({ kind: 'closed', reason: 'refused', code: 401 });
  expect(other.client.pollTransmit()).toBeUndefined();
});
