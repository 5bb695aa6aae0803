import { attributeType as A, stunMethod as M, uint32Attribute } from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import {
  answerOf,
  clientTuple,
  codeOf,
  type Fill,
  held,
  nothing,
  peer,
  ScriptedClient,
  ServerBench,
  tcp,
} from './server-bench.ts';

const PEER = '9.9.9.9';

describe('Connect and ConnectionBind', () => {
  function start() {
    const bench = new ServerBench();
    const client = new ScriptedClient(bench, clientTuple(1, 'tcp'));
    expect(client.code(M.allocate, tcp)).toBe(0);
    const data = new ScriptedClient(bench, clientTuple(2, 'tcp'));
    return { bench, client, data };
  }
  const connectionId =
    (id: number): Fill =>
    (r) =>
      r.uint32(A.connectionId, id);

  it('joins a connection that was asked for', () => {
    const { bench, client, data } = start();
    const [connect] = client.request(M.connect, peer(PEER));
    if (connect?.kind !== 'connect-peer') throw new Error('no connect');
    expect(client.code(M.connect, peer(PEER))).toBe(446);
    expect(data.code(M.connectionBind, connectionId(connect.connection))).toBe(400);
    bench.server.handlePeerConnected(bench.now, connect.connection);
    const answer = answerOf(bench.drain());
    expect(uint32Attribute(answer, A.connectionId)).toBe(connect.connection);
    expect(
      new ScriptedClient(bench, clientTuple(3, 'tcp'), 'bob', 'builder').code(
        M.connectionBind,
        connectionId(connect.connection),
      ),
    ).toBe(441);
    expect(client.code(M.connectionBind, connectionId(connect.connection))).toBe(400);
    expect(
      new ScriptedClient(bench, clientTuple(3)).code(M.connectionBind, connectionId(connect.connection)),
    ).toBe(400);
    const effects = data.request(M.connectionBind, connectionId(connect.connection));
    expect(effects.map((e) => e.kind)).toEqual(['send', 'join-connection']);
    expect(data.request(M.refresh)).toEqual([]);
    bench.server.handleTransportClosed(bench.now, data.tuple);
    expect(bench.drain().map((e) => e.kind)).toEqual(['close-connection']);
    expect(bench.server.stats().connections).toBe(0);
  });

  it('refuses what cannot be', () => {
    const { bench, client, data } = start();
    expect(client.code(M.connect)).toBe(400);
    expect(client.code(M.connect, peer('10.0.0.1'))).toBe(403);
    expect(client.code(M.connect, peer('2600::5'))).toBe(443);
    expect(data.code(M.connectionBind)).toBe(400);
    expect(data.code(M.connectionBind, connectionId(5))).toBe(400);
    const overUdp = new ScriptedClient(bench, clientTuple(9));
    overUdp.allocate();
    expect(overUdp.code(M.connect, peer(PEER))).toBe(400);
  });

  it('is 447 when the peer refuses or does not answer, and a connection nobody binds is closed', () => {
    const { bench, client } = start();
    const connect = () => {
      const [effect] = client.request(M.connect, peer(PEER));
      if (effect?.kind !== 'connect-peer') throw new Error('no connect');
      return effect.connection;
    };
    const refused = connect();
    bench.openConnections.delete(refused);
    bench.server.handlePeerClosed(bench.now, refused);
    expect(codeOf(answerOf(bench.drain()))).toBe(447);
    connect();
    expect(codeOf(answerOf(bench.advance(30_000)))).toBe(447);
    bench.server.handlePeerConnected(bench.now, connect());
    bench.drain();
    expect(bench.advance(30_000).map((e) => e.kind)).toEqual(['close-connection']);
    expect(bench.openConnections.size).toBe(0);
  });

  it('announces peers with a permission, and only those', () => {
    const { bench, client, data } = start();
    const [relay] = bench.ports.keys();
    const from = { address: PEER, port: 80 };
    expect(bench.server.handlePeerIncoming(bench.now, relay!, from)).toBeUndefined();
    client.code(M.createPermission, peer(PEER));
    const id = bench.server.handlePeerIncoming(bench.now, relay!, from);
    const attempt = answerOf(bench.drain());
    expect([attempt.class, attempt.method]).toEqual(['indication', M.connectionAttempt]);
    expect(uint32Attribute(attempt, A.connectionId)).toBe(id);
    expect(data.code(M.connectionBind, connectionId(id!))).toBe(0);
    bench.server.handleTransportClosed(bench.now, client.tuple);
    expect(bench.drain().map((e) => e.kind)).toEqual(['close-connection', 'close-relay']);
    expect(held(bench.server)).toEqual(nothing);
  });
});
