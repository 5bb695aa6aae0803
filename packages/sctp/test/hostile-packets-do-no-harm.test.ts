import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { packetChecksum } from '../src/crc32c.ts';
import { DataFlag } from '../src/data-chunk.ts';
import { AssociationPair, seededNumbers } from './association-pair.ts';
import { RawPeer } from './raw-peer.ts';

const { begin, end, unordered } = DataFlag;

/** The packet with a checksum that is right for what it has become. */
function sealed(packet: Uint8Array): Uint8Array {
  if (packet.length >= 12) {
    new DataView(packet.buffer, packet.byteOffset).setUint32(8, packetChecksum(packet), true);
  }
  return packet;
}

/** Packets of a whole conversation, all chunk types in it. */
function conversation(): { to: 'a' | 'b'; bytes: Uint8Array }[] {
  const pair = new AssociationPair(41, { loss: 0.1, jitterMs: 30 }).connect();
  const id = pair.a.openChannel({ label: 'label', protocol: 'protocol' });
  for (let i = 0; i < 10; i++) pair.a.send(pair.now, id, `${i}`.repeat(500));
  pair.run(35_000);
  pair.a.closeChannel(id);
  pair.run(2000);
  pair.a.close(pair.now);
  pair.run(5000);
  return pair.wire.map(({ from, bytes }) => ({ to: from === 'a' ? 'b' : 'a', bytes }));
}

describe('broken packets', () => {
  it('cut off anywhere, with a right checksum or a wrong one, never throw', () => {
    for (const { bytes } of conversation()) {
      for (let length = 0; length < bytes.length; length += length < 80 ? 1 : 37) {
        for (const cut of [bytes.slice(0, length), sealed(bytes.slice(0, length))]) {
          const pair = new AssociationPair(42);
          pair.a.handlePacket(pair.now, cut);
        }
      }
    }
  });

  it('changed at random never throw, whatever the state they meet', () => {
    const packets = conversation();
    const random = seededNumbers(43);
    const pick = (n: number): number => Math.floor(random() * n);
    for (let round = 0; round < 300; round++) {
      const pair = new AssociationPair(41, { loss: 0.1, jitterMs: 30 });
      pair.a.connect(pair.now);
      pair.b.connect(pair.now);
      const steps = pick(12);
      for (let i = 0; i < steps; i++) pair.step(pair.now + 1000);
      for (let i = 0; i < 20; i++) {
        const { to, bytes } = packets[pick(packets.length)]!;
        const changed = bytes.slice();
        const changes = 1 + pick(4);
        // The tag stays: a wrong one would end every attack at the door.
        for (let k = 0; k < changes; k++) changed[12 + pick(changed.length - 12)] = pick(256);
        pair[to].handlePacket(pair.now, sealed(changed));
        pair.drain();
      }
      expect(pair.a.heldBytes + pair.b.heldBytes).toBeLessThan(4_000_000);
    }
  });

  it('made of random chunks never throw in an association in place', () => {
    const chunkTypes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 63, 64, 130, 192, 255];
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            type: fc.constantFrom(...chunkTypes),
            flags: fc.integer({ min: 0, max: 255 }),
            value: fc.uint8Array({ maxLength: 60 }),
            lie: fc.option(fc.integer({ min: 0, max: 65_535 }), { freq: 8 }),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        (chunks) => {
          const peer = new RawPeer().establish();
          peer.open(0);
          const bytes = new Uint8Array(12 + chunks.reduce((n, c) => n + 4 + ((c.value.length + 3) & ~3), 0));
          const view = new DataView(bytes.buffer);
          view.setUint16(0, 5000);
          view.setUint16(2, 5000);
          view.setUint32(4, peer.tag);
          let at = 12;
          for (const { type, flags, value, lie } of chunks) {
            view.setUint8(at, type);
            view.setUint8(at + 1, flags);
            view.setUint16(at + 2, lie ?? 4 + value.length);
            bytes.set(value, at + 4);
            at += 4 + ((value.length + 3) & ~3);
          }
          peer.deliver(sealed(bytes));
          peer.wait(1000);
        },
      ),
      { seed: 44, numRuns: 1500 },
    );
  });

  it('with flipped bits and the old checksum leave no trace', () => {
    const pair = new AssociationPair(45).connect();
    const id = pair.a.openChannel({ label: 'x' });
    pair.run(500);
    const random = seededNumbers(46);
    const packets = pair.wire.map(({ bytes }) => bytes);
    const dropped = pair.b.stats.dropped.malformed;
    for (let i = 0; i < 500; i++) {
      const changed = packets[i % packets.length]!.slice();
      const bit = Math.floor(random() * changed.length * 8);
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      pair.b.handlePacket(pair.now, changed);
    }
    expect(pair.b.stats.dropped.malformed - dropped).toBe(500);
    pair.a.send(pair.now, id, 'unharmed');
    pair.run(500);
    expect(pair.messages('b')).toEqual(['unharmed']);
  });

  it('with chunk length zero to three are dropped whole', () => {
    const peer = new RawPeer().establish();
    for (let length = 0; length < 4; length++) {
      const bytes = new Uint8Array(32);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, 5000);
      view.setUint16(2, 5000);
      view.setUint32(4, peer.tag);
      bytes.set([ChunkType.heartbeat, 0, 0, 8, 0, 1, 0, 4], 12);
      bytes.set([ChunkType.data, 3, 0, length], 20);
      peer.seen.length = 0;
      peer.deliver(sealed(bytes));
      expect(peer.seen).toEqual([]);
    }
    expect(peer.association.stats.dropped.malformed).toBe(4);
  });
});

describe('memory', () => {
  it('is not filled by duplicates', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.ackAll();
    const tsn = peer.tsn;
    for (let i = 0; i < 20_000; i++) peer.data({ tsn: tsn + 1, ssn: 2, payload: 'again and again' });
    expect(peer.association.stats.duplicateTsns).toBe(19_999);
    expect(peer.association.heldBytes).toBe(15 + 128);
    peer.seen.length = 0;
    peer.send(peer.tag, (p) => {
      for (let i = 0; i < 2000; i++) peer.writeData(p, { tsn: tsn + 1, ssn: 2 });
    });
    expect(peer.seen.length).toBe(1);
    expect(peer.seen[0]!.value.length).toBeLessThan(100);
  });

  it('is not filled by chunks that wait for a missing one', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.ackAll();
    const tsn = peer.tsn;
    for (let i = 1; i < 10_000; i++) {
      peer.data({ tsn: tsn + i, ssn: i & 0xffff, payload: new Uint8Array(1000) });
    }
    expect(peer.association.heldBytes).toBeLessThanOrEqual(1_048_576);
    expect(peer.association.stats.dropped['no-room']).toBeGreaterThan(5000);
    expect(peer.association.state).toBe('established');
    for (let i = 1; i < 60_000; i += 2) peer.data({ tsn: tsn + i, ssn: i & 0xffff, payload: 'x' });
    expect(peer.association.heldBytes).toBeLessThanOrEqual(2 * 1_048_576);
    expect(Math.max(...peer.all(ChunkType.sack).map((c) => c.value.length))).toBeLessThanOrEqual(1150);
  });

  it('is not filled by fragments of one byte; who insists is cut off', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.ackAll();
    for (let i = 0; i < 100_000 && peer.association.state !== 'ended'; i++) {
      peer.data({ ssn: 1, flags: i === 0 ? begin : 0, payload: 'x' });
      expect(peer.association.heldBytes).toBeLessThanOrEqual(2 * 1_048_576);
    }
    expect(peer.closedReason).toBe('the receive buffer is exhausted');
    expect([...peer.last(ChunkType.abort).value]).toEqual([0, 4, 0, 4]);
  });

  it('is not filled by fragments that never meet', () => {
    const peer = new RawPeer().establish();
    for (let i = 0; i < 50_000 && peer.association.state !== 'ended'; i++) {
      peer.data({
        streamId: i & 0xff,
        flags: unordered | (i % 2 ? begin : end),
        payload: new Uint8Array(100),
      });
    }
    expect(peer.association.heldBytes).toBeLessThanOrEqual(2 * 1_048_576);
    expect(peer.association.state).toBe('ended');
  });

  it('is not filled by messages on endless streams, nor by ones that wait for their turn', () => {
    const streams = new RawPeer().establish();
    for (let i = 0; i < 3000 && streams.association.state !== 'ended'; i++) streams.data({ streamId: i });
    expect(streams.closedReason).toContain('too many streams');

    const turns = new RawPeer().establish();
    turns.open(0);
    for (let i = 2; i < 50_000 && turns.association.state !== 'ended'; i++) {
      turns.data({ ssn: i & 0x7fff, payload: 'never delivered' });
      expect(turns.association.heldBytes).toBeLessThanOrEqual(2 * 1_048_576);
    }
    expect(turns.association.state).toBe('ended');
  });

  it('is not filled by messages and channels that the owner does not poll', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    peer.autoPoll = false;
    for (let i = 1; i < 50_000; i++) peer.data({ ssn: i, payload: 'tiny' });
    expect(peer.association.heldBytes).toBeLessThanOrEqual(1_048_576);
    expect(peer.lastSack().advertisedWindow).toBeLessThan(1000);
    peer.seen.length = 0;
    peer.pollEvents();
    peer.collect();
    expect(peer.lastSack().advertisedWindow).toBe(1_048_576);
  });

  it('holds a bounded number of packets for an owner that does not fetch them', () => {
    const peer = new RawPeer().establish();
    const heartbeat = Uint8Array.of(0, 1, 0, 4);
    peer.association.pollTransmit();
    const { association } = peer;
    const sentBefore = association.stats.packetsSent;
    peer.collect = () => undefined;
    for (let i = 0; i < 5000; i++) peer.chunk(ChunkType.heartbeat, 0, heartbeat);
    expect(association.stats.packetsSent - sentBefore).toBe(1024);
  });
});
