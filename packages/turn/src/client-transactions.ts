import { type NowMs, type RandomBytes, toHex } from '@conclave/bytes';
import type { StunBuilder } from '@conclave/stun';

/** First retransmission of a request over UDP (RFC 8489 §6.2.1). */
export const INITIAL_RTO_MS = 500;

/** Requests sent in all over UDP, Rc of RFC 8489 §6.2.1. */
const MAX_SENDS = 7;

/** The last wait in units of the first RTO, Rm of RFC 8489 §6.2.1. */
const LAST_WAIT_RTOS = 16;

/** How long a request over a stream waits, Ti of RFC 8489 §6.2.2. */
const STREAM_TIMEOUT_MS = 39_500;

/** Requests of one client under way at once. Lower delays permissions of many peers, higher floods the server. */
const MAX_TRANSACTIONS = 64;

/** A request under way. */
export interface ClientTransaction<Purpose> {
  readonly id: Uint8Array;
  readonly key: string;
  readonly method: number;
  readonly purpose: Purpose;
  /** Adds the request's attributes, again for each new attempt. */
  readonly fill: (request: StunBuilder) => void;
  /** Key it was sealed with, or `undefined` when it was sent without a credential. */
  readonly sealedWith: Uint8Array | undefined;
  /** Attempts before this one that were answered with 401 or 438. */
  readonly attempts: number;
  readonly bytes: Uint8Array;
  sends: number;
  dueMs: NowMs;
}

/** Requests with their retransmissions (RFC 8489 §6.2). */
export class ClientTransactions<Purpose> {
  readonly #random: RandomBytes;
  readonly #stream: boolean;
  readonly #rtoMs: number;
  readonly #byKey = new Map<string, ClientTransaction<Purpose>>();

  constructor(random: RandomBytes, stream: boolean, rtoMs: number) {
    this.#random = random;
    this.#stream = stream;
    this.#rtoMs = rtoMs;
  }

  get nextMs(): NowMs | undefined {
    let next: NowMs | undefined;
    for (const { dueMs } of this.#byKey.values()) next = Math.min(next ?? dueMs, dueMs);
    return next;
  }

  newId(): Uint8Array {
    return this.#random(12);
  }

  /** Whether one more may start. */
  get hasRoom(): boolean {
    return this.#byKey.size < MAX_TRANSACTIONS;
  }

  add(
    now: NowMs,
    transaction: Omit<ClientTransaction<Purpose>, 'key' | 'sends' | 'dueMs'>,
  ): ClientTransaction<Purpose> {
    const dueMs = now + (this.#stream ? STREAM_TIMEOUT_MS : this.#rtoMs);
    const added = { ...transaction, key: toHex(transaction.id), sends: 1, dueMs };
    this.#byKey.set(added.key, added);
    return added;
  }

  find(id: Uint8Array): ClientTransaction<Purpose> | undefined {
    return this.#byKey.get(toHex(id));
  }

  remove(transaction: ClientTransaction<Purpose>): void {
    this.#byKey.delete(transaction.key);
  }

  clear(): void {
    this.#byKey.clear();
  }

  /** What is due: to be sent again, or with `timedOut` given up. */
  due(now: NowMs): { transaction: ClientTransaction<Purpose>; timedOut: boolean }[] {
    const found: { transaction: ClientTransaction<Purpose>; timedOut: boolean }[] = [];
    for (const transaction of [...this.#byKey.values()]) {
      if (transaction.dueMs > now) continue;
      const timedOut = this.#stream || transaction.sends >= MAX_SENDS;
      if (timedOut) this.remove(transaction);
      else {
        transaction.sends++;
        const factor = transaction.sends >= MAX_SENDS ? LAST_WAIT_RTOS : 2 ** (transaction.sends - 1);
        transaction.dueMs = now + this.#rtoMs * factor;
      }
      found.push({ transaction, timedOut });
    }
    return found;
  }
}
