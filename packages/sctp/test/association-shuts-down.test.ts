import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { encodeInit } from '../src/init-chunk.ts';
import { AssociationPair } from './association-pair.ts';
import { ownInit, RawPeer } from './raw-peer.ts';

const nothing = new Uint8Array(0);
const tsnBytes = (tsn: number): Uint8Array =>
  Uint8Array.from([24, 16, 8, 0].map((shift) => (tsn >>> shift) & 255));

describe('a graceful end', () => {
  for (const [name, loss, both] of [
    ['from one side', 0, false],
    ['from both sides', 0, true],
    ['from one side over a lossy link', 0.25, false],
    ['from both sides over a lossy link', 0.25, true],
  ] as const) {
    for (const seed of [31, 32, 33]) {
      it(`${name} delivers everything first (seed ${seed})`, () => {
        const pair = new AssociationPair(seed, { loss }).connect();
        const id = pair.a.openChannel({ label: 'x' });
        pair.a.send(pair.now, id, 'first '.repeat(1000));
        pair.a.close(pair.now);
        if (both) pair.b.close(pair.now);
        expect(pair.a.send(pair.now, id, 'too late')).toBe(false);
        pair.runUntil(() => pair.a.state === 'ended' && pair.b.state === 'ended', 100_000);
        expect(pair.messages('b')).toEqual(['first '.repeat(1000)]);
        expect(pair.events.a.at(-1)!.type).toBe('closed');
        expect(pair.events.b.filter((e) => e.type === 'closed').length).toBe(1);
        pair.run(100_000);
        expect([pair.a.pollTimeout(), pair.b.pollTimeout()]).toEqual([undefined, undefined]);
      });
    }
  }

  it('lets the other side finish what it has to say', () => {
    const pair = new AssociationPair(34).connect();
    const id = pair.b.openChannel({ label: 'x' });
    pair.run(500);
    pair.b.send(pair.now, id, 's'.repeat(100_000));
    pair.a.close(pair.now);
    pair.runUntil(() => pair.a.state === 'ended' && pair.b.state === 'ended', 10_000);
    expect(pair.messages('a').map((m) => m.length)).toEqual([100_000]);
    expect(pair.events.a.at(-1)).toEqual({ type: 'closed', reason: 'shut down' });
  });

  it('that the peer does not answer becomes an ABORT', () => {
    const peer = new RawPeer().establish();
    peer.association.close(peer.now);
    peer.collect();
    peer.wait(31_000);
    expect(peer.all(ChunkType.shutdown).length).toBeGreaterThan(3);
    expect(peer.association.state).toBe('ended');
    peer.last(ChunkType.abort);
  });

  it('goes on acknowledging what still comes', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.ackAll();
    peer.association.close(peer.now);
    peer.collect();
    expect(peer.association.state).toBe('shutdown-sent');
    peer.data({ ssn: 1, payload: 'late' });
    expect(peer.messages).toEqual(['late']);
    expect(peer.last(ChunkType.shutdown).value).toEqual(tsnBytes(peer.tsn - 1));
    peer.chunk(ChunkType.shutdownAck, 0, nothing);
    expect(peer.last(ChunkType.shutdownComplete).flags).toBe(0);
    expect(peer.closedReason).toBe('shut down');
  });

  it('answers an INIT with SHUTDOWN ACK once it is that far', () => {
    const peer = new RawPeer().establish();
    peer.chunk(ChunkType.shutdown, 0, tsnBytes(peer.theirTsn - 1));
    expect(peer.association.state).toBe('shutdown-ack-sent');
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, initiateTag: 9 })));
    expect(peer.all(ChunkType.shutdownAck).length).toBe(2);
    expect(peer.all(ChunkType.initAck).length).toBe(1);
  });

  it('is not begun by SHUTDOWNs that lie or are cut off', () => {
    const peer = new RawPeer().establish();
    peer.chunk(ChunkType.shutdown, 0, Uint8Array.of(1, 2));
    expect(peer.association.state).toBe('established');
    peer.chunk(ChunkType.shutdownAck, 0, nothing);
    peer.chunk(ChunkType.shutdownComplete, 0, nothing);
    expect(peer.association.state).toBe('established');
  });
});

describe('an abrupt end', () => {
  it('is told to the peer', () => {
    const pair = new AssociationPair(35).connect();
    pair.a.abort(pair.now);
    pair.run(100);
    expect(pair.events.a.at(-1)).toEqual({ type: 'closed', reason: 'aborted' });
    expect(pair.events.b.at(-1)).toEqual({ type: 'closed', reason: 'the peer aborted: cause 12' });
    expect(() => pair.a.openChannel({ label: 'x' })).toThrow('ended');
  });

  it('by the peer is reported with what it says, in print', () => {
    const reason = (value: Uint8Array): string | undefined => {
      const peer = new RawPeer().establish();
      peer.chunk(ChunkType.abort, 0, value);
      return peer.closedReason;
    };
    const text = (code: number, words: string): Uint8Array =>
      new Uint8Array([0, code, 0, 4 + words.length, ...new TextEncoder().encode(words)]);
    expect(reason(nothing)).toBe('the peer aborted: no cause given');
    expect(reason(text(13, 'why\u0007 not\n'))).toBe('the peer aborted: cause 13: why not');
    expect(reason(text(12, 'x'.repeat(200)))!.length).toBeLessThan(160);
    expect(reason(Uint8Array.of(0, 12, 0, 99))).toBe('the peer aborted: unreadable cause');
    expect(reason(Uint8Array.of(0, 12, 0, 5, 0xff))).toBe('the peer aborted: unreadable cause');
  });

  it('before the handshake is over stops it', () => {
    const pair = new AssociationPair(36);
    pair.a.connect(pair.now);
    pair.a.close(pair.now);
    expect(pair.a.state).toBe('ended');
    pair.run(1000);
    expect(pair.b.state).toBe('idle');
  });
});
