import { SeededRandom } from '@conclave/testkit';
import { expect, it } from 'vitest';
import { createMuteDtlsSession } from './patient-dtls.ts';
import { initAckValue, ScriptedDtlsSession, sctpPacket } from './sctp-packets.ts';
import { CLIENT_AT, TransportPair } from './transport-pair.ts';

const INIT = 1;
const INIT_ACK = 2;
const ABORT = 6;
const COOKIE_ECHO = 10;

/** A server's transport whose DTLS is up, and whose SCTP the test speaks to. */
class HostilePeer {
  readonly pair: TransportPair;
  readonly dtls: ScriptedDtlsSession;

  constructor() {
    const fingerprint = 'AB:CD';
    this.dtls = new ScriptedDtlsSession(fingerprint);
    this.pair = new TransportPair({
      server: { createDtlsSession: () => this.dtls },
      // It does not do DTLS, and is not to mind.
      client: { createDtlsSession: createMuteDtlsSession, handshakeTimeoutMs: 1_000_000 },
      announcedByClient: fingerprint,
    });
    this.pair.server.transport.openChannel(0, 'calling-3.0');
    this.pair.introduce();
    expect(this.pair.runUntil(() => this.pair.server.valid.length > 0, 5000)).toBe(true);
    this.#deliver(Uint8Array.of(22));
  }

  /** Chunk types of all packets it was sent. */
  get chunkTypes(): number[] {
    return this.dtls.sent.map((packet) => packet[12]!);
  }

  /** The tag that our packets have to carry: of the first INIT of the server. */
  get tag(): number {
    const init = this.dtls.sent.find((packet) => packet[12] === INIT)!;
    return new DataView(init.buffer).getUint32(16);
  }

  sendSctp(packet: Uint8Array): void {
    this.#deliver(Uint8Array.from([23, ...packet]));
  }

  #deliver(bytes: Uint8Array): void {
    this.pair.act((now) => this.pair.server.transport.handleDtls(now, this.pair.pathFrom(CLIENT_AT), bytes));
  }
}

it('a cookie is echoed when it fits a datagram', () => {
  const peer = new HostilePeer();
  peer.sendSctp(sctpPacket(peer.tag, INIT_ACK, initAckValue(77, 1000)));
  expect(peer.chunkTypes).toEqual([INIT, COOKIE_ECHO]);
  expect(peer.pair.server.failure).toBeUndefined();
});

it.each([1100, 1400, 9000, 60_000])('a cookie of %i bytes ends the transport of its sender', (length) => {
  const peer = new HostilePeer();
  peer.sendSctp(sctpPacket(peer.tag, INIT_ACK, initAckValue(77, length)));
  expect(peer.pair.server.transport.ended || !peer.chunkTypes.includes(COOKIE_ECHO)).toBe(true);
  peer.pair.runFor(120_000);
  expect(peer.pair.server.transport.ended).toBe(true);
  expect(peer.pair.server.channel).toBeUndefined();
});

it('an abort ends the transport', () => {
  const peer = new HostilePeer();
  peer.sendSctp(sctpPacket(peer.tag, ABORT, new Uint8Array()));
  expect(peer.pair.server.failure).toContain('SCTP closed');
});

it('a peer that never answers is given up', () => {
  const peer = new HostilePeer();
  expect(peer.pair.runUntil(() => peer.pair.server.failure !== undefined, 300_000)).toBe(true);
  expect(peer.pair.server.failure).toContain('SCTP closed');
});

it('packets of junk change nothing', () => {
  const random = new SeededRandom(5);
  const peer = new HostilePeer();
  for (let i = 0; i < 3000; i++) {
    const value = random.bytes(random.below(200));
    // Half with a right checksum and tag, of any chunk but those that may end an association.
    const type = random.pick([0, 3, 4, 5, 11, 15, 64, 128, 129, 130, 192, 193, 255]);
    peer.sendSctp(random.chance(0.5) ? sctpPacket(peer.tag, type, value) : value);
  }
  expect(peer.pair.server.failure).toBeUndefined();
  peer.sendSctp(sctpPacket(peer.tag, INIT_ACK, initAckValue(77, 100)));
  expect(peer.chunkTypes).toContain(COOKIE_ECHO);
  expect(peer.dtls.sent.length).toBeLessThan(3100);
});
