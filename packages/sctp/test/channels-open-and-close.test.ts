import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { AssociationPair } from './association-pair.ts';
import { RawPeer, u32 } from './raw-peer.ts';

const resetRequest = (sequence: number, lastTsn: number, streams: number[]): Uint8Array => {
  const out = new DataView(new ArrayBuffer(16 + 2 * streams.length));
  out.setUint16(0, 13);
  out.setUint16(2, out.byteLength);
  out.setUint32(4, sequence >>> 0);
  out.setUint32(12, lastTsn >>> 0);
  streams.forEach((id, i) => {
    out.setUint16(16 + 2 * i, id);
  });
  return new Uint8Array(out.buffer);
};

const response = (sequence: number, result: number): Uint8Array => {
  const out = new DataView(new ArrayBuffer(12));
  out.setUint16(0, 16);
  out.setUint16(2, 12);
  out.setUint32(4, sequence >>> 0);
  out.setUint32(8, result);
  return new Uint8Array(out.buffer);
};

/** Results of the responses sent so far. */
const results = (peer: RawPeer): number[] =>
  peer
    .all(ChunkType.reconfig)
    .filter(({ value }) => value[1] === 16)
    .map(({ value }) => u32(value, 8));

const requests = (peer: RawPeer): { sequence: number; lastTsn: number; streams: number[] }[] =>
  peer
    .all(ChunkType.reconfig)
    .filter(({ value }) => value[1] === 13)
    .map(({ value }) => ({
      sequence: u32(value, 4),
      lastTsn: u32(value, 12),
      streams: Array.from(
        { length: (value.length - 16) / 2 },
        (_, i) => (value[16 + 2 * i]! << 8) | value[17 + 2 * i]!,
      ),
    }));

describe('two associations', () => {
  for (const loss of [0, 0.2]) {
    it(`open channels from both sides and close them from either, losing ${loss * 100} %`, () => {
      const pair = new AssociationPair(11, { loss }).connect();
      const mine = pair.a.openChannel({ label: 'mine', protocol: 'p', priority: 256 });
      const theirs = pair.b.openChannel({ label: 'théirs' });
      pair.runUntil(() => pair.has('a', 'channel-open') && pair.has('b', 'channel-open'), 60_000);
      pair.runUntil(() => pair.events.a.filter((e) => e.type === 'channel-open').length === 2, 60_000);
      expect(pair.events.b).toContainEqual({
        type: 'channel-open',
        streamId: mine,
        label: 'mine',
        protocol: 'p',
      });
      expect(pair.events.a).toContainEqual({
        type: 'channel-open',
        streamId: theirs,
        label: 'théirs',
        protocol: '',
      });

      // What is queued goes out before the end.
      pair.a.send(pair.now, mine, 'x'.repeat(50_000));
      pair.a.closeChannel(mine);
      expect(pair.a.send(pair.now, mine, 'too late')).toBe(false);
      const closed = (side: 'a' | 'b', streamId: number): boolean =>
        pair.events[side].some((e) => e.type === 'channel-closed' && e.streamId === streamId);
      pair.runUntil(() => closed('a', mine) && closed('b', mine), 60_000);
      expect(pair.messages('b').map((m) => m.length)).toEqual([50_000]);

      pair.a.closeChannel(theirs);
      pair.b.closeChannel(theirs);
      pair.runUntil(() => closed('a', theirs) && closed('b', theirs), 60_000);

      // Ids are used again, with stream sequence numbers from zero.
      pair.run(60_000);
      for (let round = 0; round < 5; round++) {
        const again = pair.a.openChannel({ label: `again ${round}` });
        expect(again).toBe(mine);
        pair.a.send(pair.now, again, `round ${round}`);
        pair.runUntil(() => pair.messages('b').at(-1) === `round ${round}`, 60_000);
        pair.events.a = [];
        pair.b.closeChannel(again);
        pair.runUntil(() => closed('a', again), 60_000);
        pair.run(60_000);
      }
    });
  }
});

describe('a channel of the peer', () => {
  it('is acknowledged', () => {
    const peer = new RawPeer().establish();
    peer.open(4, 'lab', { protocol: 'pro' });
    expect(peer.events.at(-1)).toEqual({ type: 'channel-open', streamId: 4, label: 'lab', protocol: 'pro' });
    const { value } = peer.last(ChunkType.data);
    expect([u32(value, 8), ...value.subarray(12)]).toEqual([50, 2]);
  });

  const refused: [string, (peer: RawPeer) => void, number][] = [
    ['with an id of our parity', (p) => p.open(5), 5],
    ['with a label too long', (p) => p.open(4, 'x'.repeat(1025)), 4],
    ['of an unknown type', (p) => p.open(4, 'x', { channelType: 0x03 }), 4],
    [
      'with a label that is not UTF-8',
      (p) =>
        p.data({ streamId: 4, ppid: 50, payload: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff) }),
      4,
    ],
    [
      'with lengths that lie',
      (p) =>
        p.data({ streamId: 4, ppid: 50, payload: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 65) }),
      4,
    ],
    [
      'with bytes left over',
      (p) =>
        p.data({ streamId: 4, ppid: 50, payload: Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 65) }),
      4,
    ],
  ];
  for (const [name, open, streamId] of refused) {
    it(`${name} is reset without ACK`, () => {
      const peer = new RawPeer().establish();
      open(peer);
      expect(peer.events.map((e) => e.type)).toEqual(['connected']);
      expect(peer.all(ChunkType.data)).toEqual([]);
      expect(requests(peer).map((r) => r.streams)).toEqual([[streamId]]);
      expect(peer.association.stats.dropped['bad-channel']).toBe(1);
      // Done with, the stream can carry a proper channel.
      peer.chunk(ChunkType.reconfig, 0, response(requests(peer)[0]!.sequence, 1));
      peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, [streamId]));
      expect(results(peer)).toEqual([1]);
      peer.open(streamId & ~1, 'proper');
      expect(peer.events.at(-1)).toMatchObject({ type: 'channel-open', label: 'proper' });
    });
  }

  it('opened twice is closed', () => {
    const peer = new RawPeer().establish();
    peer.open(4);
    peer.open(4, 'again', { ssn: 1 });
    peer.ackAll();
    expect(requests(peer).map((r) => r.streams)).toEqual([[4]]);
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, [4]));
    expect(peer.events.at(-1)).toEqual({ type: 'channel-closed', streamId: 4 });
  });

  it('over the bound is refused, the others stay; far more than that end the association', () => {
    const peer = new RawPeer({ maxChannels: 4 }).establish();
    for (let i = 0; i < 6; i++) peer.open(2 * i);
    expect(peer.events.filter((e) => e.type === 'channel-open').length).toBe(4);
    expect(() => peer.association.openChannel({ label: 'ours' })).toThrow(RangeError);
    peer.data({ streamId: 0, ssn: 1, payload: 'works' });
    expect(peer.messages).toEqual(['works']);
    for (let i = 6; i < 100; i++) peer.open(2 * i);
    expect(peer.closedReason).toContain('too many data channels');
  });

  it('unknown carries nothing', () => {
    const peer = new RawPeer().establish();
    peer.data({ streamId: 8, payload: 'hello?' });
    expect(peer.messages).toEqual([]);
    expect(peer.association.stats.dropped['no-channel']).toBe(1);
    expect(peer.association.heldBytes).toBe(0);
  });
});

describe('a channel of ours', () => {
  it('is open when acknowledged, or used by the peer', () => {
    const peer = new RawPeer().establish();
    const first = peer.association.openChannel({ label: 'one' });
    const second = peer.association.openChannel({ label: 'two' });
    peer.wait(0);
    expect(peer.all(ChunkType.data).length).toBe(2);
    expect(peer.events.length).toBe(1);
    peer.data({ streamId: first, ppid: 50, payload: Uint8Array.of(2) });
    expect(peer.events.at(-1)).toEqual({ type: 'channel-open', streamId: first, label: 'one', protocol: '' });
    peer.data({ streamId: second, payload: 'already' });
    expect(peer.events.slice(-2).map((e) => e.type)).toEqual(['channel-open', 'message']);
    peer.data({ streamId: second, ssn: 1, ppid: 50, payload: Uint8Array.of(2) });
    expect(peer.events.at(-1)!.type).toBe('message');
  });

  it('cannot have a name that is too long', () => {
    const peer = new RawPeer().establish();
    expect(() => peer.association.openChannel({ label: 'ü'.repeat(513) })).toThrow(RangeError);
    expect(() => peer.association.openChannel({ label: 'x', protocol: 'x'.repeat(1025) })).toThrow(
      RangeError,
    );
  });

  it('on a stream the peer does not have is closed as soon as that is known', () => {
    const peer = new RawPeer();
    const ids = [1, 2, 3].map((n) => peer.association.openChannel({ label: `${n}` }));
    expect(ids).toEqual([1, 3, 5]);
    peer.establish({ inboundStreams: 4 });
    expect(peer.events.slice(1)).toEqual([{ type: 'channel-closed', streamId: 5 }]);
    expect(peer.all(ChunkType.data).length).toBe(2);
    expect(() => peer.association.openChannel({ label: 'x' })).toThrow(RangeError);
  });

  it('is closed at once when the peer cannot reset streams, and its id not used again', () => {
    const peer = new RawPeer().establish({ reconfig: false });
    const id = peer.association.openChannel({ label: 'x' });
    peer.association.closeChannel(id);
    peer.wait(0);
    expect(peer.events.at(-1)).toEqual({ type: 'channel-closed', streamId: id });
    expect(requests(peer)).toEqual([]);
    expect(peer.association.openChannel({ label: 'y' })).not.toBe(id);
  });
});

describe('stream reset (RFC 6525)', () => {
  function openOurs(): { peer: RawPeer; id: number } {
    const peer = new RawPeer().establish();
    const id = peer.association.openChannel({ label: 'x' });
    peer.wait(0);
    peer.ackAll();
    return { peer, id };
  }

  it('is asked for again until answered, under the same number', () => {
    const { peer, id } = openOurs();
    peer.association.closeChannel(id);
    peer.wait(3000);
    const asked = requests(peer);
    expect(asked.length).toBeGreaterThan(2);
    expect(new Set(asked.map((r) => r.sequence)).size).toBe(1);
    expect(asked[0]).toEqual({ sequence: peer.theirTsn, lastTsn: peer.theirTsn, streams: [id] });
    peer.chunk(ChunkType.reconfig, 0, response(asked[0]!.sequence, 1));
    const count = requests(peer).length;
    peer.wait(10_000);
    expect(requests(peer).length).toBe(count);
  });

  it('is asked for again under a new number when the peer is not done', () => {
    const { peer, id } = openOurs();
    peer.association.closeChannel(id);
    peer.wait(0);
    const first = requests(peer)[0]!;
    peer.chunk(ChunkType.reconfig, 0, response(first.sequence, 6));
    peer.wait(2000);
    expect(requests(peer)[1]).toEqual({ ...first, sequence: first.sequence + 1 });
    peer.chunk(ChunkType.reconfig, 0, response(first.sequence + 1, 1));
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, [id]));
    expect(peer.events.at(-1)).toEqual({ type: 'channel-closed', streamId: id });
  });

  it('that is never answered ends the association', () => {
    const { peer, id } = openOurs();
    peer.association.closeChannel(id);
    peer.wait(120_000);
    expect(peer.closedReason).toBe('the peer does not answer');
  });

  it('waits for what was sent before it', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    const missing = peer.tsn++;
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, missing, [0]));
    expect(results(peer)).toEqual([6]);
    peer.data({ tsn: missing, ssn: 1, payload: 'last words' });
    expect(peer.messages).toEqual(['last words']);
    // The same number again, and a new one, both lead on.
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, missing, [0]));
    expect(results(peer)).toEqual([6, 1]);
    expect(peer.events.at(-1)).toEqual({ type: 'channel-closed', streamId: 0 });
    expect(requests(peer)[0]!.streams).toEqual([0]);
  });

  it('repeated is answered the same and done once; out of sequence it is refused', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    for (let i = 0; i < 3; i++) peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, [0]));
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5007, peer.tsn - 1, [0]));
    peer.chunk(ChunkType.reconfig, 0, resetRequest(4000, peer.tsn - 1, [0]));
    expect(results(peer)).toEqual([1, 1, 1, 5, 5]);
    expect(peer.events.filter((e) => e.type === 'channel-closed').length).toBe(1);
  });

  it('of all streams closes all channels', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.open(2);
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, []));
    expect(peer.events.filter((e) => e.type === 'channel-closed').length).toBe(2);
  });

  it('in a loop costs nothing that stays', () => {
    const peer = new RawPeer().establish();
    for (let i = 0; i < 20_000; i++)
      peer.chunk(ChunkType.reconfig, 0, resetRequest(5000 + i, peer.tsn - 1, [i & 0x3fff]));
    expect(peer.association.heldBytes).toBe(0);
    expect(results(peer).length).toBe(20_000);
    expect(peer.association.pollTimeout()).toBeGreaterThan(peer.now + 20_000);
  });

  it('of the other kinds is denied, more streams are granted within bounds', () => {
    const peer = new RawPeer().establish({ outboundStreams: 10 });
    const request = (type: number, sequence: number, count: number): Uint8Array =>
      Uint8Array.of(0, type, 0, 12, 0, 0, sequence >>> 8, sequence & 255, count >>> 8, count & 255, 0, 0);
    for (const [i, type] of [14, 15, 18].entries())
      peer.chunk(ChunkType.reconfig, 0, request(type, 5000 + i, 0));
    peer.chunk(ChunkType.reconfig, 0, request(17, 5003, 65_535));
    peer.chunk(ChunkType.reconfig, 0, request(17, 5004, 100));
    expect(results(peer)).toEqual([2, 2, 2, 2, 1]);
    peer.open(108);
    expect(peer.events.at(-1)).toMatchObject({ type: 'channel-open', streamId: 108 });
  });

  it('lets a peer use the id again although its answer to us was lost', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.ackAll();
    peer.chunk(ChunkType.reconfig, 0, resetRequest(5000, peer.tsn - 1, [0]));
    expect(requests(peer).length).toBe(1);
    peer.open(0, 'again');
    expect(peer.events.at(-1)).toMatchObject({ type: 'channel-open', label: 'again' });
    // The ACK begins anew too, and the late answer harms nothing.
    const ack = peer.last(ChunkType.data).value;
    expect([(ack[6]! << 8) | ack[7]!, ack[12]]).toEqual([0, 2]);
    peer.chunk(ChunkType.reconfig, 0, response(requests(peer)[0]!.sequence, 1));
    peer.data({ ssn: 1, payload: 'works' });
    expect(peer.messages).toEqual(['works']);
    peer.association.send(peer.now, 0, 'answer');
    peer.collect();
    expect(peer.last(ChunkType.data).value[7]).toBe(1);
  });
});
