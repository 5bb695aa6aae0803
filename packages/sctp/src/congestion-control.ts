import { serialDelta32 } from '@conclave/bytes';

/** The congestion window of the one path there is (RFC 9260 §7.2). All sizes in bytes of user data. */
export class CongestionControl {
  /** User data of the largest DATA chunk that fits a packet: PMDCS in the unit that everything here is counted in. */
  readonly #chunkBytes: number;
  readonly #maxWindow: number;
  #window: number;
  #threshold: number;
  #partialBytesAcked = 0;
  #recoveryExit: number | undefined;

  /** `maxWindow` bounds the growth: more than the send buffer holds is never in flight anyway. */
  constructor(chunkBytes: number, maxWindow: number) {
    this.#chunkBytes = chunkBytes;
    this.#maxWindow = maxWindow;
    // RFC 9260 §7.2.1.
    this.#window = Math.min(4 * chunkBytes, Math.max(2 * chunkBytes, 4404));
    this.#threshold = maxWindow;
  }

  /** Bytes that may be in flight. */
  get window(): number {
    return this.#window;
  }

  /** Whether losses are being repaired for which the window has been reduced already. */
  get inFastRecovery(): boolean {
    return this.#recoveryExit !== undefined;
  }

  /**
   * The cumulative acknowledgement moved to `cumulativeTsn` and `ackedBytes` left the network; `flightBefore` bytes
   * were in flight until then.
   */
  acknowledged(cumulativeTsn: number, ackedBytes: number, flightBefore: number): void {
    if (this.#recoveryExit !== undefined) {
      if (serialDelta32(this.#recoveryExit, cumulativeTsn) >= 0) this.#recoveryExit = undefined;
      return;
    }
    // Only a window that was in use says anything about the path (RFC 9260 §7.2.1, §7.2.2).
    const used = flightBefore >= this.#window;
    if (this.#window <= this.#threshold) {
      if (used) this.#grow(Math.min(ackedBytes, this.#chunkBytes));
      return;
    }
    this.#partialBytesAcked += ackedBytes;
    if (this.#partialBytesAcked >= this.#window) {
      if (used) {
        this.#partialBytesAcked -= this.#window;
        this.#grow(this.#chunkBytes);
      } else {
        this.#partialBytesAcked = this.#window;
      }
    }
  }

  /** Everything sent has been acknowledged (RFC 9260 §7.2.2). */
  drained(): void {
    this.#partialBytesAcked = 0;
  }

  /** A loss was seen in the acknowledgements; `highestTsn` is the last one sent (RFC 9260 §7.2.3, §7.2.4). */
  lossDetected(highestTsn: number): void {
    if (this.#recoveryExit !== undefined) return;
    this.#threshold = this.#halved();
    this.#window = this.#threshold;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = highestTsn;
  }

  /** The retransmission timer ran out (RFC 9260 §7.2.3). */
  timedOut(): void {
    this.#threshold = this.#halved();
    this.#window = this.#chunkBytes;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = undefined;
  }

  /** Nothing was sent for `timeouts` retransmission timeouts: what was known of the path ages (RFC 9260 §7.2.1). */
  idled(timeouts: number): void {
    const floor = 4 * this.#chunkBytes;
    for (let i = 0; i < timeouts && this.#window > floor; i++)
      this.#window = Math.max(this.#window / 2, floor);
  }

  #halved(): number {
    return Math.max(Math.floor(this.#window / 2), 4 * this.#chunkBytes);
  }

  #grow(bytes: number): void {
    this.#window = Math.min(this.#maxWindow, this.#window + bytes);
  }
}
