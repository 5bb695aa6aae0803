import type { NowMs, RandomBytes } from '@conclave/bytes';
import {
  attributeType,
  decodeXorAddress,
  findAttribute,
  StunBuilder,
  type StunMessage,
  stunMethod,
  type TransportAddress,
  uint32Attribute,
} from '@conclave/stun';
import type { AuthenticatedUser } from './authentication.ts';
import { addressKey, type FiveTuple, fiveTupleKey, isStream } from './five-tuple.ts';
import type { PeerPolicy } from './peer-policy.ts';
import type { PeerRequests } from './peer-requests.ts';
import type { ConnectionId, RelayId } from './server-effect.ts';
import type { ServerState } from './server-state.ts';
import { type Allocation, hasPermission, type PeerConnection } from './turn-allocation.ts';
import { TurnRefusal } from './turn-refusal.ts';
import { headOf, type TurnResponder } from './turn-responder.ts';
import { CONNECTION_TIMEOUT_MS, type TurnServerLimits } from './turn-server-options.ts';

/** Connect, ConnectionBind and ConnectionAttempt (RFC 6062 §5). */
export class TcpRelayRequests {
  readonly #state: ServerState;
  readonly #responder: TurnResponder;
  readonly #peers: PeerRequests;
  readonly #limits: TurnServerLimits;
  readonly #random: RandomBytes;
  readonly #policyOf: (local: TransportAddress) => PeerPolicy;

  constructor(
    state: ServerState,
    responder: TurnResponder,
    peers: PeerRequests,
    limits: TurnServerLimits,
    random: RandomBytes,
    policyOf: (local: TransportAddress) => PeerPolicy,
  ) {
    this.#state = state;
    this.#responder = responder;
    this.#peers = peers;
    this.#limits = limits;
    this.#random = random;
    this.#policyOf = policyOf;
  }

  /** An authenticated Connect; answered when the data plane says how it went. Throws TurnRefusal. */
  connect(now: NowMs, message: StunMessage, user: AuthenticatedUser, allocation: Allocation): void {
    const value = findAttribute(message, attributeType.xorPeerAddress);
    if (!value) throw new TurnRefusal(400);
    const peer = decodeXorAddress(value, message.transactionId);
    const relay = this.#peers.relayFor(allocation, peer.address);
    if (relay.transport !== 'tcp') throw new TurnRefusal(400);
    if (connectionTo(allocation, peer)) throw new TurnRefusal(446);
    if (allocation.connections.size >= this.#limits.maxConnections) throw new TurnRefusal(508);
    const connection = this.#state.addConnection(relay, peer, now + CONNECTION_TIMEOUT_MS);
    connection.connect = { request: headOf(message), user };
    this.#state.effects.push({ kind: 'connect-peer', relay: relay.id, connection: connection.id, peer });
  }

  /** The peer accepted. An unknown id is one that was closed meanwhile. */
  connected(now: NowMs, id: ConnectionId): void {
    const connection = this.#state.connections.get(id);
    if (!connection?.connect) return;
    const { request, user } = connection.connect;
    connection.connect = undefined;
    this.#state.deadlines.set(connection, now + CONNECTION_TIMEOUT_MS);
    const response = this.#responder.success(request, user, (r) => r.uint32(attributeType.connectionId, id));
    this.#state.send(connection.allocation.tuple, response);
  }

  /** The connection ended, or was never made. */
  closed(id: ConnectionId): void {
    const connection = this.#state.connections.get(id);
    if (!connection) return;
    this.#refuse(connection);
    // A joined stream of the client must be closed by the data plane as well.
    this.#state.removeConnection(connection, connection.dataKey === undefined);
  }

  /** The deadline of a connection that was not made, or not bound. */
  timedOut(connection: PeerConnection): void {
    this.#refuse(connection);
    this.#state.removeConnection(connection);
  }

  /** A peer connected to a relay: the id of the connection, or `undefined` when it must be closed at once. */
  incoming(now: NowMs, id: RelayId, peer: TransportAddress): ConnectionId | undefined {
    const relay = this.#state.relays.get(id);
    if (relay?.transport !== 'tcp' || !relay.address) return undefined;
    const { allocation } = relay;
    if (!hasPermission(allocation, now, peer.address)) return undefined;
    if (!this.#policyOf(allocation.tuple.local).permits(peer.address)) return undefined;
    if (connectionTo(allocation, peer) || allocation.connections.size >= this.#limits.maxConnections)
      return undefined;
    const connection = this.#state.addConnection(relay, peer, now + CONNECTION_TIMEOUT_MS);
    const transactionId = this.#random(12);
    const indication = new StunBuilder({
      class: 'indication',
      method: stunMethod.connectionAttempt,
      transactionId,
    })
      .uint32(attributeType.connectionId, connection.id)
      .xorAddress(attributeType.xorPeerAddress, peer);
    this.#state.send(allocation.tuple, indication.finish());
    return connection.id;
  }

  /** The connection that a ConnectionBind names, if it may still be bound: its owner's key is needed first. */
  waiting(message: StunMessage): PeerConnection | undefined {
    const id = uint32Attribute(message, attributeType.connectionId);
    const connection = id === undefined ? undefined : this.#state.connections.get(id as ConnectionId);
    return connection && !connection.connect && connection.dataKey === undefined ? connection : undefined;
  }

  /** An authenticated ConnectionBind on a stream of its own (RFC 6062 §5.4). Throws TurnRefusal. */
  bind(tuple: FiveTuple, message: StunMessage, user: AuthenticatedUser): void {
    const connection = this.waiting(message);
    // A stream with an allocation carries requests; it cannot become a connection to a peer.
    if (!isStream(tuple.transport) || !connection || this.#state.allocationOf(tuple))
      throw new TurnRefusal(400);
    if (connection.allocation.user.username !== user.username) throw new TurnRefusal(441);
    connection.dataKey = fiveTupleKey(tuple);
    this.#state.joined.set(connection.dataKey, connection);
    this.#state.deadlines.remove(connection);
    this.#state.send(tuple, this.#responder.success(message, user));
    this.#state.effects.push({ kind: 'join-connection', connection: connection.id, client: tuple });
  }

  #refuse(connection: PeerConnection): void {
    if (!connection.connect) return;
    const { request, user } = connection.connect;
    const response = this.#responder.refusal(request, user, new TurnRefusal(447));
    this.#state.send(connection.allocation.tuple, response);
  }
}

function connectionTo(allocation: Allocation, peer: TransportAddress): PeerConnection | undefined {
  const key = addressKey(peer);
  for (const connection of allocation.connections) {
    if (addressKey(connection.peer) === key) return connection;
  }
  return undefined;
}
