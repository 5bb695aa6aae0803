import type { NowMs } from '@conclave/bytes';
import { comparePairPriority } from './candidate-priority.ts';
import type { CheckTransaction } from './check-transactions.ts';
import { type IcePath, pathKey } from './ice-path.ts';
import type { LocalCandidate } from './local-candidates.ts';

/** States of a pair (RFC 8445 §6.1.2.6) but Frozen; `succeeded` pairs are the valid list. */
export type PairState = 'waiting' | 'in-progress' | 'succeeded' | 'failed';

/** A local and a remote candidate: one path, and what is known of it. Times are -Infinity for "never". */
export interface CandidatePair {
  readonly path: IcePath;
  readonly local: LocalCandidate;
  readonly remotePriority: number;
  state: PairState;
  /** In the triggered-check queue. */
  triggered: boolean;
  transaction: CheckTransaction | undefined;
  /** The peer nominated it (as the controlling side) before our own check succeeded. */
  nominationPending: boolean;
  validSinceMs: NowMs;
  /** Last authenticated response. */
  answeredAtMs: NowMs;
  /** Start of the oldest request since the last response; `undefined` while none is open. */
  unansweredSinceMs: NowMs | undefined;
  /** Last authenticated request of the peer, and the one before. */
  requestedAtMs: NowMs;
  requestedBeforeMs: NowMs;
  /** Last USE-CANDIDATE of the peer. */
  peerNominatedAtMs: NowMs;
  /** When a valid path is checked again. */
  nextCheckAtMs: NowMs;
  /** When it was last asked because the selected path was silent. */
  probedAtMs: NowMs;
  /** Smoothed over the last few responses. */
  roundTripMs: number | undefined;
}

/** A pair nothing is known of yet. */
export function createPair(path: IcePath, local: LocalCandidate, remotePriority: number): CandidatePair {
  return {
    path,
    local,
    remotePriority,
    state: 'waiting',
    triggered: false,
    transaction: undefined,
    nominationPending: false,
    validSinceMs: Number.NEGATIVE_INFINITY,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    unansweredSinceMs: undefined,
    requestedAtMs: Number.NEGATIVE_INFINITY,
    requestedBeforeMs: Number.NEGATIVE_INFINITY,
    peerNominatedAtMs: Number.NEGATIVE_INFINITY,
    nextCheckAtMs: Number.POSITIVE_INFINITY,
    probedAtMs: Number.NEGATIVE_INFINITY,
    roundTripMs: undefined,
  };
}

/**
 * Order of preference, negative when `a` is preferred: UDP before TCP whatever priority the peer claims for
 * its candidates, then by pair priority.
 */
export function comparePairs(a: CandidatePair, b: CandidatePair, weControl: boolean): number {
  const byTransport = Number(a.path.transport === 'tcp') - Number(b.path.transport === 'tcp');
  return byTransport || comparePairPriority(priorities(a, weControl), priorities(b, weControl));
}

function priorities(pair: CandidatePair, weControl: boolean): { controlling: number; controlled: number } {
  const ours = pair.local.candidate.priority;
  return weControl
    ? { controlling: ours, controlled: pair.remotePriority }
    : { controlling: pair.remotePriority, controlled: ours };
}

/** The pairs of one agent, one per path, bounded. */
export class CheckList {
  readonly #pairs = new Map<string, CandidatePair>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#pairs.size;
  }

  get isFull(): boolean {
    return this.#pairs.size >= this.#limit;
  }

  get(path: IcePath): CandidatePair | undefined {
    return this.#pairs.get(pathKey(path));
  }

  /** Adds a pair whose path is not there yet; the caller has made room. */
  add(pair: CandidatePair): void {
    this.#pairs.set(pathKey(pair.path), pair);
  }

  delete(pair: CandidatePair): void {
    this.#pairs.delete(pathKey(pair.path));
  }

  values(): Iterable<CandidatePair> {
    return this.#pairs.values();
  }

  /** The valid pairs, the preferred first. */
  valid(weControl: boolean): CandidatePair[] {
    const valid = [...this.#pairs.values()].filter((pair) => pair.state === 'succeeded');
    return valid.sort((a, b) => comparePairs(a, b, weControl));
  }

  /** The pair that a newly learned one may push out: failed before untried before tried, the least preferred. */
  leastUseful(weControl: boolean): CandidatePair | undefined {
    const rank = { failed: 0, waiting: 1, 'in-progress': 2, succeeded: 3 };
    let worst: CandidatePair | undefined;
    for (const pair of this.#pairs.values()) {
      if (pair.state === 'succeeded') continue;
      const order = worst && (rank[worst.state] - rank[pair.state] || comparePairs(pair, worst, weControl));
      if (order === undefined || order > 0) worst = pair;
    }
    return worst;
  }
}
