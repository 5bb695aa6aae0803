import { type NowMs, type RandomBytes, toHex } from '@conclave/bytes';
import type { CandidatePair } from './candidate-pair.ts';

/** What a request of ours is for: to validate a pair, to nominate it, or to learn whether it still lives. */
export type CheckPurpose = 'check' | 'nominate' | 'maintain';

/** How often and how late a request is sent again. */
export interface RetransmitPlan {
  /** Wait before the first retransmission; doubles. */
  readonly rtoMs: number;
  readonly maxRtoMs: number;
  readonly retransmits: number;
}

/** A request of ours that awaits its response. */
export interface CheckTransaction {
  readonly id: Uint8Array;
  readonly pair: CandidatePair;
  readonly purpose: CheckPurpose;
  /** The role the request claimed. */
  readonly weControl: boolean;
  readonly plan: RetransmitPlan;
  /** The request, sent again as it is. */
  readonly bytes: Uint8Array;
  readonly startedAtMs: NowMs;
  sentAtMs: NowMs;
  /** Times it was sent. */
  sends: number;
  retransmitsLeft: number;
  rtoMs: number;
  /** When it is sent again, or given up if no retransmission is left. */
  nextAtMs: NowMs;
}

/** The open transactions of one agent: at most one per pair. */
export class CheckTransactions {
  readonly #byId = new Map<string, CheckTransaction>();
  readonly #tag: number;
  readonly #random: RandomBytes;

  constructor(tag: number, random: RandomBytes) {
    this.#tag = tag;
    this.#random = random;
  }

  /** Starts one on the pair, in place of the one it may have, as sent at `now`. */
  begin(
    now: NowMs,
    pair: CandidatePair,
    options: {
      purpose: CheckPurpose;
      weControl: boolean;
      plan: RetransmitPlan;
      encode: (id: Uint8Array) => Uint8Array;
    },
  ): CheckTransaction {
    if (pair.transaction) this.end(pair.transaction);
    const id = new Uint8Array(12);
    new DataView(id.buffer).setUint32(0, this.#tag);
    id.set(this.#random(8), 4);
    const { purpose, weControl, plan } = options;
    const transaction: CheckTransaction = {
      id,
      pair,
      purpose,
      weControl,
      plan,
      bytes: options.encode(id),
      startedAtMs: now,
      sentAtMs: now,
      sends: 1,
      retransmitsLeft: plan.retransmits,
      rtoMs: plan.rtoMs,
      nextAtMs: now + plan.rtoMs,
    };
    this.#byId.set(toHex(id), transaction);
    pair.transaction = transaction;
    pair.unansweredSinceMs ??= now;
    return transaction;
  }

  /** The open transaction with this id. */
  find(id: Uint8Array): CheckTransaction | undefined {
    return this.#byId.get(toHex(id));
  }

  /** Forgets it: what still comes for it is unknown. */
  end(transaction: CheckTransaction): void {
    this.#byId.delete(toHex(transaction.id));
    if (transaction.pair.transaction === transaction) transaction.pair.transaction = undefined;
  }

  values(): Iterable<CheckTransaction> {
    return this.#byId.values();
  }

  clear(): void {
    for (const transaction of [...this.#byId.values()]) this.end(transaction);
  }
}
