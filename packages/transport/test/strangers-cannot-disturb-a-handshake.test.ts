import { createDtlsSession, generateDtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import { SeededRandom } from '@conclave/testkit';
import { expect, it } from 'vitest';
import { CLIENT_AT, type Endpoint, isDtls, SERVER_AT, TransportPair } from './transport-pair.ts';

const STRANGER: Endpoint = { address: '203.0.113.66', port: 6666 };

/** A complete first flight of somebody who has nothing to do with the call. */
function foreignHello(): Uint8Array {
  const session = createDtlsSession({
    identity: generateDtlsIdentity(),
    role: 'client',
    srtpProfiles: [SrtpProfile.aeadAes128Gcm],
  });
  session.start(0);
  const hello = session.pollTransmit();
  session.close();
  if (!hello) throw new Error('a client begins with its hello');
  return hello;
}

/** Gives the transport a datagram past the check of addresses that its owner makes. */
function force(pair: TransportPair, from: Endpoint, bytes: Uint8Array): void {
  pair.act((now) => pair.server.transport.handleDtls(now, pair.pathFrom(from), bytes));
}

function expectCall(pair: TransportPair): void {
  const secured = () => pair.server.transport.secured && pair.client.transport.secured;
  expect(pair.runUntil(secured, 15_000)).toBe(true);
  expect(pair.server.eventsOf('secured')[0]?.srtpKeys.receiveKey).toEqual(
    pair.client.eventsOf('secured')[0]?.srtpKeys.sendKey,
  );
  expect(pair.server.failure).toBeUndefined();
}

it('a hello before the answer is known is as if it had not come', () => {
  const pair = new TransportPair();
  for (let i = 0; i < 100; i++) force(pair, i % 2 ? STRANGER : CLIENT_AT, foreignHello());
  expect(pair.sent).toEqual([]);
  pair.introduce();
  expectCall(pair);
});

it('a hello before any path is validated gets no answer, even from the address of the client', () => {
  const pair = new TransportPair();
  pair.introduceClientToServer();
  for (let i = 0; i < 100; i++) force(pair, i % 2 ? STRANGER : CLIENT_AT, foreignHello());
  expect(pair.sent.filter(({ from, bytes }) => from.address === SERVER_AT.address && isDtls(bytes))).toEqual(
    [],
  );
  pair.introduceServerToClient();
  expectCall(pair);
});

it('hellos sprayed from another address all through the handshake change nothing', () => {
  const pair = new TransportPair();
  const hello = foreignHello();
  pair.introduce();
  for (let step = 0; step < 100; step++) {
    force(pair, STRANGER, hello);
    pair.inject(STRANGER, hello);
    pair.runFor(5);
  }
  expectCall(pair);
  expect(pair.sent.some(({ to }) => to.address === STRANGER.address)).toBe(false);
});

it('datagrams of the client itself, repeated from another address, change nothing', () => {
  const pair = new TransportPair();
  pair.introduce();
  let repeated = 0;
  pair.blocks = ({ from, bytes }) => {
    if (from.address === CLIENT_AT.address && isDtls(bytes)) {
      pair.server.transport.handleDtls(pair.now, pair.pathFrom(STRANGER), bytes);
      repeated += 1;
    }
    return false;
  };
  expectCall(pair);
  // Its hello, and its certificate with all that follows.
  expect(repeated).toBeGreaterThanOrEqual(2);
  expect(pair.sent.some(({ to }) => to.address === STRANGER.address)).toBe(false);
});

it('junk that looks like DTLS from the own address of the client changes nothing, before and after', () => {
  const random = new SeededRandom(7);
  const junk = (): Uint8Array => {
    const bytes = random.bytes(13 + random.below(1388));
    bytes[0] = 20 + random.below(44);
    // Half of it is a whole record of a known type (RFC 6347 §4.1).
    if (random.chance(0.5)) {
      const length = bytes.length - 13;
      bytes.set([20 + random.below(4), 0xfe, 0xfd, 0, random.below(2), 0, 0]);
      bytes.set([length >> 8, length & 255], 11);
    }
    return bytes;
  };
  const pair = new TransportPair();
  pair.introduce();
  expect(pair.runUntil(() => pair.server.valid.length > 0, 5000)).toBe(true);
  for (let i = 0; i < 300; i++) force(pair, CLIENT_AT, junk());
  expectCall(pair);
  for (let i = 0; i < 3000; i++) force(pair, CLIENT_AT, junk());
  pair.runFor(1000);
  expect(pair.server.failure).toBeUndefined();
  expect(pair.server.transport.ended).toBe(false);
});

it('a foreign hello after the handshake, from the own address of the client, does not end the call', () => {
  const pair = new TransportPair();
  pair.introduce();
  expectCall(pair);
  for (let i = 0; i < 50; i++) force(pair, CLIENT_AT, foreignHello());
  pair.runFor(2000);
  expect(pair.server.failure).toBeUndefined();
  expect(pair.server.eventsOf('secured')).toHaveLength(1);
});
