import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { AssociationPair } from './association-pair.ts';
import { RawPeer, u32 } from './raw-peer.ts';

/** A peer that has acknowledged the opening of a channel of the association's on stream 1. */
function peerWithChannel(
  options: ConstructorParameters<typeof RawPeer>[0] = {},
  window = 1_000_000,
): RawPeer {
  const peer = new RawPeer(options).establish();
  peer.association.openChannel({ label: 'x' });
  peer.wait(0);
  peer.ackAll(window);
  peer.seen.length = 0;
  return peer;
}

const sentTsns = (peer: RawPeer): number[] =>
  peer.all(ChunkType.data).map(({ value }) => u32(value, 0) - peer.theirTsn);
const sentBytes = (peer: RawPeer): number =>
  peer.all(ChunkType.data).reduce((sum, c) => sum + c.value.length - 12, 0);

describe('the congestion window', () => {
  it('begins with 4404 bytes, doubles in slow start at most, and bounds bursts', () => {
    const peer = peerWithChannel();
    peer.association.send(peer.now, 1, new Uint8Array(200_000));
    peer.collect();
    // Four packets: the last begins below the window.
    expect(sentBytes(peer)).toBeGreaterThanOrEqual(4404);
    expect(sentBytes(peer)).toBeLessThan(4404 + 1150);
    let before = sentBytes(peer);
    for (let round = 0; round < 6; round++) {
      peer.ackAll();
      const added = sentBytes(peer) - before;
      expect(added).toBeLessThanOrEqual(8 * 1150);
      before += added;
    }
    expect(peer.association.stats.retransmittedChunks).toBe(0);
  });

  it('closes to one packet after a timeout', () => {
    const peer = peerWithChannel();
    peer.association.send(peer.now, 1, new Uint8Array(50_000));
    peer.collect();
    const first = sentTsns(peer);
    peer.wait(500);
    expect(sentTsns(peer)).toEqual([...first, 1]);
    expect(peer.association.stats.timeouts).toBe(1);
    peer.sack(peer.theirTsn + 1);
    // One chunk acknowledged: slow start again from one.
    expect(sentTsns(peer).slice(first.length + 1)).toEqual([2, 3]);
  });
});

describe('fast retransmit', () => {
  it('repeats a chunk once after three reports', () => {
    const peer = peerWithChannel();
    peer.association.send(peer.now, 1, new Uint8Array(200_000));
    peer.collect();
    for (let i = 0; i < 4; i++) peer.ackAll();
    peer.seen.length = 0;
    const lost = peer.highestTsn + 1;
    const from = lost - peer.theirTsn;
    peer.ackAll();
    expect(sentTsns(peer).slice(0, 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => from + n));
    peer.seen.length = 0;
    peer.sack(lost - 1, 1_000_000, [[2, 2]]);
    peer.sack(lost - 1, 1_000_000, [[2, 3]]);
    expect(peer.association.stats.fastRecoveries).toBe(0);
    peer.sack(lost - 1, 1_000_000, [[2, 4]]);
    expect(peer.association.stats.fastRecoveries).toBe(1);
    expect(sentTsns(peer).filter((t) => t === from)).toEqual([from]);
    // More reports, even new ones, do not repeat it again.
    peer.sack(lost - 1, 1_000_000, [[2, 5]]);
    peer.sack(lost - 1, 1_000_000, [[2, 6]]);
    peer.sack(lost - 1, 1_000_000, [[2, 7]]);
    peer.sack(lost - 1, 1_000_000, [[2, 8]]);
    expect(sentTsns(peer).filter((t) => t === from).length).toBe(1);
    peer.wait(300);
    expect(sentTsns(peer).filter((t) => t === from).length).toBe(2);
  });
});

describe('a SACK', () => {
  it('for what was never sent, or with overlapping gaps, is ignored', () => {
    const peer = peerWithChannel();
    peer.association.send(peer.now, 1, new Uint8Array(3000));
    peer.collect();
    const buffered = peer.association.bufferedBytes;
    peer.sack(peer.theirTsn + 100);
    peer.sack(peer.theirTsn, 1_000_000, [[2, 50]]);
    peer.sack(peer.theirTsn + 0x7fffffff);
    expect(peer.association.stats.dropped['bad-sack']).toBe(3);
    peer.sack(peer.theirTsn, 1_000_000, [
      [3, 3],
      [2, 2],
    ]);
    peer.sack(peer.theirTsn, 1_000_000, [
      [2, 3],
      [3, 3],
    ]);
    peer.sack(peer.theirTsn, 1_000_000, [[3, 2]]);
    peer.sack(peer.theirTsn, 1_000_000, [[0, 2]]);
    expect(peer.association.stats.dropped.malformed).toBe(4);
    expect(peer.association.bufferedBytes).toBe(buffered);
    peer.ackAll();
    expect(peer.association.bufferedBytes).toBe(0);
  });

  it('that takes back a gap has the chunk sent again', () => {
    const peer = peerWithChannel();
    for (let i = 0; i < 3; i++) peer.association.send(peer.now, 1, `message ${i}`);
    peer.collect();
    peer.sack(peer.theirTsn, 1_000_000, [[2, 3]]);
    peer.sack(peer.theirTsn + 1, 1_000_000, []);
    expect(peer.association.bufferedBytes).toBe(18);
    peer.wait(1000);
    expect(sentTsns(peer).slice(0, 5)).toEqual([1, 2, 3, 2, 3]);
    peer.ackAll();
    expect(peer.association.bufferedBytes).toBe(0);
    peer.wait(60_000);
    expect(peer.association.state).not.toBe('ended');
  });
});

describe('a receive window', () => {
  it('of zero is probed with one chunk, for as long as the peer answers', () => {
    const peer = peerWithChannel({}, 0);
    peer.association.send(peer.now, 1, new Uint8Array(10_000));
    peer.collect();
    expect(sentTsns(peer)).toEqual([1]);
    for (let i = 0; i < 40; i++) {
      peer.wait(10_000);
      peer.sack(peer.theirTsn, 0);
    }
    expect(new Set(sentTsns(peer))).toEqual(new Set([1]));
    expect(sentTsns(peer).length).toBeGreaterThan(30);
    expect(peer.association.state).toBe('established');
    peer.sack(peer.theirTsn + 1, 100_000);
    peer.ackAll(100_000);
    expect(new Set(sentTsns(peer)).size).toBeGreaterThan(3);
  });

  it('is never overrun', () => {
    const peer = peerWithChannel({}, 2500);
    peer.association.send(peer.now, 1, new Uint8Array(10_000));
    peer.collect();
    expect(sentBytes(peer)).toBeLessThanOrEqual(2500);
    expect(sentBytes(peer)).toBeGreaterThan(1000);
  });

  it('that nobody empties stalls the sender, and opens again', () => {
    const pair = new AssociationPair(
      21,
      { delayMs: 20 },
      { receiveWindow: 100_000, maxMessageSize: 30_000 },
    ).connect();
    const id = pair.a.openChannel({ label: 'x' });
    pair.run(500);
    pair.unpolled.add('b');
    let sent = 0;
    const text = 'y'.repeat(10_000);
    for (let i = 0; i < 3000; i++) {
      while (pair.a.send(pair.now, id, text)) sent++;
      pair.run(100);
    }
    expect(pair.b.heldBytes).toBeLessThanOrEqual(2 * 100_000);
    expect(pair.messages('b').length).toBe(0);
    expect(pair.a.state).toBe('established');
    const stalledAt = pair.now;
    pair.unpolled.clear();
    pair.runUntil(() => pair.messages('b').length === sent, 60_000);
    expect(pair.now - stalledAt).toBeLessThan(20_000);
    expect(pair.messages('b').every((m) => m === text)).toBe(true);
  });
});

describe('lost acknowledgements', () => {
  it('cost repeats but no message', () => {
    const isSack = (packet: Uint8Array): boolean => packet[12] === ChunkType.sack;
    let sacks = 0;
    const pair = new AssociationPair(22, {
      passes: (packet, from) => from === 'a' || !isSack(packet) || sacks++ % 3 === 2,
    }).connect();
    const id = pair.a.openChannel({ label: 'x' });
    const messages = Array.from({ length: 200 }, (_, i) => `${i} ${'z'.repeat(700)}`);
    for (const message of messages) expect(pair.a.send(pair.now, id, message)).toBe(true);
    pair.runUntil(() => pair.a.bufferedBytes === 0, 60_000);
    expect(pair.messages('b')).toEqual(messages);
    expect(sacks).toBeGreaterThan(20);
  });

  it('of all kinds end the association in the end', () => {
    const pair = new AssociationPair(23).connect();
    const id = pair.a.openChannel({ label: 'x' });
    pair.run(500);
    pair.link = { loss: 1 };
    pair.a.send(pair.now, id, 'hello?');
    pair.run(120_000);
    expect(pair.events.a.at(-1)).toEqual({ type: 'closed', reason: 'the peer does not answer' });
    expect(pair.a.bufferedBytes).toBe(0);
  });

  it('over an outage of 20 s are made up for', () => {
    const pair = new AssociationPair(24).connect();
    const id = pair.a.openChannel({ label: 'x' });
    pair.run(500);
    pair.link = { loss: 1 };
    for (let i = 0; i < 20; i++) pair.a.send(pair.now, id, `${i}`);
    pair.run(20_000);
    pair.link = {};
    pair.runUntil(() => pair.messages('b').length === 20, 11_000);
  });
});

describe('the send buffer', () => {
  it('refuses what does not fit, takes more when there is room, and loses nothing', () => {
    const pair = new AssociationPair(25, {}, { maxBufferedBytes: 10_000 }).connect();
    const id = pair.a.openChannel({ label: 'x' });
    pair.run(500);
    const text = 'w'.repeat(3000);
    expect([0, 1, 2, 3].map(() => pair.a.send(pair.now, id, text))).toEqual([true, true, true, false]);
    expect(pair.a.bufferedBytes).toBe(9000);
    pair.run(1000);
    expect(pair.a.bufferedBytes).toBe(0);
    expect(pair.a.send(pair.now, id, text)).toBe(true);
    pair.run(1000);
    expect(pair.messages('b').length).toBe(4);
  });

  it('counts tiny messages for more than their bytes', () => {
    const peer = peerWithChannel({}, 0);
    let taken = 0;
    while (peer.association.send(peer.now, 1, 'x')) taken++;
    expect(taken).toBeLessThan(10_000);
    expect(taken).toBeGreaterThan(1000);
  });

  it('takes no message larger than the peer does, and none for unknown channels', () => {
    const peer = peerWithChannel({ maxOutgoingMessageSize: 1000 });
    const { association, now } = peer;
    expect(association.send(now, 1, 'x'.repeat(1001))).toBe(false);
    expect(association.send(now, 1, 'ü'.repeat(501))).toBe(false);
    expect(association.send(now, 1, 'ü'.repeat(500))).toBe(true);
    expect(association.send(now, 3, 'x')).toBe(false);
    expect(association.stats.messagesSent).toBe(1);
  });
});

describe('packets', () => {
  it('are never larger than the MTU, whatever they carry', () => {
    const pair = new AssociationPair(26, { loss: 0.2, jitterMs: 50 }, { mtu: 600 }).connect();
    const ids = [pair.a.openChannel({ label: 'a'.repeat(1000) }), pair.b.openChannel({ label: 'b' })];
    for (let i = 0; i < 40; i++) {
      pair.a.send(pair.now, ids[0]!, 'p'.repeat(i * 100));
      pair.b.send(pair.now, ids[1]!, 'q'.repeat(i * 77));
    }
    pair.runUntil(() => pair.a.bufferedBytes + pair.b.bufferedBytes === 0, 120_000);
    expect(Math.max(...pair.wire.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(600);
    expect(pair.wire.every(({ bytes }) => bytes.length % 4 === 0)).toBe(true);
  });

  it('carry several small messages when many wait', () => {
    const peer = peerWithChannel({}, 0);
    for (let i = 0; i < 100; i++) peer.association.send(peer.now, 1, `m${i}`);
    peer.collect();
    const before = peer.association.stats.packetsSent;
    peer.ackAll();
    expect(sentTsns(peer).length).toBeGreaterThan(50);
    expect(peer.association.stats.packetsSent - before).toBeLessThan(5);
  });
});
