import type { NowMs, RandomBytes } from '@conclave/bytes';
import { type CandidatePair, CheckList, comparePairs } from './candidate-pair.ts';
import {
  type CheckPurpose,
  type CheckTransaction,
  CheckTransactions,
  type RetransmitPlan,
} from './check-transactions.ts';
import type { IcePath } from './ice-path.ts';
import type { IceLimits, IceTimings } from './ice-timings.ts';

/** What the checks need of their agent. */
export interface ConnectivityChecksHost {
  readonly timings: IceTimings;
  readonly limits: IceLimits;
  readonly random: RandomBytes;
  readonly transactionTag: number;
  weControl(): boolean;
  /** Bytes of a request on the pair. */
  encode(pair: CandidatePair, purpose: CheckPurpose, transactionId: Uint8Array): Uint8Array;
  send(path: IcePath, bytes: Uint8Array): void;
  /** Whether a check of our own on the pair can still change the outcome. */
  mayStillWin(pair: CandidatePair): boolean;
  isNominating(pair: CandidatePair): boolean;
  /** A valid pair is no more. */
  lost(pair: CandidatePair): void;
}

/**
 * The check list at work (RFC 8445 §6.1.4, §7.2): which pair is checked when, what is sent again, and what has
 * failed.
 */
export class ConnectivityChecks {
  readonly pairs: CheckList;
  readonly #host: ConnectivityChecksHost;
  readonly #transactions: CheckTransactions;
  readonly #triggered: CandidatePair[] = [];
  #nextSlotAtMs: NowMs = Number.NEGATIVE_INFINITY;
  #started = 0;
  #retransmits = 0;

  constructor(host: ConnectivityChecksHost) {
    this.#host = host;
    this.pairs = new CheckList(host.limits.pairs);
    this.#transactions = new CheckTransactions(host.transactionTag, host.random);
  }

  /** Requests sent, retransmissions apart. */
  get started(): number {
    return this.#started;
  }

  get retransmits(): number {
    return this.#retransmits;
  }

  /** Adds the pairs that are new, the preferred first, as far as there is room. */
  addPairs(pairs: CandidatePair[]): void {
    const weControl = this.#host.weControl();
    pairs.sort((a, b) => comparePairs(a, b, weControl));
    for (const pair of pairs) {
      if (this.pairs.isFull) break;
      if (!this.pairs.get(pair.path)) this.pairs.add(pair);
    }
  }

  /** Adds a pair learned from the peer, if need be in place of one that is of no use; `false` if all are. */
  addLearned(pair: CandidatePair): boolean {
    if (this.pairs.isFull) {
      const victim = this.pairs.leastUseful(this.#host.weControl());
      if (!victim) return false;
      this.remove(victim);
    }
    this.pairs.add(pair);
    return true;
  }

  /** Has a pair that is not valid checked before all ordinary ones (RFC 8445 §7.3.1.4). */
  trigger(now: NowMs, pair: CandidatePair): void {
    const open = pair.transaction;
    if (pair.state === 'in-progress' && open) {
      // The same request again, not a new one: on a long round trip each check of the peer would otherwise
      // make us forget the transaction whose response is on its way.
      if (pair.path.transport === 'tcp') return;
      open.retransmitsLeft = open.plan.retransmits;
      open.rtoMs = open.plan.rtoMs;
      open.nextAtMs = Math.min(open.nextAtMs, Math.max(now, open.sentAtMs + open.rtoMs));
      return;
    }
    if (pair.triggered) return;
    pair.state = 'waiting';
    pair.triggered = true;
    this.#triggered.push(pair);
  }

  /** Sends a request on the pair at once, in place of one that is open. */
  begin(now: NowMs, pair: CandidatePair, purpose: CheckPurpose): void {
    const transaction = this.#transactions.begin(now, pair, {
      purpose,
      weControl: this.#host.weControl(),
      plan: this.#planOf(pair, purpose),
      encode: (transactionId) => this.#host.encode(pair, purpose, transactionId),
    });
    this.#started++;
    this.#host.send(pair.path, transaction.bytes);
  }

  /** The open transaction with this id. */
  find(transactionId: Uint8Array): CheckTransaction | undefined {
    return this.#transactions.find(transactionId);
  }

  /** Ends a transaction that was answered. */
  end(transaction: CheckTransaction): void {
    this.#transactions.end(transaction);
  }

  /** The pair is not to be used, until the peer checks it again. */
  fail(pair: CandidatePair): void {
    const wasValid = pair.state === 'succeeded';
    pair.state = 'failed';
    if (wasValid) this.#host.lost(pair);
  }

  /** Forgets the pair. */
  remove(pair: CandidatePair): void {
    if (pair.transaction) this.#transactions.end(pair.transaction);
    if (pair.triggered) this.#triggered.splice(this.#triggered.indexOf(pair), 1);
    this.pairs.delete(pair);
    if (pair.state === 'succeeded') this.#host.lost(pair);
  }

  /** Forgets everything. */
  clear(): void {
    for (const pair of [...this.pairs.values()]) this.remove(pair);
  }

  /** Sends again, gives up and starts what is due. */
  run(now: NowMs): void {
    for (const transaction of this.#transactions.values()) {
      if (now >= transaction.nextAtMs) this.#retransmit(now, transaction);
    }
    this.#startNext(now);
  }

  /** When {@link ConnectivityChecks.run} has something to do next. */
  deadlineMs(): NowMs {
    let at = Number.POSITIVE_INFINITY;
    for (const transaction of this.#transactions.values()) at = Math.min(at, transaction.nextAtMs);
    const isWaiting = this.#triggered.length > 0 || this.#nextOrdinary() !== undefined;
    return isWaiting ? Math.min(at, this.#nextSlotAtMs) : at;
  }

  #retransmit(now: NowMs, transaction: CheckTransaction): void {
    const { pair, purpose } = transaction;
    const isWanted =
      purpose !== 'check' || this.#host.mayStillWin(pair) || pair.requestedAtMs > Number.NEGATIVE_INFINITY;
    if (transaction.retransmitsLeft > 0 && isWanted) {
      transaction.retransmitsLeft--;
      transaction.sends++;
      transaction.sentAtMs = now;
      transaction.rtoMs = Math.min(transaction.rtoMs * 2, transaction.plan.maxRtoMs);
      transaction.nextAtMs = now + transaction.rtoMs;
      this.#retransmits++;
      this.#host.send(pair.path, transaction.bytes);
      return;
    }
    this.#transactions.end(transaction);
    // A maintenance check without answer proves nothing yet; silence is judged by how long it lasts.
    if (purpose === 'check' || (purpose === 'nominate' && this.#host.isNominating(pair))) this.fail(pair);
  }

  /** Starts at most one check in each interval Ta, triggered ones first (RFC 8445 §6.1.4.2). */
  #startNext(now: NowMs): void {
    if (now < this.#nextSlotAtMs) return;
    const pair = this.#triggered.shift() ?? this.#nextOrdinary();
    if (!pair) return;
    pair.triggered = false;
    pair.state = 'in-progress';
    this.begin(now, pair, 'check');
    this.#nextSlotAtMs = now + this.#host.timings.paceMs;
  }

  #nextOrdinary(): CandidatePair | undefined {
    const weControl = this.#host.weControl();
    let best: CandidatePair | undefined;
    for (const pair of this.pairs.values()) {
      if (pair.state !== 'waiting' || pair.triggered || !this.#host.mayStillWin(pair)) continue;
      if (!best || comparePairs(pair, best, weControl) < 0) best = pair;
    }
    return best;
  }

  #planOf(pair: CandidatePair, purpose: CheckPurpose): RetransmitPlan {
    const { timings } = this.#host;
    if (pair.path.transport === 'tcp') {
      return { rtoMs: timings.tcpCheckMs, maxRtoMs: timings.tcpCheckMs, retransmits: 0 };
    }
    const isMaintenance = purpose === 'maintain';
    const leastRtoMs = isMaintenance ? timings.consentRtoMs : timings.rtoMs;
    const rtoMs = Math.max(leastRtoMs, 2 * (pair.roundTripMs ?? 0));
    return {
      rtoMs,
      maxRtoMs: Math.max(timings.maxRtoMs, rtoMs),
      retransmits: isMaintenance ? timings.consentRetransmits : timings.retransmits,
    };
  }
}
