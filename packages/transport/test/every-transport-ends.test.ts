import { FormatError } from '@conclave/bytes';
import { expect, it } from 'vitest';
import { createMuteDtlsSession } from './patient-dtls.ts';
import { isDtls, TransportPair } from './transport-pair.ts';

it('a peer that is reached but never does DTLS is given up after twenty seconds', () => {
  const pair = new TransportPair({ client: { createDtlsSession: createMuteDtlsSession } });
  pair.introduce();
  expect(pair.runUntil(() => pair.server.failure !== undefined, 60_000)).toBe(true);
  expect(pair.now).toBe(20_000);
  expect(pair.server.failure).toBe('no DTLS connection within 20000 ms');
  expect(pair.server.valid).toHaveLength(1);
  expect(pair.server.transport.pollTimeout()).toBeUndefined();
});

it('the time for the handshake can be set', () => {
  const pair = new TransportPair({
    server: { handshakeTimeoutMs: 3000 },
    client: { createDtlsSession: createMuteDtlsSession },
  });
  pair.introduce();
  pair.runUntil(() => pair.server.failure !== undefined, 60_000);
  expect(pair.now).toBe(3000);
});

it('a peer that cannot be reached is given up', () => {
  const pair = new TransportPair();
  pair.blocks = () => true;
  pair.introduce();
  expect(pair.runUntil(() => pair.server.failure !== undefined, 60_000)).toBe(true);
  expect(pair.server.failure).toBe('ICE found no path, or consent expired');
});

it('the time for the handshake does not end a call that is up', () => {
  const pair = new TransportPair();
  pair.connect();
  pair.runFor(120_000);
  expect(pair.server.failure).toBeUndefined();
  expect(pair.client.failure).toBeUndefined();
});

it('closing tells the peer, which ends at once', () => {
  const pair = new TransportPair();
  pair.connect();
  const before = pair.sent.length;
  pair.act((now) => pair.server.transport.close(now));
  const closing = pair.sent.slice(before);
  expect(closing.length).toBeGreaterThan(0);
  expect(closing.every(({ bytes }) => isDtls(bytes))).toBe(true);
  // An alert's record (RFC 6347 §4.1, RFC 5246 §7.2) is the last.
  expect(closing.at(-1)?.bytes[0]).toBe(21);
  expect(pair.runUntil(() => pair.client.failure !== undefined, 1000)).toBe(true);
  expect(pair.client.failure).toMatch(/closed/);
  expect(pair.server.failure).toBeUndefined();
  expect(pair.server.transport.ended).toBe(true);
});

it('a transport that has ended says and does nothing more, whatever comes', () => {
  const pair = new TransportPair();
  pair.connect();
  const { transport, channel = -1 } = pair.server;
  pair.act((now) => transport.close(now));
  const { length } = pair.server.events;
  const sent = pair.sent.length;
  pair.act((now) => {
    transport.close(now);
    expect(transport.send(now, channel, 'too late')).toBe(false);
    transport.openChannel(now, 'late');
    transport.handleTimeout(now + 60_000);
    transport.handlePathClosed(now, 1);
  });
  // What the client had on its way still arrives.
  pair.runFor(1000);
  expect(pair.server.events).toHaveLength(length);
  expect(pair.sent.slice(sent).filter(({ from }) => from.address === '192.0.2.1')).toEqual([]);
  expect(transport.pollTimeout()).toBeUndefined();
});

it('closing before anything has begun is silent', () => {
  const pair = new TransportPair();
  pair.act((now) => pair.server.transport.close(now));
  pair.introduce();
  pair.runFor(1000);
  expect(pair.server.events).toEqual([]);
  expect(pair.sent.filter(({ from }) => from.address === '192.0.2.1')).toEqual([]);
});

it('credentials that ICE does not allow are refused, and those of a second try are taken', () => {
  const pair = new TransportPair();
  const remote = {
    ufrag: 'x',
    pwd: pair.client.pwd,
    candidates: [],
    fingerprint: pair.client.identity.fingerprint,
    setup: 'active' as const,
  };
  expect(() => pair.server.transport.setRemote(0, remote)).toThrow(FormatError);
  expect(() => pair.server.transport.setRemote(0, { ...remote, ufrag: 'good', pwd: 'short' })).toThrow(
    FormatError,
  );
  expect(pair.server.transport.pollTimeout()).toBeUndefined();
  pair.introduce();
  expect(pair.runUntil(() => pair.server.transport.secured, 5000)).toBe(true);
});

it('candidates that cannot be read are skipped, and a second description is ignored', () => {
  const pair = new TransportPair();
  pair.client.candidates.unshift('', 'nonsense', '1 1 udp x 198.51.100.9 5000 typ host', '\0'.repeat(1000));
  pair.introduce();
  pair.act((now) =>
    pair.server.transport.setRemote(now, {
      ufrag: 'other',
      pwd: 'anotherPasswordOf24Chars',
      candidates: [],
      fingerprint: 'AA',
      setup: 'passive',
    }),
  );
  expect(pair.runUntil(() => pair.server.transport.secured, 5000)).toBe(true);
});

it('the server is the DTLS client when the answer says passive', () => {
  const pair = new TransportPair();
  const { client, server } = pair;
  const now = 0;
  const { ufrag, pwd, candidates } = client;
  server.transport.setRemote(now, {
    ufrag,
    pwd,
    candidates,
    fingerprint: client.identity.fingerprint,
    setup: 'passive',
  });
  client.transport.setRemote(now, {
    ufrag: server.ufrag,
    pwd: server.pwd,
    candidates: server.candidates,
    fingerprint: server.identity.fingerprint,
    setup: 'active',
  });
  expect(pair.runUntil(() => server.transport.secured && client.transport.secured, 5000)).toBe(true);
  expect(server.eventsOf('secured')[0]?.srtpKeys.sendKey).toEqual(
    client.eventsOf('secured')[0]?.srtpKeys.receiveKey,
  );
});
