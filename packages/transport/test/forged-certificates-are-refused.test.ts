import { generateDtlsIdentity } from '@conclave/forwarder';
import { expect, it } from 'vitest';
import { TransportPair } from './transport-pair.ts';

it('a client whose certificate is not the announced one gets no keys and no channel', () => {
  const pair = new TransportPair({ announcedByClient: generateDtlsIdentity().fingerprint });
  pair.server.transport.openChannel(0, 'calling-3.0');
  pair.introduce();
  expect(pair.runUntil(() => pair.server.failure !== undefined, 15_000)).toBe(true);
  expect(pair.server.failure).toBe('the certificate shown is not the one announced');
  expect(pair.server.transport.secured).toBe(false);
  expect(pair.server.transport.ended).toBe(true);
  pair.runFor(30_000);
  const kinds = new Set(pair.server.events.map((event) => event.type));
  expect([...kinds].sort()).toEqual(['failed', 'paths', 'round-trip']);
  expect(pair.server.eventsOf('failed')).toHaveLength(1);
  // The client hears of it rather than waiting for a channel for ever.
  expect(pair.client.failure).toContain('DTLS closed');
  expect(pair.client.channel).toBeUndefined();
});

it('messages of such a client are never taken', () => {
  const pair = new TransportPair({ announcedByClient: generateDtlsIdentity().fingerprint });
  // It sends them as soon as it is connected, before the server can have told it anything.
  pair.client.transport.openChannel(0, 'calling-3.0');
  pair.introduce();
  pair.runUntil(() => pair.client.transport.secured, 15_000);
  expect(pair.client.transport.secured).toBe(true);
  pair.runFor(5000);
  expect(pair.server.eventsOf('channel-open')).toEqual([]);
  expect(pair.server.messages).toEqual([]);
  expect(pair.server.eventsOf('secured')).toEqual([]);
});

it('a server whose certificate is not the announced one is given up by the client', () => {
  const pair = new TransportPair({ announcedByServer: generateDtlsIdentity().fingerprint });
  pair.introduce();
  expect(pair.runUntil(() => pair.client.failure !== undefined, 15_000)).toBe(true);
  expect(pair.client.failure).toBe('the certificate shown is not the one announced');
  expect(pair.client.eventsOf('secured')).toEqual([]);
});

it('a fingerprint may be written in lower case', () => {
  const identity = generateDtlsIdentity();
  const pair = new TransportPair({
    client: { identity },
    announcedByClient: identity.fingerprint.toLowerCase(),
  });
  pair.introduce();
  expect(pair.runUntil(() => pair.server.transport.secured, 15_000)).toBe(true);
});

it('an empty fingerprint, or the beginning of the true one, is no fingerprint', () => {
  const identity = generateDtlsIdentity();
  for (const announced of ['', identity.fingerprint.slice(0, 47), identity.fingerprint.slice(0, -1)]) {
    const pair = new TransportPair({ client: { identity }, announcedByClient: announced });
    pair.introduce();
    expect(
      pair.runUntil(() => pair.server.failure !== undefined, 15_000),
      announced,
    ).toBe(true);
    expect(pair.server.eventsOf('secured')).toEqual([]);
  }
});

it('a peer without a common SRTP profile is given up', () => {
  const pair = new TransportPair({ client: { srtpProfiles: [8] }, server: { srtpProfiles: [1] } });
  pair.introduce();
  const ended = () => pair.server.failure !== undefined || pair.client.failure !== undefined;
  expect(pair.runUntil(ended, 15_000)).toBe(true);
  expect(pair.server.eventsOf('secured')).toEqual([]);
  expect(pair.client.eventsOf('secured')).toEqual([]);
});
