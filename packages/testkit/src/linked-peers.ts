import type { NowMs } from '@conclave/bytes';
import { LossyLink, type LossyLinkOptions } from './lossy-link.ts';

/** The poll surface of a sans-IO core that has one counterpart. */
export interface SansIoPeer {
  handlePacket(now: NowMs, bytes: Uint8Array): void;
  handleTimeout(now: NowMs): void;
  /** When it wants {@link SansIoPeer.handleTimeout} to be called. */
  pollTimeout(): NowMs | undefined;
  /** The next datagram for the counterpart. */
  pollTransmit(): Uint8Array | undefined;
}

/** Two peers and the link between them. */
export interface LinkedPeersOptions {
  readonly left: SansIoPeer;
  readonly right: SansIoPeer;
  readonly leftToRight?: LossyLinkOptions;
  readonly rightToLeft?: LossyLinkOptions;
  readonly startMs?: NowMs;
}

/**
 * Two sans-IO peers driven over a {@link LossyLink} on virtual time: datagrams are carried, timeouts called when due,
 * and the clock jumps from one thing to the next.
 *
 * @example
 * ```ts
 * const pair = new LinkedPeers({ left, right, leftToRight: { loss: 0.3, delayMs: 50, seed: 7 } });
 * const done = pair.runUntil(() => left.state === 'connected' && right.state === 'connected', 30_000);
 * ```
 */
export class LinkedPeers {
  readonly leftToRight: LossyLink;
  readonly rightToLeft: LossyLink;
  readonly #left: SansIoPeer;
  readonly #right: SansIoPeer;
  #now: NowMs;

  constructor({ left, right, leftToRight, rightToLeft, startMs = 0 }: LinkedPeersOptions) {
    this.#left = left;
    this.#right = right;
    this.leftToRight = new LossyLink({ seed: 1, ...leftToRight });
    this.rightToLeft = new LossyLink({ seed: 2, ...rightToLeft });
    this.#now = startMs;
  }

  /** The time it is on the virtual clock. */
  get now(): NowMs {
    return this.#now;
  }

  /** Goes on for a time. */
  runFor(durationMs: number): void {
    this.runUntil(() => false, durationMs);
  }

  /**
   * Goes on until the condition holds, and says whether it does; false after `limitMs`, or when nothing is left to
   * happen. Throws when a peer keeps asking for the same time without end.
   */
  runUntil(condition: () => boolean, limitMs: number): boolean {
    const endMs = this.#now + limitMs;
    let stepsAtOnce = 0;
    for (;;) {
      this.#carry();
      if (condition()) return true;
      const next = this.#nextTime();
      if (next === undefined || next > endMs) {
        this.#now = Math.max(this.#now, endMs);
        return false;
      }
      stepsAtOnce = next > this.#now ? 0 : stepsAtOnce + 1;
      if (stepsAtOnce > 10_000) throw new Error(`a peer does not get past ${this.#now} ms`);
      this.#now = Math.max(this.#now, next);
      this.#step();
    }
  }

  #step(): void {
    const now = this.#now;
    for (let p = this.leftToRight.receive(now); p; p = this.leftToRight.receive(now))
      this.#right.handlePacket(now, p);
    for (let p = this.rightToLeft.receive(now); p; p = this.rightToLeft.receive(now))
      this.#left.handlePacket(now, p);
    for (const peer of [this.#left, this.#right]) {
      const due = peer.pollTimeout();
      if (due !== undefined && due <= now) peer.handleTimeout(now);
    }
  }

  #carry(): void {
    for (let p = this.#left.pollTransmit(); p; p = this.#left.pollTransmit())
      this.leftToRight.send(this.#now, p);
    for (let p = this.#right.pollTransmit(); p; p = this.#right.pollTransmit())
      this.rightToLeft.send(this.#now, p);
  }

  #nextTime(): NowMs | undefined {
    const times = [this.#left, this.#right, this.leftToRight, this.rightToLeft].map((x) => x.pollTimeout());
    const known = times.filter((t) => t !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }
}
