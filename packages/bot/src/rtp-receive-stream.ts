import { type NowMs, seqDelta16, serialDelta32 } from '@conclave/bytes';
import { middleNtp, type ReportBlock, type RtpPacket, type SenderReport } from '@conclave/rtp';

/** How patient a stream is with what is missing. */
export interface RtpReceiveStreamOptions {
  readonly ssrc: number;
  /** Ticks per second of the timestamps. */
  readonly clockRate: number;
  /** Whether missing packets are asked for again. */
  readonly nack: boolean;
  /**
   * How long what follows a missing packet is held back for it, in milliseconds. Lower: less delay when packets are lost;
   * higher: more of them come in time, late or repaired.
   */
  readonly patienceMs: number;
}

/** What comes out of a stream, in the order in which it was sent. */
export type StreamItem =
  | { readonly type: 'packet'; readonly packet: RtpPacket }
  /** So many packets did not come. */
  | { readonly type: 'lost'; readonly packets: number };

interface Missing {
  readonly sinceMs: NowMs;
  nextAskMs: NowMs;
  asks: number;
}

/** Positions held back at most while the first of them is missing; beyond, that one is given up. */
const MAX_HELD_PACKETS = 1024;
/** A packet that was asked for so often will not come. */
const MAX_ASKS = 10;
/** Packets named in one request. */
const MAX_ASKED_AT_ONCE = 128;
/** Reordering alone should not cause requests. */
const FIRST_ASK_AFTER_MS = 10;
const MIN_ASK_INTERVAL_MS = 20;

/** One incoming stream: puts packets in order, asks for missing ones, gives up on them, and reports. Sans-IO. */
export class RtpReceiveStream {
  readonly #options: RtpReceiveStreamOptions;
  readonly #held = new Map<number, RtpPacket>();
  readonly #missing = new Map<number, Missing>();
  readonly #items: StreamItem[] = [];
  #first = -1;
  #highest = -1;
  /** The next position to come out. */
  #next = 0;
  #received = 0;
  #discarded = 0;
  #jitterTicks = 0;
  #lastTransitTicks: number | undefined;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #report: SenderReport | undefined;
  #reportMs: NowMs = 0;

  constructor(options: RtpReceiveStreamOptions) {
    this.#options = options;
  }

  get ssrc(): number {
    return this.#options.ssrc;
  }

  /** Packets received, each once. */
  get packets(): number {
    return this.#received;
  }

  /** Copies, and packets that came after they were given up. */
  get discarded(): number {
    return this.#discarded;
  }

  /** Takes a packet; `repaired` if it came by retransmission, which tells nothing about jitter. */
  handlePacket(now: NowMs, packet: RtpPacket, repaired: boolean): void {
    if (this.#highest < 0) {
      // An offset keeps positions positive for packets that overtook this one.
      this.#first = 0x10000 + packet.sequence;
      this.#highest = this.#first - 1;
      this.#next = this.#first;
    }
    const at = this.#highest + seqDelta16(this.#highest & 0xffff, packet.sequence);
    if (at < this.#next || this.#held.has(at)) {
      this.#discarded++;
      return;
    }
    this.#received++;
    if (!repaired) this.#measureJitter(now, packet.timestamp);
    this.#held.set(at, packet);
    this.#missing.delete(at);
    for (let gap = Math.max(this.#highest + 1, at - MAX_HELD_PACKETS); gap < at; gap++) {
      this.#missing.set(gap, { sinceMs: now, nextAskMs: now + FIRST_ASK_AFTER_MS, asks: 0 });
    }
    if (at > this.#highest) this.#highest = at;
    this.#release(now);
  }

  /** Takes a report of the sender about this stream. */
  handleReport(now: NowMs, report: SenderReport): void {
    this.#report = report;
    this.#reportMs = now;
  }

  /** Gives up on what has been missing for too long. */
  handleTimeout(now: NowMs): void {
    this.#release(now);
  }

  /** When to call {@link RtpReceiveStream.handleTimeout} or to ask for {@link RtpReceiveStream.takeRequests}. */
  pollTimeout(): NowMs | undefined {
    let earliest: NowMs | undefined;
    for (const { sinceMs, nextAskMs, asks } of this.#missing.values()) {
      const givenUpMs = sinceMs + this.#options.patienceMs;
      const at = this.#options.nack && asks < MAX_ASKS ? Math.min(nextAskMs, givenUpMs) : givenUpMs;
      if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** The next packet or loss. */
  poll(): StreamItem | undefined {
    return this.#items.shift();
  }

  /** Sequence numbers to ask for now; they count as asked for. */
  takeRequests(now: NowMs, roundTripMs: number): number[] {
    const asked: number[] = [];
    if (!this.#options.nack) return asked;
    for (const [at, missing] of this.#missing) {
      if (asked.length >= MAX_ASKED_AT_ONCE) break;
      if (missing.asks >= MAX_ASKS || now < missing.nextAskMs) continue;
      missing.asks++;
      missing.nextAskMs = now + Math.max(MIN_ASK_INTERVAL_MS, roundTripMs);
      asked.push(at & 0xffff);
    }
    return asked;
  }

  /** A report block since the last one (RFC 3550 §6.4.1); undefined before the first packet. */
  takeReportBlock(now: NowMs): ReportBlock | undefined {
    if (this.#highest < 0) return undefined;
    const expected = this.#highest - this.#first + 1;
    const expectedNow = expected - this.#expectedBefore;
    const lostNow = expectedNow - (this.#received - this.#receivedBefore);
    this.#expectedBefore = expected;
    this.#receivedBefore = this.#received;
    const delayMs = this.#report ? now - this.#reportMs : 0;
    return {
      ssrc: this.#options.ssrc,
      fractionLost: lostNow > 0 ? Math.min(255, Math.floor((lostNow * 256) / expectedNow)) : 0,
      cumulativeLost: Math.max(-0x800000, Math.min(0x7fffff, expected - this.#received)),
      // The first cycle has number 0.
      highestSequence: (this.#highest - 0x10000) >>> 0,
      jitterTicks: Math.floor(this.#jitterTicks) >>> 0,
      lastReport: this.#report ? middleNtp(this.#report.ntpTime) : 0,
      delaySinceLastReport: Math.round((delayMs * 65536) / 1000) >>> 0,
    };
  }

  #release(now: NowMs): void {
    let lost = 0;
    while (this.#next <= this.#highest) {
      const packet = this.#held.get(this.#next);
      if (packet === undefined) {
        const missing = this.#missing.get(this.#next);
        const hopeful = missing !== undefined && now < missing.sinceMs + this.#options.patienceMs;
        if (hopeful && this.#highest - this.#next < MAX_HELD_PACKETS) break;
        this.#missing.delete(this.#next);
        lost++;
      } else {
        if (lost > 0) this.#items.push({ type: 'lost', packets: lost });
        lost = 0;
        this.#held.delete(this.#next);
        this.#items.push({ type: 'packet', packet });
      }
      this.#next++;
    }
    if (lost > 0) this.#items.push({ type: 'lost', packets: lost });
  }

  /** RFC 3550 §A.8. */
  #measureJitter(now: NowMs, timestamp: number): void {
    const transit = (Math.round((now * this.#options.clockRate) / 1000) - timestamp) | 0;
    if (this.#lastTransitTicks !== undefined) {
      const difference = Math.abs(serialDelta32(this.#lastTransitTicks, transit));
      this.#jitterTicks += (difference - this.#jitterTicks) / 16;
    }
    this.#lastTransitTicks = transit;
  }
}
