import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { ownInit, RawPeer } from './raw-peer.ts';

const nothing = new Uint8Array(0);

describe('verification tags (RFC 9260 §8.5)', () => {
  it('that are wrong make every chunk type count for nothing', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    const { seen, association } = peer;
    seen.length = 0;
    let packets = 0;
    for (const tag of [peer.tag ^ 1, 0, ownInit.initiateTag, 0xffffffff]) {
      for (const type of [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 63, 255]) {
        peer.send(tag, (p) => p.chunk(type, 0, new Uint8Array(20)));
        packets++;
      }
    }
    const dropped = association.stats.dropped;
    expect(dropped['wrong-tag'] + dropped['bad-cookie']).toBe(packets);
    expect(seen).toEqual([]);
    expect(association.state).toBe('established');
  });

  it('reflected in ABORT are the peer’s own, with the T bit', () => {
    for (const [tag, flags, ends] of [
      ['own', 0, true],
      ['own', 1, false],
      ['peer', 0, false],
      ['peer', 1, true],
    ] as const) {
      const peer = new RawPeer().establish();
      peer.send(tag === 'own' ? peer.tag : ownInit.initiateTag, (p) =>
        p.chunk(ChunkType.abort, flags, nothing),
      );
      expect(peer.association.state).toBe(ends ? 'ended' : 'established');
    }
  });

  it('reflected in SHUTDOWN COMPLETE likewise, and only after SHUTDOWN ACK', () => {
    for (const [tag, flags, ends] of [
      ['own', 0, true],
      ['own', 1, false],
      ['peer', 0, false],
      ['peer', 1, true],
    ] as const) {
      const peer = new RawPeer().establish();
      peer.chunk(ChunkType.shutdownComplete, 0, nothing);
      expect(peer.association.state).toBe('established');
      peer.chunk(
        ChunkType.shutdown,
        0,
        Uint8Array.from([24, 16, 8, 0].map((s) => ((peer.theirTsn - 1) >>> s) & 255)),
      );
      expect(peer.last(ChunkType.shutdownAck).tag).toBe(ownInit.initiateTag);
      peer.send(tag === 'own' ? peer.tag : ownInit.initiateTag, (p) =>
        p.chunk(ChunkType.shutdownComplete, flags, nothing),
      );
      expect(peer.association.state).toBe(ends ? 'ended' : 'shutdown-ack-sent');
    }
  });

  it('of a peer about an older association are reflected to it', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    peer.send(4711, (p) => p.chunk(ChunkType.shutdownAck, 0, nothing));
    expect(peer.last(ChunkType.shutdownComplete)).toMatchObject({ tag: 4711, flags: 1 });
    expect(peer.association.state).toBe('cookie-wait');
  });

  it('of packets after the end are reflected in ABORT or SHUTDOWN COMPLETE', () => {
    const peer = new RawPeer().establish();
    peer.association.abort(peer.now);
    peer.collect();
    expect(peer.last(ChunkType.abort)).toMatchObject({ tag: ownInit.initiateTag, flags: 0 });
    peer.seen.length = 0;
    peer.data();
    peer.chunk(ChunkType.shutdownAck, 0, nothing);
    peer.chunk(ChunkType.abort, 0, nothing);
    peer.chunk(ChunkType.shutdownComplete, 0, nothing);
    expect(peer.seen.map(({ type, flags, tag }) => [type, flags, tag])).toEqual([
      [ChunkType.abort, 1, peer.tag],
      [ChunkType.shutdownComplete, 1, peer.tag],
    ]);
  });
});

describe('ports', () => {
  it('other than agreed are ignored', () => {
    const peer = new RawPeer().establish();
    peer.send(peer.tag, (p) => p.chunk(ChunkType.abort, 0, nothing), [5001, 5000]);
    peer.send(peer.tag, (p) => p.chunk(ChunkType.abort, 0, nothing), [5000, 5001]);
    expect(peer.association.state).toBe('established');
    expect(peer.association.stats.dropped['wrong-port']).toBe(2);
  });
});
