import type { NowMs } from '@conclave/bytes';

/** Bytes that may go out at once after a pause: what every router's queue can take. */
const BURST_BYTES = 16_384;
/** Packets that wait at most; more are dropped, the sender being faster than the pace for seconds. */
const MAX_WAITING_PACKETS = 8192;

/** Spreads packets over time, so that a large key frame does not overflow the queues on its way. Sans-IO. */
export class PacketPacer {
  readonly #bytesPerMs: number;
  readonly #waiting: Uint8Array[] = [];
  #next = 0;
  #credit = BURST_BYTES;
  #creditedMs: NowMs = Number.NEGATIVE_INFINITY;

  /** `rateBps`: bits per second, more than 0. */
  constructor(rateBps: number) {
    this.#bytesPerMs = rateBps / 8000;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#next;
  }

  /** Adds a packet to the end. False, and it is dropped, when too many wait. */
  add(packet: Uint8Array): boolean {
    if (this.waiting >= MAX_WAITING_PACKETS) return false;
    this.#waiting.push(packet);
    return true;
  }

  /** The next packet, if its time has come. */
  poll(now: NowMs): Uint8Array | undefined {
    if (now > this.#creditedMs) {
      this.#credit = Math.min(BURST_BYTES, this.#credit + (now - this.#creditedMs) * this.#bytesPerMs);
      this.#creditedMs = now;
    }
    const packet = this.#waiting[this.#next];
    // The credit may become negative by one packet, so that none is too large for it.
    if (packet === undefined || this.#credit <= 0) return undefined;
    this.#credit -= packet.length;
    this.#next++;
    if (this.#next === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#next = 0;
    }
    return packet;
  }

  /** When {@link PacketPacer.poll} has something, if anything waits. */
  pollTimeout(): NowMs | undefined {
    if (this.waiting === 0) return undefined;
    return this.#creditedMs + Math.max(0, -this.#credit) / this.#bytesPerMs;
  }
}
