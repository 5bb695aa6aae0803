import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { DataFlag } from '../src/data-chunk.ts';
import { RawPeer } from './raw-peer.ts';

const { begin, end, unordered, immediate } = DataFlag;
const whole = begin | end;

/** A peer with an open channel on stream 0 whose next stream sequence number is 1. */
function peerWithChannel(options: ConstructorParameters<typeof RawPeer>[0] = {}): RawPeer {
  const peer = new RawPeer(options).establish();
  peer.open(0);
  expect(peer.events.at(-1)).toEqual({ type: 'channel-open', streamId: 0, label: 'chat', protocol: '' });
  peer.ackAll();
  peer.wait(500);
  peer.seen.length = 0;
  return peer;
}

describe('payload protocol ids', () => {
  it('tell text, binary and empty messages apart', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1, ppid: 51, payload: 'grüße' });
    peer.data({ ssn: 2, ppid: 53, payload: Uint8Array.of(1, 2) });
    peer.data({ ssn: 3, ppid: 56, payload: Uint8Array.of(0) });
    peer.data({ ssn: 4, ppid: 57, payload: Uint8Array.of(0) });
    peer.data({ ssn: 5, ppid: 52, payload: 'unknown' });
    peer.data({ ssn: 6, ppid: 51, payload: Uint8Array.of(0xff) });
    peer.data({ ssn: 7, ppid: 51, payload: 'ascii' });
    expect(peer.messages).toEqual(['grüße', Uint8Array.of(1, 2), '', new Uint8Array(0), 'ascii']);
    expect(peer.association.stats.dropped['no-channel']).toBe(1);
    expect(peer.association.stats.dropped['bad-text']).toBe(1);
    expect(peer.association.heldBytes).toBe(0);
  });

  it('mark what we send, one zero byte standing for nothing', () => {
    const peer = peerWithChannel();
    const { association } = peer;
    for (const data of ['text', Uint8Array.of(9), '', new Uint8Array(0)]) association.send(peer.now, 0, data);
    association.sendUtf8(peer.now, 0, new TextEncoder().encode('utf8'));
    peer.collect();
    const sent = peer
      .all(ChunkType.data)
      .map(({ value }) => [value[11], Buffer.from(value.subarray(12)).toString('hex')]);
    const hex = (text: string): string => Buffer.from(text).toString('hex');
    expect(sent).toEqual([
      [51, hex('text')],
      [53, '09'],
      [56, '00'],
      [57, '00'],
      [51, hex('utf8')],
    ]);
  });
});

describe('reassembly', () => {
  it('puts fragments together in whatever order they come', () => {
    const peer = peerWithChannel();
    const t = peer.tsn;
    peer.data({ tsn: t + 2, ssn: 1, flags: end, payload: 'c' });
    peer.data({ tsn: t, ssn: 1, flags: begin, payload: 'a' });
    peer.data({ tsn: t + 4, ssn: 2, flags: end, payload: 'e' });
    expect(peer.lastSack()).toEqual({
      cumulativeTsn: t,
      advertisedWindow: expect.any(Number),
      gaps: [
        { start: 2, end: 2 },
        { start: 4, end: 4 },
      ],
    });
    peer.data({ tsn: t + 3, ssn: 2, flags: begin, payload: 'd' });
    expect(peer.messages).toEqual([]);
    peer.data({ tsn: t + 1, ssn: 1, flags: 0, payload: 'b' });
    expect(peer.messages).toEqual(['abc', 'de']);
    expect(peer.lastSack().gaps).toEqual([]);
    expect(peer.association.heldBytes).toBe(0);
  });

  it('delivers unordered messages at once and ordered ones in their turn', () => {
    const peer = peerWithChannel();
    const t = peer.tsn;
    peer.data({ tsn: t + 3, ssn: 2, payload: 'second' });
    peer.data({ tsn: t + 1, ssn: 0, flags: begin | unordered, payload: 'un' });
    peer.data({ tsn: t + 2, ssn: 0, flags: end | unordered, payload: 'ordered' });
    expect(peer.messages).toEqual(['unordered']);
    peer.data({ tsn: t, ssn: 1, payload: 'first' });
    expect(peer.messages).toEqual(['unordered', 'first', 'second']);
  });

  it('keeps streams apart', () => {
    const peer = peerWithChannel();
    peer.open(2);
    const t = peer.tsn;
    peer.data({ tsn: t + 1, streamId: 2, ssn: 1, payload: 'two' });
    expect(peer.messages).toEqual(['two']);
    peer.data({ tsn: t, streamId: 0, ssn: 1, payload: 'nought' });
    expect(peer.messages).toEqual(['two', 'nought']);
  });

  it('goes over the end of TSNs and stream sequence numbers', () => {
    const peer = new RawPeer().establish({ initialTsn: 0xffffffff });
    peer.open(0);
    for (let i = 1; i < 70_000; i++) peer.data({ ssn: i & 0xffff, payload: String(i) });
    expect(peer.messages.length).toBe(69_999);
    expect(peer.messages.at(-1)).toBe('69999');
  });

  it('takes messages of exactly the largest size, and ends the association for one byte more', () => {
    const size = 262_144;
    const part = new Uint8Array(1024);
    const sendParts = (peer: RawPeer, ssn: number): void => {
      for (let i = 0; i < size / 1024; i++) {
        const flags = (i === 0 ? begin : 0) | (i === size / 1024 - 1 ? end : 0);
        peer.data({ ssn, ppid: 53, flags, payload: part });
      }
    };
    const good = peerWithChannel();
    sendParts(good, 1);
    expect((good.messages[0] as Uint8Array).length).toBe(size);

    const bad = peerWithChannel({ maxMessageSize: size - 1 });
    sendParts(bad, 1);
    expect(bad.closedReason).toContain('message too large');
    expect([...bad.last(ChunkType.abort).value.subarray(0, 2)]).toEqual([0, 13]);
  });

  it('drops a stream sequence number that was used before', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1, payload: 'new' });
    peer.data({ ssn: 1, payload: 'old' });
    peer.data({ ssn: 0, payload: 'older' });
    expect(peer.messages).toEqual(['new']);
    expect(peer.association.stats.dropped['bad-ssn']).toBe(2);
    expect(peer.association.heldBytes).toBe(0);
  });
});

describe('acknowledgement', () => {
  it('waits 200 ms for a second packet', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1 });
    peer.wait(199);
    expect(peer.all(ChunkType.sack).length).toBe(0);
    peer.wait(1);
    expect(peer.all(ChunkType.sack).length).toBe(1);
    peer.data({ ssn: 2 });
    peer.data({ ssn: 3 });
    expect(peer.all(ChunkType.sack).length).toBe(2);
    expect(peer.lastSack().cumulativeTsn).toBe(peer.tsn - 1);
  });

  it('comes at once for a gap, its filling, a duplicate, and the I bit', () => {
    const peer = peerWithChannel();
    const t = peer.tsn;
    const sacks = (): number => peer.all(ChunkType.sack).length;
    peer.data({ tsn: t + 1, ssn: 2 });
    expect(sacks()).toBe(1);
    peer.data({ tsn: t, ssn: 1 });
    expect(sacks()).toBe(2);
    peer.data({ tsn: t, ssn: 1 });
    expect(sacks()).toBe(3);
    const { value } = peer.last(ChunkType.sack);
    expect([...value.subarray(8)]).toEqual([
      0,
      0,
      0,
      1,
      ...new Uint8Array(Uint32Array.of(t).buffer).reverse(),
    ]);
    expect(peer.association.stats.duplicateTsns).toBe(1);
    peer.data({ tsn: t + 2, ssn: 3, flags: whole | immediate });
    expect(sacks()).toBe(4);
  });

  it('rides on data', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1 });
    peer.association.send(peer.now, 0, 'answer');
    peer.collect();
    expect(peer.seen.map((c) => c.type)).toEqual([ChunkType.sack, ChunkType.data]);
    peer.ackAll();
    peer.wait(1000);
    expect(peer.all(ChunkType.sack).length).toBe(1);
  });
});

describe('FORWARD TSN', () => {
  const forward = (peer: RawPeer, newCumulative: number, skipped: [number, number][] = []): void =>
    peer.send(peer.tag, (p) => {
      p.begin(ChunkType.forwardTsn, 0).u32(newCumulative);
      for (const [streamId, ssn] of skipped) p.u16(streamId).u16(ssn);
      p.end();
    });

  it('frees messages that waited for one given up', () => {
    const peer = peerWithChannel();
    const t = peer.tsn;
    peer.data({ tsn: t + 1, ssn: 2, payload: 'second' });
    peer.data({ tsn: t + 3, ssn: 4, payload: 'fourth' });
    forward(peer, t + 2, [[0, 3]]);
    expect(peer.messages).toEqual(['second', 'fourth']);
    expect(peer.lastSack()).toMatchObject({ cumulativeTsn: t + 3, gaps: [] });
    peer.data({ tsn: t + 4, ssn: 5, payload: 'fifth' });
    expect(peer.messages.at(-1)).toBe('fifth');
  });

  it('drops the fragments of a message given up', () => {
    const peer = peerWithChannel();
    const t = peer.tsn;
    peer.data({ tsn: t, ssn: 1, flags: begin, payload: 'a' });
    peer.data({ tsn: t + 2, ssn: 1, flags: 0, payload: 'c' });
    peer.data({ tsn: t + 5, ssn: 0, flags: end | unordered, payload: 'z' });
    expect(peer.association.heldBytes).toBeGreaterThan(0);
    forward(peer, t + 4, [[0, 1]]);
    expect(peer.association.heldBytes).toBe(0);
    expect(peer.lastSack().cumulativeTsn).toBe(t + 5);
    peer.data({ tsn: t + 6, ssn: 2, payload: 'next' });
    expect(peer.messages).toEqual(['next']);
  });

  it('that goes back is only acknowledged', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1, payload: 'one' });
    forward(peer, peer.tsn - 1, [[0, 40]]);
    forward(peer, peer.tsn - 100, [[0, 40]]);
    peer.data({ ssn: 2, payload: 'two' });
    expect(peer.messages).toEqual(['one', 'two']);
  });

  it('far ahead leaves the association usable', () => {
    const peer = peerWithChannel();
    peer.data({ tsn: peer.tsn + 5, ssn: 2, payload: 'lost too' });
    forward(peer, peer.tsn + 1_000_000, [[0, 9]]);
    peer.data({ tsn: peer.tsn + 1_000_001, ssn: 10, payload: 'on' });
    expect(peer.messages).toEqual(['lost too', 'on']);
    expect(peer.association.heldBytes).toBe(0);
  });

  it('with endless streams ends the association instead of filling the memory', () => {
    const peer = peerWithChannel();
    for (let i = 0; i < 3; i++) {
      const skipped = Array.from({ length: 1000 }, (_, k): [number, number] => [i * 1000 + k, 5]);
      forward(peer, peer.tsn + i, skipped);
    }
    expect(peer.closedReason).toContain('too many streams');
  });
});

describe('unknown chunks', () => {
  for (const [high, proceeds, reports] of [
    [0x00, false, false],
    [0x40, false, true],
    [0x80, true, false],
    [0xc0, true, true],
  ] as const) {
    it(`of type ${high | 0x3e} ${proceeds ? 'are skipped' : 'stop the packet'}${reports ? ' and reported' : ''}`, () => {
      const peer = peerWithChannel();
      peer.send(peer.tag, (p) => {
        p.chunk(high | 0x3e, 7, Uint8Array.of(1, 2, 3));
        peer.writeData(p, { ssn: 1, payload: 'behind' });
      });
      expect(peer.messages).toEqual(proceeds ? ['behind'] : []);
      const errors = peer.all(ChunkType.error).map((e) => [...e.value]);
      expect(errors).toEqual(reports ? [[0, 6, 0, 11, high | 0x3e, 7, 0, 7, 1, 2, 3]] : []);
    });
  }
});

describe('HEARTBEAT', () => {
  it('is answered with what it carried', () => {
    const peer = peerWithChannel();
    const value = Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4);
    peer.chunk(ChunkType.heartbeat, 0, value);
    expect(peer.last(ChunkType.heartbeatAck).value).toEqual(value);
  });

  it('larger than our packets is not answered, and many in one packet once', () => {
    const peer = peerWithChannel();
    peer.chunk(ChunkType.heartbeat, 0, new Uint8Array(1200));
    expect(peer.seen).toEqual([]);
    peer.send(peer.tag, (p) => {
      for (let i = 0; i < 100; i++) p.chunk(ChunkType.heartbeat, 0, Uint8Array.of(0, 1, 0, 4));
    });
    expect(peer.all(ChunkType.heartbeatAck).length).toBe(1);
    expect(peer.association.stats.dropped['excess-chunk']).toBe(99);
  });

  it('is sent each 30 s when idle, and measures the round trip', () => {
    const peer = peerWithChannel();
    peer.wait(31_000);
    const beat = peer.last(ChunkType.heartbeat);
    peer.now += 50;
    peer.chunk(ChunkType.heartbeatAck, 0, Uint8Array.of(0, 1, 0, 8, 1, 2, 3, 4));
    const before = peer.association.roundTripMs;
    peer.chunk(ChunkType.heartbeatAck, 0, beat.value);
    expect(peer.association.roundTripMs).not.toBe(before);
    peer.wait(31_000);
    expect(peer.all(ChunkType.heartbeat).length).toBe(2);
  });

  it('unanswered again and again ends the association', () => {
    const peer = peerWithChannel();
    peer.wait(12 * 31_000);
    expect(peer.closedReason).toBe('the peer does not answer');
    expect(peer.association.pollTimeout()).toBeUndefined();
  });
});

describe('DATA', () => {
  it('without data ends the association with cause 9', () => {
    const peer = peerWithChannel();
    peer.data({ ssn: 1, payload: new Uint8Array(0) });
    expect([...peer.last(ChunkType.abort).value.subarray(0, 4)]).toEqual([0, 9, 0, 8]);
    expect(peer.association.state).toBe('ended');
  });

  it('on a stream that was not agreed upon is acknowledged, reported and dropped', () => {
    const peer = new RawPeer().establish({ outboundStreams: 10 });
    peer.data({ streamId: 10, flags: whole | immediate });
    expect([...peer.last(ChunkType.error).value]).toEqual([0, 1, 0, 8, 0, 10, 0, 0]);
    expect(peer.lastSack().cumulativeTsn).toBe(peer.tsn - 1);
    expect(peer.association.stats.dropped['bad-stream']).toBe(1);
  });

  it('before the handshake is over is dropped', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    peer.tag = new DataView(peer.last(ChunkType.init).value.buffer).getUint32(0);
    peer.data();
    peer.sack(1);
    expect(peer.association.stats.dropped['wrong-state']).toBe(2);
    expect(peer.association.state).toBe('cookie-wait');
  });
});
