import type { NowMs } from '@conclave/bytes';
import {
  type CreateDtlsSession,
  createDtlsSession,
  type DtlsEvent,
  type DtlsOptions,
  type DtlsSession,
} from '@conclave/forwarder';

const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(4));

/**
 * Real DTLS sessions on a virtual clock. OpenSSL measures the time to its next retransmission by the wall clock, so
 * that when the virtual clock gets there the rest is waited for: a lost flight costs a quarter of a real second,
 * everything else nothing.
 */
export const createPatientDtlsSession: CreateDtlsSession = (options) => new PatientDtlsSession(options);

class PatientDtlsSession implements DtlsSession {
  readonly #session: DtlsSession;
  #dueOnWallMs = 0;

  constructor(options: DtlsOptions) {
    this.#session = createDtlsSession(options);
  }

  start(now: NowMs): void {
    this.#session.start(now);
    this.#noteTimer(now);
  }

  handlePacket(now: NowMs, bytes: Uint8Array): void {
    this.#session.handlePacket(now, bytes);
    this.#noteTimer(now);
  }

  handleTimeout(now: NowMs): void {
    const due = this.pollTimeout();
    if (due === undefined || now < due) return;
    // A little more, since timers are rounded.
    Atomics.wait(NEVER_NOTIFIED, 0, 0, Math.max(0, this.#dueOnWallMs - performance.now()) + 2);
    this.#session.handleTimeout(now);
    this.#noteTimer(now);
  }

  pollTimeout(): NowMs | undefined {
    return this.#session.pollTimeout();
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#session.pollTransmit();
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#session.pollEvent();
  }

  send(bytes: Uint8Array): void {
    this.#session.send(bytes);
  }

  close(): void {
    this.#session.close();
  }

  #noteTimer(now: NowMs): void {
    const due = this.#session.pollTimeout();
    if (due !== undefined) this.#dueOnWallMs = performance.now() + (due - now);
  }
}

/** Sessions that never say anything: a peer that passes its connectivity checks and then does not do DTLS. */
export const createMuteDtlsSession: CreateDtlsSession = () => ({
  start: () => undefined,
  handlePacket: () => undefined,
  handleTimeout: () => undefined,
  pollTimeout: () => undefined,
  pollTransmit: () => undefined,
  pollEvent: () => undefined,
  send: () => {
    throw new Error('not connected');
  },
  close: () => undefined,
});
