import { describe, expect, it } from 'vitest';
import { ChunkType } from '../src/chunk-type.ts';
import { encodeInit, parseInit } from '../src/init-chunk.ts';
import { AssociationPair } from './association-pair.ts';
import { ownInit, RawPeer, u32 } from './raw-peer.ts';

const typeOf = (packet: Uint8Array): number => packet[12]!;

describe('the handshake', () => {
  it('comes up when one side connects', () => {
    const pair = new AssociationPair(1);
    pair.a.connect(pair.now);
    pair.runUntil(() => pair.a.state === 'established' && pair.b.state === 'established', 100);
    expect(pair.events).toEqual({ a: [{ type: 'connected' }], b: [{ type: 'connected' }] });
  });

  it('comes up once when both sides connect at the same time', () => {
    const pair = new AssociationPair(2).connect();
    pair.run(5000);
    expect(pair.events).toEqual({ a: [{ type: 'connected' }], b: [{ type: 'connected' }] });
    const fromA = pair.a.openChannel({ label: 'from a' });
    const fromB = pair.b.openChannel({ label: 'from b' });
    expect([fromA, fromB]).toEqual([1, 0]);
    pair.run(100);
    expect(pair.a.send(pair.now, fromA, 'hello')).toBe(true);
    pair.run(100);
    expect(pair.messages('b')).toEqual(['hello']);
  });

  const losable = { INIT: 1, 'INIT ACK': 2, 'COOKIE ECHO': 10, 'COOKIE ACK': 11 };
  for (const [name, type] of Object.entries(losable)) {
    for (const simultaneous of [false, true]) {
      it(`survives the loss of the first two ${name}${simultaneous ? ' of each side' : ''}`, () => {
        const lost = { a: 0, b: 0 };
        const passes = (packet: Uint8Array, from: 'a' | 'b') => typeOf(packet) !== type || lost[from]++ >= 2;
        const pair = new AssociationPair(3, { passes });
        pair.a.connect(pair.now);
        if (simultaneous) pair.b.connect(pair.now);
        pair.runUntil(() => pair.a.state === 'established' && pair.b.state === 'established', 10_000);
        const id = pair.b.openChannel({ label: 'x' });
        pair.b.send(pair.now, id, 'through');
        pair.runUntil(() => pair.messages('a').length === 1, 10_000);
      });
    }
  }

  it('ends when nobody answers', () => {
    const pair = new AssociationPair(4, { loss: 1 });
    pair.a.connect(pair.now);
    pair.run(70_000);
    expect(pair.events.a).toEqual([{ type: 'closed', reason: 'the peer does not answer the handshake' }]);
    expect(pair.wire.length).toBe(9);
    expect(pair.a.pollTimeout()).toBeUndefined();
  });

  it('carries what was queued before it was up', () => {
    const pair = new AssociationPair(5);
    const id = pair.a.openChannel({ label: 'early' });
    expect(pair.a.send(pair.now, id, 'first')).toBe(true);
    pair.connect();
    pair.runUntil(() => pair.messages('b').length === 1, 1000);
    expect(pair.events.b[1]).toEqual({ type: 'channel-open', streamId: id, label: 'early', protocol: '' });
  });

  it('takes cookies of one INIT only once another came, and no forged ones', () => {
    const peer = new RawPeer();
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit(ownInit)));
    const first = parseInit(peer.last(ChunkType.initAck).value).init;
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, initiateTag: 99 })));
    peer.send(first.initiateTag, (p) => p.chunk(ChunkType.cookieEcho, 0, first.cookie!));
    peer.send(first.initiateTag, (p) => p.chunk(ChunkType.cookieEcho, 0, new Uint8Array(16)));
    peer.send(first.initiateTag, (p) => p.chunk(ChunkType.cookieEcho, 0, new Uint8Array(0)));
    expect(peer.association.state).toBe('idle');
    expect(peer.association.stats.dropped['bad-cookie']).toBe(3);
    peer.establish();
    expect(peer.association.state).toBe('established');
  });

  it('refuses a right cookie under a wrong tag', () => {
    const peer = new RawPeer();
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit(ownInit)));
    const ack = parseInit(peer.last(ChunkType.initAck).value).init;
    peer.send(ack.initiateTag ^ 1, (p) => p.chunk(ChunkType.cookieEcho, 0, ack.cookie!));
    expect(peer.association.state).toBe('idle');
    expect(peer.association.stats.dropped['wrong-tag']).toBe(1);
  });

  it('says that a cookie is stale', () => {
    const peer = new RawPeer();
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit(ownInit)));
    const ack = parseInit(peer.last(ChunkType.initAck).value).init;
    peer.now += 60_001;
    peer.send(ack.initiateTag, (p) => p.chunk(ChunkType.cookieEcho, 0, ack.cookie!));
    expect(peer.association.state).toBe('idle');
    const error = peer.last(ChunkType.error);
    expect(error.tag).toBe(ownInit.initiateTag);
    expect([...error.value]).toEqual([0, 3, 0, 8, 0, 0, 3, 232]);
  });

  it('begins again when its own cookie was stale', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    peer.tag = u32(peer.last(ChunkType.init).value, 0);
    peer.chunk(ChunkType.initAck, 0, encodeInit({ ...ownInit, cookie: new Uint8Array(8) }));
    expect(peer.association.state).toBe('cookie-echoed');
    peer.chunk(ChunkType.error, 0, Uint8Array.of(0, 3, 0, 8, 0, 0, 0, 1));
    expect(peer.association.state).toBe('cookie-wait');
    expect(peer.all(ChunkType.init).length).toBe(2);
    for (let i = 0; i < 20; i++) {
      peer.chunk(ChunkType.initAck, 0, encodeInit({ ...ownInit, cookie: new Uint8Array(8) }));
      peer.chunk(ChunkType.error, 0, Uint8Array.of(0, 3, 0, 8, 0, 0, 0, 1));
    }
    expect(peer.all(ChunkType.init).length).toBeLessThan(30);
  });

  it('answers a COOKIE ECHO again when the COOKIE ACK was lost, without starting anew', () => {
    const peer = new RawPeer();
    peer.establish();
    const cookie = parseInit(peer.last(ChunkType.initAck).value).init.cookie!;
    peer.open(0);
    peer.chunk(ChunkType.cookieEcho, 0, cookie);
    expect(peer.all(ChunkType.cookieAck).length).toBe(2);
    expect(peer.events.map((e) => e.type)).toEqual(['connected', 'channel-open']);
  });

  it('keeps nothing of a flood of INITs, and the association in place goes on', () => {
    const peer = new RawPeer().establish();
    peer.open(0);
    for (let i = 1; i < 5000; i++) {
      peer.send(0, (p) =>
        p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, initiateTag: i, initialTsn: i })),
      );
    }
    expect(peer.all(ChunkType.initAck).length).toBe(5000);
    peer.data({ ssn: 1, payload: 'still there' });
    expect(peer.messages).toEqual(['still there']);
    expect(peer.association.heldBytes).toBe(0);
  });

  it('gives an INIT in an association in place a new tag, and its own while both sides open', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    const own = parseInit(peer.last(ChunkType.init).value).init;
    peer.establish();
    const first = parseInit(peer.last(ChunkType.initAck).value).init;
    expect([first.initiateTag, first.initialTsn]).toEqual([own.initiateTag, own.initialTsn]);
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, initiateTag: 77 })));
    const second = parseInit(peer.last(ChunkType.initAck).value).init;
    expect(second.initiateTag).not.toBe(own.initiateTag);
    expect(peer.last(ChunkType.initAck).tag).toBe(77);
    expect(peer.association.state).toBe('established');
  });
});

describe('an INIT', () => {
  const faults = {
    'a window under 1500 bytes': { advertisedWindow: 1499 },
    'no outbound streams': { outboundStreams: 0 },
    'no inbound streams': { inboundStreams: 0 },
  };
  for (const [name, fault] of Object.entries(faults)) {
    it(`with ${name} is answered with ABORT`, () => {
      const peer = new RawPeer();
      peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, ...fault })));
      expect(peer.seen.map(({ type, tag }) => [type, tag])).toEqual([[ChunkType.abort, ownInit.initiateTag]]);
      expect(peer.association.state).toBe('idle');
    });
  }

  it('with tag zero is dropped silently', () => {
    const peer = new RawPeer();
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, initiateTag: 0 })));
    expect(peer.seen).toEqual([]);
    expect(peer.association.stats.dropped['bad-init']).toBe(1);
  });

  it('with a verification tag, or with other chunks around it, is dropped', () => {
    const peer = new RawPeer();
    const value = encodeInit(ownInit);
    peer.send(5, (p) => p.chunk(ChunkType.init, 0, value));
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, value).chunk(ChunkType.init, 0, value));
    peer.send(0, (p) => p.chunk(ChunkType.cookieAck, 0, new Uint8Array(0)).chunk(ChunkType.init, 0, value));
    expect(peer.seen).toEqual([]);
  });

  it('with a host name is answered with ABORT', () => {
    const peer = new RawPeer();
    const hostName = Uint8Array.of(0, 11, 0, 6, 120, 0, 0, 0);
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, new Uint8Array([...encodeInit(ownInit), ...hostName])));
    expect(peer.seen.map((c) => c.type)).toEqual([ChunkType.abort]);
  });

  it('has its unknown parameters reported or not as their types demand', () => {
    const peer = new RawPeer();
    const parameter = (high: number): number[] => [high, 0x77, 0, 5, 9, 0, 0, 0];
    const send = (...highs: number[]) => {
      const value = new Uint8Array([...encodeInit(ownInit), ...highs.flatMap(parameter)]);
      peer.send(0, (p) => p.chunk(ChunkType.init, 0, value));
      return [...peer.last(ChunkType.initAck).value];
    };
    const reported = (bytes: number[]) =>
      [0x20, 0x60, 0xa0, 0xe0].filter((high) =>
        Buffer.from(bytes).includes(Buffer.from([0, 8, 0, 9, high, 0x77])),
      );
    expect(reported(send(0xa0, 0xe0))).toEqual([0xe0]);
    expect(reported(send(0x60, 0xe0))).toEqual([0x60]);
    expect(reported(send(0x20, 0xe0))).toEqual([]);
    expect(send(...Array.from({ length: 200 }, () => 0xe0)).length).toBeLessThan(1150);
  });
});

describe('an INIT ACK', () => {
  const faults = {
    'tag zero': { initiateTag: 0 },
    'a tiny window': { advertisedWindow: 100 },
    'no streams': { outboundStreams: 0 },
  };
  for (const [name, fault] of Object.entries(faults)) {
    it(`with ${name} ends the association`, () => {
      const peer = new RawPeer();
      peer.association.connect(peer.now);
      peer.collect();
      peer.tag = u32(peer.last(ChunkType.init).value, 0);
      peer.chunk(ChunkType.initAck, 0, encodeInit({ ...ownInit, cookie: new Uint8Array(8), ...fault }));
      expect(peer.association.state).toBe('ended');
      expect(peer.closedReason).toContain('INIT ACK');
    });
  }

  it('without cookie ends the association', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    peer.tag = u32(peer.last(ChunkType.init).value, 0);
    peer.chunk(ChunkType.initAck, 0, encodeInit(ownInit));
    expect(peer.association.state).toBe('ended');
    expect([...peer.last(ChunkType.abort).value.subarray(0, 2)]).toEqual([0, 2]);
  });

  it('nobody asked for is dropped', () => {
    const peer = new RawPeer().establish();
    peer.chunk(ChunkType.initAck, 0, encodeInit({ ...ownInit, cookie: new Uint8Array(8) }));
    expect(peer.association.state).toBe('established');
    expect(peer.association.stats.dropped['wrong-state']).toBe(1);
  });

  it('with an unknown parameter to be reported leads to an ERROR', () => {
    const peer = new RawPeer();
    peer.association.connect(peer.now);
    peer.collect();
    peer.tag = u32(peer.last(ChunkType.init).value, 0);
    const value = encodeInit({ ...ownInit, cookie: new Uint8Array(8) });
    peer.chunk(ChunkType.initAck, 0, new Uint8Array([...value, 0xe0, 0x77, 0, 5, 9, 0, 0, 0]));
    expect(peer.last(ChunkType.cookieEcho).value.length).toBe(8);
    expect([...peer.last(ChunkType.error).value]).toEqual([0, 8, 0, 12, 0xe0, 0x77, 0, 5, 9, 0, 0, 0]);
  });
});

describe('a peer that restarts', () => {
  it('closes its old channels and can open new ones', () => {
    const pair = new AssociationPair(9).connect();
    const id = pair.a.openChannel({ label: 'old' });
    pair.run(200);
    pair.a.send(pair.now, id, 'before');
    pair.run(200);
    pair.events.a = [];
    pair.restartB(1234);
    pair.b.connect(pair.now);
    pair.runUntil(() => pair.b.state === 'established', 5000);
    expect(pair.events.a).toEqual([{ type: 'channel-closed', streamId: id }, { type: 'connected' }]);
    const again = pair.a.openChannel({ label: 'new' });
    pair.a.send(pair.now, again, 'after');
    pair.runUntil(() => pair.messages('b').length === 1, 5000);
    expect(pair.messages('b')).toEqual(['after']);
  });

  it('is not believed on the word of a cookie from before another restart', () => {
    const peer = new RawPeer().establish();
    const restartInit = encodeInit({ ...ownInit, initiateTag: 500 });
    peer.send(0, (p) => p.chunk(ChunkType.init, 0, restartInit));
    const ack = parseInit(peer.last(ChunkType.initAck).value).init;
    peer.send(ack.initiateTag, (p) => p.chunk(ChunkType.cookieEcho, 0, ack.cookie!));
    expect(peer.events.map((e) => e.type)).toEqual(['connected', 'connected']);
    // The tag of before is wrong now.
    peer.chunk(ChunkType.abort, 0, new Uint8Array(0));
    expect(peer.association.state).toBe('established');
    expect(peer.association.stats.dropped['wrong-tag']).toBe(1);
  });
});
