import { FormatError, type Hmac, type NowMs, type RandomBytes, toUtf8 } from '@conclave/bytes';
import {
  attributeType,
  decodeErrorCode,
  decodeXorAddress,
  findAttribute,
  isStun,
  parseStun,
  type StunMessage,
  stunMethod,
  verifyIntegrity,
} from '@conclave/stun';
import {
  type BindingRequest,
  encodeBindingError,
  encodeBindingRequest,
  encodeBindingSuccess,
  hasUnknownAttributes,
  type IceRole,
  readBindingRequest,
} from './binding-message.ts';
import { type CandidatePair, createPair } from './candidate-pair.ts';
import { candidatePriority } from './candidate-priority.ts';
import type { CheckPurpose, CheckTransaction } from './check-transactions.ts';
import { ConnectivityChecks } from './connectivity-checks.ts';
import type { IceAgentOptions, IceRemote } from './ice-agent-options.ts';
import type { IceCandidate } from './ice-candidate.ts';
import { checkIceCredentials } from './ice-credentials.ts';
import type { IceEvent, IceState } from './ice-event.ts';
import { type IcePath, pathKey, samePath } from './ice-path.ts';
import type { IceRejectReason, IceStats } from './ice-stats.ts';
import { defaultIceLimits, defaultIceTimings, type IceLimits, type IceTimings } from './ice-timings.ts';
import { type LocalCandidate, type LocalCandidateOptions, LocalCandidates } from './local-candidates.ts';
import { PathSelection } from './path-selection.ts';
import { RemoteCandidates } from './remote-candidates.ts';

interface EarlyCheck {
  readonly path: IcePath;
  readonly local: LocalCandidate;
  readonly request: BindingRequest;
}

/** Packets that may wait for the owner to fetch them; more than one call ever makes. */
const MAX_TRANSMITS = 256;

/**
 * One side of one ICE session. Every `handle…` method takes the current time, which must never go back, and does
 * all that is due at it.
 */
export class IceAgent {
  readonly localUfrag: string;
  readonly localPwd: string;
  readonly #localKey: Uint8Array;
  readonly #random: RandomBytes;
  readonly #hmacSha1: Hmac;
  readonly #timings: IceTimings;
  readonly #limits: IceLimits;
  readonly #locals = new LocalCandidates();
  readonly #remotes: RemoteCandidates;
  readonly #checks: ConnectivityChecks;
  readonly #selection: PathSelection;
  readonly #early = new Map<string, EarlyCheck>();
  readonly #transmits: { path: IcePath; bytes: Uint8Array }[] = [];
  readonly #states: IceState[] = [];
  readonly #stats = {
    requestsAnswered: 0,
    responsesAccepted: 0,
    roleConflicts: 0,
    transmitsDropped: 0,
    rejected: {} as Partial<Record<IceRejectReason, number>>,
  };
  #role: IceRole;
  #tieBreaker: bigint;
  #remote: { ufrag: string; pwd: string; key: Uint8Array } | undefined;
  #state: IceState = 'new';
  #validPaths: readonly IcePath[] = [];
  #hasNewRoundTrip = false;
  #pathsChanged = false;
  #failAtMs: NowMs = Number.POSITIVE_INFINITY;
  #deadlineMs: NowMs = Number.POSITIVE_INFINITY;

  /** Throws {@link FormatError} when the credentials are not what RFC 8839 §5.4 allows. */
  constructor(options: IceAgentOptions) {
    checkIceCredentials({ ufrag: options.localUfrag, pwd: options.localPwd });
    this.localUfrag = options.localUfrag;
    this.localPwd = options.localPwd;
    this.#localKey = toUtf8(options.localPwd);
    this.#random = options.random;
    this.#hmacSha1 = options.hmacSha1;
    this.#timings = { ...defaultIceTimings, ...options.timings };
    this.#limits = { ...defaultIceLimits, ...options.limits };
    this.#role = options.role;
    this.#tieBreaker = this.#newTieBreaker();
    this.#remotes = new RemoteCandidates(this.#limits.remoteCandidates);
    const weControl = (): boolean => this.#role === 'controlling';
    const shared = { timings: this.#timings, limits: this.#limits, random: options.random, weControl };
    this.#checks = new ConnectivityChecks({
      ...shared,
      transactionTag: options.transactionTag,
      encode: (pair, purpose, transactionId) => this.#encodeRequest(pair, purpose, transactionId),
      send: (path, bytes) => this.#send(path, bytes),
      mayStillWin: (pair) => this.#selection.mayStillWin(pair),
      isNominating: (pair) => this.#selection.isNominating(pair),
      lost: (pair) => this.#selection.lost(pair),
    });
    this.#selection = new PathSelection({
      ...shared,
      pairs: this.#checks.pairs,
      begin: (now, pair, purpose) => this.#checks.begin(now, pair, purpose),
    });
  }

  /** The role now; a conflict with the peer's may have changed it (RFC 8445 §7.3.1.1). */
  get role(): IceRole {
    return this.#role;
  }

  get state(): IceState {
    return this.#state;
  }

  /** Paths from which media and DTLS are to be accepted, the preferred first. */
  get validPaths(): readonly IcePath[] {
    return this.#validPaths;
  }

  /** The path to send on: nominated, or the best valid one while none is. */
  get selectedPath(): IcePath | undefined {
    return this.#selection.selected?.path;
  }

  /** Smoothed round trip of the selected path; `undefined` until measured. */
  get roundTripMs(): number | undefined {
    return this.#selection.selected?.roundTripMs;
  }

  /** Counters since the agent was made. */
  get stats(): IceStats {
    return { ...this.#stats, checksSent: this.#checks.started, retransmits: this.#checks.retransmits };
  }

  /**
   * Makes a candidate known, before `setRemote`. Returns what goes into the SDP. Throws TypeError or RangeError
   * when the advertised address or the port is none.
   */
  addLocalCandidate(options: LocalCandidateOptions): IceCandidate {
    return this.#locals.add(options).candidate;
  }

  /**
   * The peer's credentials and candidates: checks begin. Candidates that nobody can check from here are skipped
   * at no cost. A second call with the same credentials adds candidates; with others it is ignored and counted.
   * Throws {@link FormatError} `bad-ufrag` or `bad-pwd`.
   */
  setRemote(now: NowMs, remote: IceRemote): void {
    checkIceCredentials(remote);
    if (this.#state === 'failed') return;
    if (!this.#remote) {
      this.#remote = { ufrag: remote.ufrag, pwd: remote.pwd, key: toUtf8(remote.pwd) };
      this.#failAtMs = now + this.#timings.failAfterMs;
      this.#setState('checking');
    } else if (this.#remote.ufrag !== remote.ufrag || this.#remote.pwd !== remote.pwd) {
      this.#reject('credentials-changed');
      return;
    }
    const { pairs, skipped } = this.#remotes.add(remote.candidates, this.#locals.bases());
    if (skipped > 0) this.#reject('skipped-candidate', skipped);
    this.#checks.addPairs(pairs);
    for (const { path, local, request } of this.#early.values()) {
      if (request.remoteUfrag === remote.ufrag) this.#learn(now, path, local, request);
    }
    this.#early.clear();
    this.#run(now);
  }

  /**
   * A STUN message that came in on the path. `true` when it is authentic and for this agent; `false` when it was
   * dropped, with the reason counted. The bytes are not kept.
   */
  handlePacket(now: NowMs, path: IcePath, bytes: Uint8Array): boolean {
    if (this.#state === 'failed') return this.#reject('closed');
    const isAccepted = this.#dispatch(now, path, bytes);
    this.#run(now);
    return isAccepted;
  }

  /**
   * A TCP connection that the owner opened to a passive candidate of the peer: it is checked like a pair of
   * candidates. For clients; a server's agent never asks for connections.
   */
  handlePathOpened(now: NowMs, path: IcePath): void {
    const local = this.#locals.forPath(path);
    if (!this.#remote || this.#state === 'failed' || !local || this.#checks.pairs.get(path)) return;
    const unnamed = candidatePriority('prflx', path.transport, local.family, 0);
    const priority = this.#remotes.tcpPriority(path.address, path.port) ?? unnamed;
    const pair = createPair({ ...path }, local, priority);
    if (this.#checks.addLearned(pair)) this.#checks.trigger(now, pair);
    this.#run(now);
  }

  /** The TCP connection with this id is gone, and every path over it. */
  handlePathClosed(now: NowMs, socket: number): void {
    for (const [key, early] of this.#early) {
      if (early.path.transport === 'tcp' && early.path.socket === socket) this.#early.delete(key);
    }
    for (const pair of [...this.#checks.pairs.values()]) {
      if (pair.path.transport === 'tcp' && pair.path.socket === socket) this.#checks.remove(pair);
    }
    this.#run(now);
  }

  /** Does what is due; to be called when the time of `pollTimeout` has come, and harmless at any other. */
  handleTimeout(now: NowMs): void {
    this.#run(now);
  }

  /** When `handleTimeout` is to be called next; `undefined` for never. */
  pollTimeout(): NowMs | undefined {
    return this.#deadlineMs === Number.POSITIVE_INFINITY ? undefined : this.#deadlineMs;
  }

  /** The next packet to send, in order; the bytes may be shared with a later retransmission and must not change. */
  pollTransmit(): { path: IcePath; bytes: Uint8Array } | undefined {
    return this.#transmits.shift();
  }

  /** The next event. Changes of the paths come before the change of state they caused. */
  pollEvent(): IceEvent | undefined {
    if (this.#pathsChanged) {
      this.#pathsChanged = false;
      return { type: 'paths-changed', valid: this.#validPaths, selected: this.selectedPath };
    }
    const state = this.#states.shift();
    if (state !== undefined) return { type: 'state', state };
    const roundTripMs = this.roundTripMs;
    if (!this.#hasNewRoundTrip || roundTripMs === undefined) return undefined;
    this.#hasNewRoundTrip = false;
    return { type: 'round-trip', roundTripMs };
  }

  #dispatch(now: NowMs, path: IcePath, bytes: Uint8Array): boolean {
    if (!isStun(bytes)) return this.#reject('malformed');
    let message: StunMessage;
    try {
      message = parseStun(bytes);
    } catch (error) {
      if (error instanceof FormatError) return this.#reject('malformed');
      throw error;
    }
    if (message.method !== stunMethod.binding) return this.#reject('unexpected-method');
    if (message.class === 'request') return this.#handleRequest(now, path, message);
    // Indications are keepalives that nobody signed: nothing may follow from them.
    if (message.class === 'indication') return this.#reject('unexpected-method');
    return this.#handleResponse(now, path, message);
  }

  #handleRequest(now: NowMs, path: IcePath, message: StunMessage): boolean {
    const request = readBindingRequest(message, {
      localUfrag: this.localUfrag,
      remoteUfrag: this.#remote?.ufrag,
      key: this.#localKey,
      hmacSha1: this.#hmacSha1,
    });
    if (request.type === 'rejected') return this.#reject(request.reason);
    const local = this.#locals.forPath(path);
    if (!local) return this.#reject('no-local-candidate');
    const { transactionId } = message;
    if (request.type === 'error') {
      this.#reject(request.code === 420 ? 'unknown-attribute' : 'bad-attribute');
      this.#sendError(path, transactionId, request.code, request.unknown);
      return true;
    }
    const isKnown = this.#checks.pairs.get(path) !== undefined;
    if (request.priority === undefined && !isKnown) {
      this.#reject('bad-attribute');
      this.#sendError(path, transactionId, 400);
      return true;
    }
    if (this.#isConflictLostByPeer(request)) {
      this.#sendError(path, transactionId, 487);
      return true;
    }
    this.#send(
      path,
      encodeBindingSuccess({ transactionId, source: path, key: this.#localKey, hmacSha1: this.#hmacSha1 }),
    );
    this.#stats.requestsAnswered++;
    if (this.#remote) this.#learn(now, path, local, request);
    else this.#remember(path, local, request);
    return true;
  }

  /** Settles a role conflict (RFC 8445 §7.3.1.1); `true` when the peer has to give way and be told by a 487. */
  #isConflictLostByPeer({ peer }: BindingRequest): boolean {
    if (!peer || peer.role !== this.#role) return false;
    this.#stats.roleConflicts++;
    const isOursHigher = this.#tieBreaker >= peer.tieBreaker;
    if (isOursHigher === (this.#role === 'controlling')) return true;
    this.#switchRole();
    return false;
  }

  #remember(path: IcePath, local: LocalCandidate, request: BindingRequest): void {
    const key = pathKey(path);
    const before = this.#early.get(key);
    if (!before && this.#early.size >= this.#limits.earlyChecks) {
      this.#reject('path-limit');
      return;
    }
    const useCandidate = request.useCandidate || before?.request.useCandidate === true;
    this.#early.set(key, { path: { ...path }, local, request: { ...request, useCandidate } });
  }

  /** Follows an authenticated request (RFC 8445 §7.3.1.3 to §7.3.1.5). */
  #learn(now: NowMs, path: IcePath, local: LocalCandidate, request: BindingRequest): void {
    let pair = this.#checks.pairs.get(path);
    if (!pair) {
      pair = createPair({ ...path }, local, request.priority ?? 0);
      if (!this.#checks.addLearned(pair)) {
        this.#reject('path-limit');
        return;
      }
    }
    pair.requestedBeforeMs = pair.requestedAtMs;
    pair.requestedAtMs = now;
    this.#selection.requested(now, pair, request.useCandidate);
    if (pair.state !== 'succeeded') this.#checks.trigger(now, pair);
  }

  #handleResponse(now: NowMs, path: IcePath, message: StunMessage): boolean {
    const transaction = this.#checks.find(message.transactionId);
    if (!transaction || !this.#remote) return this.#reject('unknown-transaction');
    if (message.integrityOffset === undefined) return this.#reject('missing-integrity');
    if (!verifyIntegrity(message, this.#remote.key, this.#hmacSha1)) return this.#reject('bad-integrity');
    const { pair } = transaction;
    if (!samePath(pair.path, path)) return this.#reject('wrong-source');
    if (hasUnknownAttributes(message)) return this.#reject('unknown-attribute');
    try {
      if (message.class === 'error') this.#handleError(now, transaction, message);
      else this.#handleSuccess(now, transaction, message);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return this.#reject('bad-attribute');
      throw error;
    }
  }

  #handleSuccess(now: NowMs, transaction: CheckTransaction, message: StunMessage): void {
    const mapped = findAttribute(message, attributeType.xorMappedAddress);
    if (!mapped) throw new FormatError('missing-attribute', 'no XOR-MAPPED-ADDRESS');
    decodeXorAddress(mapped, message.transactionId);
    const { pair, purpose } = transaction;
    this.#checks.end(transaction);
    this.#stats.responsesAccepted++;
    pair.answeredAtMs = now;
    pair.unansweredSinceMs = undefined;
    // A response to a request sent twice may belong to either sending: it says nothing of the time.
    if (transaction.sends === 1) {
      const sample = now - transaction.sentAtMs;
      pair.roundTripMs = pair.roundTripMs === undefined ? sample : 0.875 * pair.roundTripMs + 0.125 * sample;
      this.#hasNewRoundTrip ||= pair === this.#selection.selected || this.#selection.selected === undefined;
    }
    const isNew = pair.state !== 'succeeded';
    pair.state = 'succeeded';
    this.#selection.answered(now, pair, purpose, isNew);
  }

  #handleError(now: NowMs, transaction: CheckTransaction, message: StunMessage): void {
    const { code } = decodeErrorCode(findAttribute(message, attributeType.errorCode) ?? new Uint8Array(0));
    const { pair } = transaction;
    this.#checks.end(transaction);
    if (code === 487) {
      this.#stats.roleConflicts++;
      if (transaction.weControl === (this.#role === 'controlling')) this.#switchRole();
      this.#tieBreaker = this.#newTieBreaker();
      if (pair.state !== 'succeeded') this.#checks.trigger(now, pair);
    } else if (transaction.purpose !== 'maintain') {
      this.#checks.fail(pair);
    }
  }

  #switchRole(): void {
    this.#role = this.#role === 'controlling' ? 'controlled' : 'controlling';
    this.#selection.roleSwitched();
  }

  #newTieBreaker(): bigint {
    const bytes = this.#random(8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
  }

  #encodeRequest(pair: CandidatePair, purpose: CheckPurpose, transactionId: Uint8Array): Uint8Array {
    const remote = this.#remote;
    if (!remote) throw new Error('a check needs the credentials of the peer');
    return encodeBindingRequest({
      transactionId,
      username: `${remote.ufrag}:${this.localUfrag}`,
      role: this.#role,
      tieBreaker: this.#tieBreaker,
      priority: pair.local.checkPriority,
      useCandidate: purpose === 'nominate',
      key: remote.key,
      hmacSha1: this.#hmacSha1,
    });
  }

  /** All that depends on the time, and what has become possible by what was just handled. */
  #run(now: NowMs): void {
    if (this.#state === 'failed') return;
    if (this.#remote) this.#checks.run(now);
    this.#selection.run(now);
    this.#updateState(now);
    this.#publishPaths();
    this.#updateDeadline(now);
  }

  #updateState(now: NowMs): void {
    if (!this.#remote) return;
    const { selected, consentAtMs } = this.#selection;
    if (selected) {
      const isLate = now - selected.answeredAtMs >= this.#timings.disconnectAfterMs;
      this.#setState(isLate ? 'disconnected' : 'connected');
    } else if (consentAtMs === undefined) {
      if (now >= this.#failAtMs) this.#setState('failed');
    } else {
      this.#setState(now - consentAtMs >= this.#timings.consentExpiryMs ? 'failed' : 'disconnected');
    }
  }

  #setState(state: IceState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#states.push(state);
    if (state !== 'failed') return;
    this.#checks.clear();
  }

  #publishPaths(): void {
    if (!this.#selection.takeDirty()) return;
    this.#validPaths = this.#checks.pairs.valid(this.#role === 'controlling').map((pair) => pair.path);
    this.#pathsChanged = true;
  }

  #updateDeadline(now: NowMs): void {
    if (this.#state === 'failed' || !this.#remote) {
      this.#deadlineMs = Number.POSITIVE_INFINITY;
      return;
    }
    let at = Math.min(this.#checks.deadlineMs(), this.#selection.deadlineMs(now));
    const { selected, consentAtMs } = this.#selection;
    if (selected && this.#state === 'connected') {
      at = Math.min(at, selected.answeredAtMs + this.#timings.disconnectAfterMs);
    } else if (!selected) {
      at = Math.min(
        at,
        consentAtMs === undefined ? this.#failAtMs : consentAtMs + this.#timings.consentExpiryMs,
      );
    }
    // Whatever was due now is done; a timer for the past would only spin.
    this.#deadlineMs = Math.max(at, now + 1);
  }

  #sendError(
    path: IcePath,
    transactionId: Uint8Array,
    code: 400 | 420 | 487,
    unknown?: readonly number[],
  ): void {
    const bytes = encodeBindingError({
      transactionId,
      code,
      ...(unknown ? { unknown } : {}),
      key: this.#localKey,
      hmacSha1: this.#hmacSha1,
    });
    this.#send(path, bytes);
  }

  #send(path: IcePath, bytes: Uint8Array): void {
    if (this.#transmits.length >= MAX_TRANSMITS) {
      this.#transmits.shift();
      this.#stats.transmitsDropped++;
    }
    this.#transmits.push({ path, bytes });
  }

  #reject(reason: IceRejectReason, count = 1): false {
    this.#stats.rejected[reason] = (this.#stats.rejected[reason] ?? 0) + count;
    return false;
  }
}
