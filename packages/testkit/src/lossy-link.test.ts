import { describe, expect, it } from 'vitest';
import { LinkedPeers, type SansIoPeer } from './linked-peers.ts';
import { LossyLink, type LossyLinkOptions } from './lossy-link.ts';

/** Sends `count` datagrams 1 ms apart and lists what arrives when. */
function carry(options: LossyLinkOptions, count = 2000): { number: number; atMs: number }[] {
  const link = new LossyLink(options);
  const arrived: { number: number; atMs: number }[] = [];
  for (let i = 0; i < count; i++) link.send(i, Uint8Array.of(i >>> 8, i));
  for (let atMs = link.pollTimeout(); atMs !== undefined; atMs = link.pollTimeout()) {
    const bytes = link.receive(atMs)!;
    arrived.push({ number: (bytes[0]! << 8) | bytes[1]!, atMs });
  }
  return arrived;
}

describe('LossyLink', () => {
  it('is perfect by default', () => {
    expect(carry({}, 3)).toEqual([0, 1, 2].map((n) => ({ number: n, atMs: n })));
  });

  it('holds nothing back before its time', () => {
    const link = new LossyLink({ delayMs: 50 });
    const bytes = Uint8Array.of(1);
    link.send(0, bytes);
    bytes[0] = 2;
    expect(link.receive(49.9)).toBeUndefined();
    expect(link.receive(50)).toEqual(Uint8Array.of(1));
    expect(link.pollTimeout()).toBeUndefined();
  });

  it('loses and duplicates the shares asked for, in the same way for the same seed', () => {
    const lossy = carry({ loss: 0.3, seed: 5 });
    expect(Math.abs(lossy.length - 1400)).toBeLessThan(80);
    expect(carry({ loss: 0.3, seed: 5 })).toEqual(lossy);
    expect(carry({ loss: 0.3, seed: 6 })).not.toEqual(lossy);
    const doubled = carry({ duplication: 0.1 });
    expect(Math.abs(doubled.length - 2200)).toBeLessThan(60);
  });

  it('reorders by jitter, unless told to keep the order', () => {
    const isSorted = (packets: { number: number }[]) =>
      packets.every((p, i) => i === 0 || p.number >= packets[i - 1]!.number);
    expect(isSorted(carry({ delayMs: 20, jitterMs: 10 }))).toBe(false);
    expect(isSorted(carry({ delayMs: 20, jitterMs: 10, reordering: false }))).toBe(true);
  });

  it('spaces datagrams by its rate and drops what its queue cannot hold', () => {
    const link = new LossyLink({ rateBps: 8000, queueBytes: 300 });
    for (let i = 0; i < 5; i++) link.send(0, new Uint8Array(100));
    expect(link.counts).toMatchObject({ sent: 5, lost: 2 });
    expect([
      link.receive(99),
      link.receive(100)?.length,
      link.receive(199),
      link.receive(200)?.length,
    ]).toEqual([undefined, 100, undefined, 100]);
  });

  it('loses what is longer than its MTU', () => {
    const link = new LossyLink({ mtu: 10 });
    link.send(0, new Uint8Array(11));
    link.send(0, new Uint8Array(10));
    expect(link.receive(0)?.length).toBe(10);
    expect(link.counts).toMatchObject({ lost: 1, delivered: 1 });
  });
});

/** Repeats its number until it is echoed, then goes to the next. */
class Pinger implements SansIoPeer {
  readonly #retryMs: number;
  #due: number | undefined = 0;
  #outgoing: Uint8Array[] = [];
  done = 0;

  constructor(retryMs: number) {
    this.#retryMs = retryMs;
  }

  handlePacket(now: number, bytes: Uint8Array): void {
    if (bytes[0] !== this.done) return;
    this.done++;
    this.#ping(now);
  }

  handleTimeout(now: number): void {
    this.#ping(now);
  }

  pollTimeout(): number | undefined {
    return this.#due;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#outgoing.shift();
  }

  #ping(now: number): void {
    this.#due = now + this.#retryMs;
    this.#outgoing.push(Uint8Array.of(this.done));
  }
}

class Echo implements SansIoPeer {
  readonly #outgoing: Uint8Array[] = [];

  handlePacket(_now: number, bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
  }

  handleTimeout(): void {}

  pollTimeout(): undefined {
    return undefined;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#outgoing.shift();
  }
}

describe('LinkedPeers', () => {
  it('drives both peers over loss and delay on virtual time', () => {
    const left = new Pinger(200);
    const options = { loss: 0.25, delayMs: 30, jitterMs: 20, duplication: 0.1 };
    const pair = new LinkedPeers({ left, right: new Echo(), leftToRight: options, rightToLeft: options });
    expect(pair.runUntil(() => left.done === 100, 60_000)).toBe(true);
    // 100 round trips of 60 ms at least, and some of them lost.
    expect(pair.now).toBeGreaterThan(6000);
    expect(pair.leftToRight.counts.lost).toBeGreaterThan(5);
  });

  it('stops at the limit', () => {
    const left = new Pinger(200);
    const pair = new LinkedPeers({ left, right: new Echo(), leftToRight: { loss: 1 }, startMs: 0 });
    expect(pair.runUntil(() => left.done > 0, 1000)).toBe(false);
    expect(pair.now).toBe(1000);
  });

  it('names a peer that does not get past one moment', () => {
    const stuck = new Echo();
    stuck.pollTimeout = (): undefined => 0 as unknown as undefined;
    const pair = new LinkedPeers({ left: stuck, right: new Echo() });
    expect(() => pair.runFor(10)).toThrow(/does not get past/);
  });
});
