import { FormatError, type NowMs, parseIp } from '@conclave/bytes';
import {
  attributeType,
  parseStun,
  type StunMessage,
  stunMethod,
  type TransportAddress,
  unknownAttributesOf,
} from '@conclave/stun';
import { AllocationRequests } from './allocation-requests.ts';
import { type AuthenticatedUser, Authenticator } from './authentication.ts';
import { isChannelData } from './channel-data.ts';
import { addressKey, type FiveTuple, fiveTupleKey, sourceKey } from './five-tuple.ts';
import type { PeerPolicy } from './peer-policy.ts';
import { PeerRequests } from './peer-requests.ts';
import { RelayQuota } from './relay-quota.ts';
import { RelayTraffic } from './relay-traffic.ts';
import { serverAttributes } from './server-attributes.ts';
import type { ConnectionId, RelayId, TurnServerEffect } from './server-effect.ts';
import { ServerState } from './server-state.ts';
import { SourceRateLimit } from './source-rate-limit.ts';
import { StatelessNonce } from './stateless-nonce.ts';
import { TcpRelayRequests } from './tcp-relay-requests.ts';
import { TurnRefusal } from './turn-refusal.ts';
import { TurnResponder } from './turn-responder.ts';
import {
  defaultRelayQuota,
  defaultTurnServerLimits,
  type TurnServerLimits,
  type TurnServerOptions,
} from './turn-server-options.ts';
import { TurnServerCounters, type TurnServerStats } from './turn-server-stats.ts';

const authenticatedMethods: ReadonlySet<number> = new Set([
  stunMethod.allocate,
  stunMethod.refresh,
  stunMethod.createPermission,
  stunMethod.channelBind,
  stunMethod.connect,
  stunMethod.connectionBind,
]);

/**
 * A STUN and TURN server (RFC 8489, RFC 8656, RFC 6062) without sockets, timers or clock. Feed it what comes in,
 * then carry out all of {@link TurnServer.pollEffect} and arm one timer for {@link TurnServer.pollTimeout}.
 *
 * No `handle…` method throws on anything a client or peer may send. Nothing about a client is stored before its
 * first request with a right password, and everything that is stored has a bound.
 */
export class TurnServer {
  readonly #state: ServerState;
  readonly #authenticator: Authenticator;
  readonly #responder: TurnResponder;
  readonly #allocations: AllocationRequests;
  readonly #peers: PeerRequests;
  readonly #tcp: TcpRelayRequests;
  readonly #traffic: RelayTraffic;
  readonly #challengeLimit: SourceRateLimit;
  readonly #bindingLimit: SourceRateLimit;
  readonly #knownAttributes: ReadonlySet<number>;
  readonly #unixTimeMs: () => number;
  readonly #counters = new TurnServerCounters();
  #policy: PeerPolicy;
  #listenerPolicies = new Map<string, PeerPolicy>();

  constructor(options: TurnServerOptions) {
    const limits: TurnServerLimits = { ...defaultTurnServerLimits, ...options.limits };
    const { random, hashes, users } = options;
    const features = { passwordAlgorithms: true, usernameAnonymity: users.knowsAllUsers };
    const nonce = new StatelessNonce(random(32), hashes.hmacSha256, features, limits.nonceLifetimeMs);
    const policyOf = (local: TransportAddress): PeerPolicy => this.#policyOf(local);
    this.#policy = options.peerPolicy;
    for (const { local, policy } of options.listenerPolicies ?? []) {
      this.#listenerPolicies.set(addressKey(local), policy);
    }
    this.#unixTimeMs = options.unixTimeMs;
    this.#knownAttributes = serverAttributes(options.dontFragment ?? false);
    this.#state = new ServerState(new RelayQuota({ ...defaultRelayQuota, ...options.quota }), random);
    this.#authenticator = new Authenticator(options.realm, nonce, users, hashes);
    this.#responder = new TurnResponder(this.#authenticator);
    this.#allocations = new AllocationRequests(this.#state, this.#responder, options, limits);
    this.#peers = new PeerRequests(this.#state, this.#responder, limits, policyOf);
    this.#tcp = new TcpRelayRequests(this.#state, this.#responder, this.#peers, limits, random, policyOf);
    this.#traffic = new RelayTraffic(
      this.#state,
      random,
      this.#knownAttributes,
      options.dontFragment ?? false,
    );
    const { answersPerSecond, answerBurst, maxSources } = limits;
    this.#challengeLimit = new SourceRateLimit(answersPerSecond, answerBurst, maxSources);
    this.#bindingLimit = new SourceRateLimit(answersPerSecond, answerBurst, maxSources);
  }

  /**
   * One STUN or ChannelData message from a client: a datagram, or what `TurnStreamFramer` cut out of a stream.
   * `bytes` may be reused once the effects were taken.
   */
  handlePacket(now: NowMs, tuple: FiveTuple, bytes: Uint8Array): void {
    this.#dropping(() => {
      // After a ConnectionBind the stream is the peer's; what still comes up is nothing to act on.
      if (this.#state.joined.has(fiveTupleKey(tuple))) throw drop('joined-stream');
      if (isChannelData(bytes)) {
        this.#traffic.channelData(now, tuple, bytes);
        return;
      }
      const message = parseStun(bytes);
      if (message.class === 'request') this.#request(now, tuple, message);
      else if (message.class === 'indication' && message.method === stunMethod.send) {
        this.#traffic.sendIndication(now, tuple, message);
      } else if (message.class !== 'indication' || message.method !== stunMethod.binding) {
        throw drop('unexpected-message');
      }
    });
  }

  /** A datagram from a peer to a relay, when the data plane did not pass it on itself. */
  handleRelayed(now: NowMs, relay: RelayId, peer: TransportAddress, bytes: Uint8Array): void {
    this.#dropping(() => this.#traffic.fromPeer(now, relay, peer, bytes));
  }

  /**
   * An ICMP error came for a packet from the relay to this peer; the client is told (RFC 8656 §11.5).
   *
   * @param icmp `error` is the 32-bit field after the checksum, the MTU for instance; 0 if there is none
   */
  handleIcmp(
    now: NowMs,
    relay: RelayId,
    peer: TransportAddress,
    icmp: { readonly type: number; readonly code: number; readonly error: number },
  ): void {
    this.#dropping(() => this.#traffic.icmp(now, relay, peer, icmp));
  }

  /** The relay is open at this address. */
  handleRelayOpened(now: NowMs, relay: RelayId, address: TransportAddress): void {
    this.#allocations.opened(now, relay, address);
  }

  /** The relay cannot be opened, nor a port kept with it. */
  handleRelayFailed(now: NowMs, relay: RelayId): void {
    this.#allocations.failed(now, relay);
  }

  /** The peer of a `connect-peer` effect accepted. */
  handlePeerConnected(now: NowMs, connection: ConnectionId): void {
    this.#tcp.connected(now, connection);
  }

  /** The peer's connection ended or could not be made. */
  handlePeerClosed(_now: NowMs, connection: ConnectionId): void {
    this.#tcp.closed(connection);
  }

  /**
   * A peer connected to a TCP relay. Returns the connection's id, or `undefined` when it must be closed at once.
   */
  handlePeerIncoming(now: NowMs, relay: RelayId, peer: TransportAddress): ConnectionId | undefined {
    return this.#tcp.incoming(now, relay, peer);
  }

  /** A client's TCP, TLS or DTLS connection ended: its allocation ends with it. */
  handleTransportClosed(_now: NowMs, tuple: FiveTuple): void {
    const allocation = this.#state.allocationOf(tuple);
    if (allocation && allocation.tuple.socket === tuple.socket) this.#state.removeAllocation(allocation);
    const connection = this.#state.joined.get(fiveTupleKey(tuple));
    if (connection) this.#state.removeConnection(connection);
  }

  /** Ends whatever is due. */
  handleTimeout(now: NowMs): void {
    for (let due = this.#state.deadlines.takeDue(now); due; due = this.#state.deadlines.takeDue(now)) {
      if (due.type === 'connection') this.#tcp.timedOut(due);
      else if (due.type === 'reservation') {
        this.#state.reservations.delete(due.token);
        this.#state.releasePort(due.relay, due.owner);
      } else if (due.pending) this.#allocations.openTimedOut(now, due, due.pending);
      else this.#state.expire(now, due);
    }
  }

  /** The next thing to be done, or `undefined`. */
  pollEffect(): TurnServerEffect | undefined {
    return this.#state.effects.shift();
  }

  /** When {@link TurnServer.handleTimeout} is due, or `undefined` when nothing is. */
  pollTimeout(): NowMs | undefined {
    return this.#state.deadlines.nextMs;
  }

  /**
   * Takes no new allocations from now on: clients are sent to the first of `alternates` of their own address
   * family (300), or refused (508) when there is none. Allocations that are there live on.
   */
  drain(alternates: readonly TransportAddress[] = []): void {
    this.#allocations.drain(alternates);
  }

  /** Ends all allocations and reservations, without a word to the clients. */
  closeAll(): void {
    for (const allocation of [...this.#state.allocations.values()]) this.#state.removeAllocation(allocation);
    for (const reservation of [...this.#state.reservations.values()]) {
      this.#state.useReservation(reservation);
      this.#state.releasePort(reservation.relay, reservation.owner);
    }
  }

  /** Replaces the policies of peers; what they deny ends at once. */
  setPeerPolicy(
    policy: PeerPolicy,
    listenerPolicies: readonly { readonly local: TransportAddress; readonly policy: PeerPolicy }[] = [],
  ): void {
    this.#policy = policy;
    this.#listenerPolicies = new Map(listenerPolicies.map((l) => [addressKey(l.local), l.policy]));
    this.#state.enforce((local) => this.#policyOf(local));
  }

  /** Whether no port is held: no allocation, nor a port kept for one. */
  get isIdle(): boolean {
    return this.#state.allocations.size === 0 && this.#state.reservations.size === 0;
  }

  /** Numbers of now and totals since the start. */
  stats(): TurnServerStats {
    return this.#counters.snapshot(this.#state, this.#challengeLimit.size + this.#bindingLimit.size);
  }

  #policyOf(local: TransportAddress): PeerPolicy {
    return this.#listenerPolicies.get(addressKey(local)) ?? this.#policy;
  }

  #request(now: NowMs, tuple: FiveTuple, message: StunMessage): void {
    // A link-local client comes with a zone behind its address, which no answer could carry.
    if (!parseIp(tuple.remote.address)) throw drop('bad-source');
    if (message.method === stunMethod.binding) {
      this.#binding(now, tuple, message);
      return;
    }
    if (!authenticatedMethods.has(message.method)) throw drop('unknown-method');
    const user = this.#authenticate(now, tuple, message);
    if (typeof user === 'number') {
      this.#counters.unauthenticatedRequests++;
      this.#limited(this.#challengeLimit, now, tuple);
      this.#counters.unauthenticatedResponses++;
      const bytes =
        user === 400
          ? this.#responder.refusal(message, undefined, new TurnRefusal(400))
          : this.#responder.challenge(now, tuple, message, user);
      this.#state.send(tuple, bytes);
      return;
    }
    const code = this.#refusing(tuple, message, user, () => this.#authenticated(now, tuple, message, user));
    if (code !== undefined) this.#counters.countRefusal(code);
  }

  #authenticate(now: NowMs, tuple: FiveTuple, message: StunMessage): AuthenticatedUser | 400 | 401 | 438 {
    try {
      const known =
        message.method === stunMethod.connectionBind
          ? this.#tcp.waiting(message)?.allocation.user
          : this.#state.allocationOf(tuple)?.user;
      return this.#authenticator.check(now, this.#unixTimeMs(), tuple, message, known);
    } catch (error) {
      if (error instanceof FormatError) return 400;
      throw error;
    }
  }

  #authenticated(now: NowMs, tuple: FiveTuple, message: StunMessage, user: AuthenticatedUser): void {
    this.#requireKnownAttributes(message);
    if (message.method === stunMethod.allocate) {
      const before = this.#state.allocations.size;
      this.#allocations.allocate(now, tuple, message, user);
      if (this.#state.allocations.size > before) this.#counters.allocations++;
      return;
    }
    if (message.method === stunMethod.connectionBind) {
      this.#tcp.bind(tuple, message, user);
      return;
    }
    const allocation = this.#state.allocationOf(tuple);
    if (!allocation || allocation.pending) throw new TurnRefusal(437);
    if (allocation.user.username !== user.username) throw new TurnRefusal(441);
    if (message.method === stunMethod.refresh) this.#allocations.refresh(now, message, user, allocation);
    else if (message.method === stunMethod.createPermission) {
      this.#peers.createPermission(now, message, user, allocation);
    } else if (message.method === stunMethod.channelBind) {
      this.#peers.channelBind(now, message, user, allocation);
    } else this.#tcp.connect(now, message, user, allocation);
  }

  #binding(now: NowMs, tuple: FiveTuple, message: StunMessage): void {
    this.#counters.bindingRequests++;
    this.#limited(this.#bindingLimit, now, tuple);
    const code = this.#refusing(tuple, message, undefined, () => {
      this.#requireKnownAttributes(message);
      const response = this.#responder.success(message, undefined, (r) =>
        r.xorAddress(attributeType.xorMappedAddress, tuple.remote),
      );
      this.#counters.bindingResponses++;
      this.#state.send(tuple, response);
    });
    if (code !== undefined) this.#counters.bindingErrors++;
  }

  #requireKnownAttributes(message: StunMessage): void {
    const unknown = unknownAttributesOf(message, this.#knownAttributes);
    if (unknown.length > 0) throw new TurnRefusal(420, { unknown });
  }

  /** Runs `handle`; answers with an error response when it refuses, and returns its code. */
  #refusing(
    tuple: FiveTuple,
    message: StunMessage,
    user: AuthenticatedUser | undefined,
    handle: () => void,
  ): number | undefined {
    try {
      handle();
      return undefined;
    } catch (error) {
      const refusal = error instanceof FormatError ? new TurnRefusal(400) : error;
      if (!(refusal instanceof TurnRefusal)) throw error;
      this.#state.send(tuple, this.#responder.refusal(message, user, refusal));
      return refusal.code;
    }
  }

  #limited(limit: SourceRateLimit, now: NowMs, tuple: FiveTuple): void {
    if (!limit.take(now, sourceKey(tuple.remote.address))) throw drop('rate-limit');
  }

  #dropping(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#counters.countDrop(error.code);
    }
  }
}

function drop(code: string): FormatError {
  return new FormatError(code, 'a message that is not answered');
}
