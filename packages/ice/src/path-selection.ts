import type { NowMs, RandomBytes } from '@conclave/bytes';
import { type CandidatePair, type CheckList, comparePairs } from './candidate-pair.ts';
import type { CheckPurpose } from './check-transactions.ts';
import type { IceLimits, IceTimings } from './ice-timings.ts';

/** How many valid paths are asked at a time when the selected one falls silent. */
const MAX_PROBED = 8;

/** Least time between two such questions to one path, and how often the answers are looked at. */
const PROBE_INTERVAL_MS = 2000;
const WATCH_INTERVAL_MS = 250;

/** Least time between two requests by which a disconnected agent answers checks of the peer that is back. */
const REASK_MS = 1000;

/** A path heard from within this time is not asked only because another has come up. */
const FRESH_MS = 500;

/** What path selection needs of its agent. */
export interface PathSelectionHost {
  readonly pairs: CheckList;
  readonly timings: IceTimings;
  readonly limits: IceLimits;
  readonly random: RandomBytes;
  weControl(): boolean;
  /** Sends a request on the pair at once, in place of one that is open. */
  begin(now: NowMs, pair: CandidatePair, purpose: CheckPurpose): void;
}

/**
 * Which of the valid pairs data is sent on: regular nomination (RFC 8445 §8), consent (RFC 7675), keeping spare
 * paths up, and following a peer that has moved. Before nomination the best valid pair is selected (§12.1), so
 * that nothing waits for it.
 */
export class PathSelection {
  readonly #host: PathSelectionHost;
  #selected: CandidatePair | undefined;
  #nominated: CandidatePair | undefined;
  #nominating: CandidatePair | undefined;
  #firstValidAtMs: NowMs | undefined;
  #consentAtMs: NowMs | undefined;
  #isDirty = false;

  constructor(host: PathSelectionHost) {
    this.#host = host;
  }

  /** What data is sent on. */
  get selected(): CandidatePair | undefined {
    return this.#selected;
  }

  /** Last response on whatever pair was selected; `undefined` before the first valid pair. */
  get consentAtMs(): NowMs | undefined {
    return this.#consentAtMs;
  }

  /** Whether a check of ours on the pair can still matter, now that another may have been nominated. */
  mayStillWin(pair: CandidatePair): boolean {
    const settled = this.#nominated ?? this.#nominating;
    return !settled || (settled.path.transport === 'tcp' && pair.path.transport === 'udp');
  }

  /** Whether the valid set or the selection has changed since the last call. */
  takeDirty(): boolean {
    const dirty = this.#isDirty;
    this.#isDirty = false;
    return dirty;
  }

  /** The peer answered a request on the pair; `state` and the times in it are up to date. */
  answered(now: NowMs, pair: CandidatePair, purpose: CheckPurpose, isNew: boolean): void {
    if (isNew) {
      this.#isDirty = true;
      this.#firstValidAtMs ??= now;
      pair.validSinceMs = now;
      pair.nextCheckAtMs = now + this.#jitter(this.#host.timings.spareIntervalMs);
      this.#dropStalest(pair);
    }
    if (pair === this.#nominating && purpose === 'nominate') {
      this.#nominating = undefined;
      this.#nominated = pair;
    }
    if (pair.nominationPending && !this.#host.weControl()) {
      pair.nominationPending = false;
      this.#followNomination(now, pair);
    }
    if (isNew && pair !== this.#selected) this.#suspect(now, pair, FRESH_MS);
    if (pair === this.#selected) this.#consentAtMs = now;
  }

  /** The peer sent an authenticated request on the pair, whatever its state. */
  requested(now: NowMs, pair: CandidatePair, useCandidate: boolean): void {
    const { timings } = this.#host;
    if (useCandidate && !this.#host.weControl()) {
      pair.peerNominatedAtMs = now;
      if (pair.state === 'succeeded') this.#followNomination(now, pair);
      else pair.nominationPending = true;
    }
    if (pair.state !== 'succeeded') return;
    const selected = this.#selected;
    if (pair === selected) {
      const isLate = now - pair.answeredAtMs >= timings.disconnectAfterMs;
      const sentAt = pair.transaction?.sentAtMs ?? Number.NEGATIVE_INFINITY;
      if (isLate && now - sentAt >= REASK_MS) this.#host.begin(now, pair, 'maintain');
      return;
    }
    if (!selected) return;
    this.#suspect(now, pair, PROBE_INTERVAL_MS);
    // A peer that has moved to another network may go on answering on the old one for a while.
    const silentSince = Math.max(selected.requestedAtMs, selected.validSinceMs);
    const hasMoved =
      now - silentSince > timings.peerSilentMs &&
      pair.requestedBeforeMs - silentSince > timings.peerSilentMs / 2 &&
      now - pair.answeredAtMs < timings.consentExpiryMs;
    if (hasMoved && this.#host.weControl()) this.#switchTo(now, pair);
  }

  /** Whether we are about to nominate this pair. */
  isNominating(pair: CandidatePair): boolean {
    return pair === this.#nominating;
  }

  /** The pair is not valid any more, whatever it was before. */
  lost(pair: CandidatePair): void {
    if (pair === this.#nominating) this.#nominating = undefined;
    if (pair === this.#nominated) this.#nominated = undefined;
    if (pair === this.#selected) this.#selected = undefined;
    this.#isDirty = true;
  }

  /** Our role has changed: what was nominated by us, or by the peer, does not count any more. */
  roleSwitched(): void {
    this.#nominated = undefined;
    this.#nominating = undefined;
    this.#isDirty = true;
  }

  /** Does what is due: expiry, following, nomination, consent checks and keepalives. */
  run(now: NowMs): void {
    this.#expire(now);
    const valid = this.#host.pairs.valid(this.#host.weControl());
    this.#follow(now, valid);
    this.#chooseProvisionally(now, valid);
    this.#nominate(now, valid);
    this.#maintain(now, valid);
    this.#probe(now, valid);
  }

  /** When {@link PathSelection.run} has something to do next. */
  deadlineMs(now: NowMs): NowMs {
    const { timings } = this.#host;
    const selected = this.#selected;
    let at = Number.POSITIVE_INFINITY;
    for (const pair of this.#host.pairs.values()) {
      if (pair.state !== 'succeeded') continue;
      if (pair === selected || this.#isKeptUp(now, pair)) at = Math.min(at, pair.nextCheckAtMs);
      at = Math.min(at, this.#aliveAtMs(pair) + timings.consentExpiryMs);
      const isWatching = selected?.unansweredSinceMs !== undefined && pair !== selected;
      if (isWatching) at = Math.min(at, now + WATCH_INTERVAL_MS);
    }
    const mayNominate = this.#host.weControl() && !this.#nominated && !this.#nominating && selected;
    if (mayNominate && this.#firstValidAtMs !== undefined) {
      at = Math.min(at, this.#firstValidAtMs + this.#nominationDelayMs(selected));
    }
    return at;
  }

  #expire(now: NowMs): void {
    for (const pair of this.#host.pairs.values()) {
      if (pair.state !== 'succeeded') continue;
      if (now - this.#aliveAtMs(pair) < this.#host.timings.consentExpiryMs) continue;
      pair.state = 'failed';
      this.lost(pair);
    }
  }

  /** Sending needs answers; for receiving, checks of the peer do as well. */
  #aliveAtMs(pair: CandidatePair): NowMs {
    return pair === this.#selected ? pair.answeredAtMs : Math.max(pair.answeredAtMs, pair.requestedAtMs);
  }

  #isSilent(now: NowMs, pair: CandidatePair): boolean {
    return (
      pair.unansweredSinceMs !== undefined && now - pair.unansweredSinceMs >= this.#host.timings.followAfterMs
    );
  }

  #follow(now: NowMs, valid: readonly CandidatePair[]): void {
    const selected = this.#selected;
    if (!selected) return;
    if (this.#isSilent(now, selected)) {
      const since = selected.unansweredSinceMs!;
      const alive = valid.find((pair) => pair !== selected && pair.answeredAtMs >= since);
      if (alive) this.#switchTo(now, alive);
    } else if (this.#nominated?.path.transport === 'tcp' && this.#host.weControl()) {
      const udp = valid.find((pair) => pair.path.transport === 'udp' && !this.#isSilent(now, pair));
      if (udp) this.#switchTo(now, udp);
    }
  }

  #chooseProvisionally(now: NowMs, valid: readonly CandidatePair[]): void {
    if (this.#selected && (this.#nominated || this.#nominating)) return;
    const best = valid.find((pair) => !this.#isSilent(now, pair)) ?? valid[0];
    if (best && best !== this.#selected) this.#select(best);
  }

  #nominate(now: NowMs, valid: readonly CandidatePair[]): void {
    const best = valid[0];
    if (!this.#host.weControl() || this.#nominated || this.#nominating || !best) return;
    const candidate = valid.find((pair) => !this.#isSilent(now, pair)) ?? best;
    const waitUntil = (this.#firstValidAtMs ?? now) + this.#nominationDelayMs(candidate);
    if (now < waitUntil && this.#mayImprove(candidate)) return;
    this.#nominatePair(now, candidate);
  }

  #nominationDelayMs(pair: CandidatePair): number {
    const { timings } = this.#host;
    return pair.path.transport === 'tcp' ? timings.tcpNominationDelayMs : timings.nominationDelayMs;
  }

  /** Whether waiting may bring a better pair. A UDP path may yet be learned from the peer's checks. */
  #mayImprove(candidate: CandidatePair): boolean {
    if (candidate.path.transport === 'tcp') return true;
    for (const pair of this.#host.pairs.values()) {
      const isOpen = pair.state === 'waiting' || pair.state === 'in-progress';
      if (isOpen && comparePairs(pair, candidate, true) < 0) return true;
    }
    return false;
  }

  #nominatePair(now: NowMs, pair: CandidatePair): void {
    const previous = this.#nominating;
    if (previous?.transaction?.purpose === 'nominate') {
      // A retransmission arriving after the new nomination would turn the peer back.
      previous.transaction.retransmitsLeft = 0;
    }
    this.#nominated = undefined;
    this.#nominating = pair;
    this.#select(pair);
    this.#host.begin(now, pair, 'nominate');
  }

  #switchTo(now: NowMs, pair: CandidatePair): void {
    if (this.#host.weControl()) this.#nominatePair(now, pair);
    else this.#select(pair);
  }

  #followNomination(now: NowMs, pair: CandidatePair): void {
    const current = this.#nominated;
    if (current === pair && this.#selected === pair) return;
    // Aggressive nomination names many at once and means the best; later on, another name means a move.
    const isBetter = !current || current === pair || comparePairs(pair, current, false) < 0;
    const isLater = current && now - current.peerNominatedAtMs >= this.#host.timings.followAfterMs;
    if (!isBetter && !isLater && current?.state === 'succeeded') return;
    this.#nominated = pair;
    this.#select(pair);
  }

  #select(pair: CandidatePair): void {
    if (this.#selected === pair) return;
    this.#selected = pair;
    this.#consentAtMs = Math.max(this.#consentAtMs ?? pair.answeredAtMs, pair.answeredAtMs);
    pair.nextCheckAtMs = Math.min(
      pair.nextCheckAtMs,
      pair.answeredAtMs + this.#jitter(this.#host.timings.consentIntervalMs),
    );
    this.#isDirty = true;
  }

  /** Asks the selected path whether it lives, since another one does, unless it was heard from lately. */
  #suspect(now: NowMs, other: CandidatePair, quietMs: number): void {
    const selected = this.#selected;
    if (!selected || selected === other || selected.transaction) return;
    if (now - Math.max(selected.answeredAtMs, selected.requestedAtMs) < quietMs) return;
    this.#host.begin(now, selected, 'maintain');
  }

  #isKeptUp(now: NowMs, spare: CandidatePair): boolean {
    return now - Math.max(spare.requestedAtMs, spare.validSinceMs) < this.#host.timings.spareLifetimeMs;
  }

  #maintain(now: NowMs, valid: readonly CandidatePair[]): void {
    const { timings } = this.#host;
    for (const pair of valid) {
      if (now < pair.nextCheckAtMs || !(pair === this.#selected || this.#isKeptUp(now, pair))) continue;
      const interval = pair === this.#selected ? timings.consentIntervalMs : timings.spareIntervalMs;
      pair.nextCheckAtMs = now + this.#jitter(interval);
      if (pair.transaction?.purpose !== 'nominate') this.#host.begin(now, pair, 'maintain');
    }
  }

  #probe(now: NowMs, valid: readonly CandidatePair[]): void {
    const since = this.#selected?.unansweredSinceMs;
    if (since === undefined || now - since < this.#host.timings.probeAfterMs) return;
    for (const pair of valid.slice(0, MAX_PROBED)) {
      if (pair === this.#selected || pair.answeredAtMs >= since || pair.transaction) continue;
      if (now - pair.probedAtMs < PROBE_INTERVAL_MS) continue;
      pair.probedAtMs = now;
      this.#host.begin(now, pair, 'maintain');
    }
  }

  #dropStalest(newest: CandidatePair): void {
    const valid = this.#host.pairs.valid(this.#host.weControl());
    if (valid.length <= this.#host.limits.validPaths) return;
    let stalest: CandidatePair | undefined;
    for (const pair of valid) {
      if (pair === newest || pair === this.#selected || pair === this.#nominated) continue;
      if (!stalest || this.#aliveAtMs(pair) < this.#aliveAtMs(stalest)) stalest = pair;
    }
    if (stalest) stalest.state = 'failed';
  }

  /** The interval, 20 % less to 20 % more (RFC 7675 §5.1), so that agents do not fall into step. */
  #jitter(intervalMs: number): number {
    return intervalMs * (0.8 + (0.4 * (this.#host.random(1)[0] ?? 0)) / 255);
  }
}
