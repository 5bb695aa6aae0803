import { type IpFamily, ipFamily, type NowMs, type RandomBytes, randomUint32, toHex } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import { DeadlineQueue } from './deadline-queue.ts';
import { addressKey, type FiveTuple, fiveTupleKey } from './five-tuple.ts';
import type { PeerPolicy } from './peer-policy.ts';
import type { RelayQuota, RelayQuotaOwner } from './relay-quota.ts';
import type { ConnectionId, RelayId, TurnServerEffect } from './server-effect.ts';
import type {
  Allocation,
  Channel,
  PeerConnection,
  Relay,
  Reservation,
  TimedThing,
} from './turn-allocation.ts';
import {
  CHANNEL_LIFETIME_MS,
  PERMISSION_LIFETIME_MS,
  RESERVATION_LIFETIME_MS,
} from './turn-server-options.ts';

/**
 * All that a server remembers, with the one way of removing each thing: maps, quota, deadline and data plane
 * stay in step because nobody else changes them.
 */
export class ServerState {
  readonly allocations: Map<string, Allocation> = new Map();
  readonly relays: Map<RelayId, Relay> = new Map();
  readonly reservations: Map<string, Reservation> = new Map();
  readonly connections: Map<ConnectionId, PeerConnection> = new Map();
  readonly joined: Map<string, PeerConnection> = new Map();
  readonly deadlines: DeadlineQueue<TimedThing> = new DeadlineQueue();
  readonly effects: TurnServerEffect[] = [];
  readonly quota: RelayQuota;
  readonly #random: RandomBytes;
  #nextRelay = 1;

  constructor(quota: RelayQuota, random: RandomBytes) {
    this.quota = quota;
    this.#random = random;
  }

  send(to: FiveTuple, bytes: Uint8Array): void {
    this.effects.push({ kind: 'send', to, bytes });
  }

  newRelayId(): RelayId {
    return this.#nextRelay++ as RelayId;
  }

  allocationOf(tuple: FiveTuple): Allocation | undefined {
    return this.allocations.get(fiveTupleKey(tuple));
  }

  addRelay(allocation: Allocation, id: RelayId, family: IpFamily, transport: 'udp' | 'tcp'): Relay {
    const relay: Relay = { id, allocation, family, transport, address: undefined, expiresMs: 0 };
    allocation.relays.push(relay);
    this.relays.set(id, relay);
    return relay;
  }

  /** Sets the deadline to the first thing of the allocation that ends. */
  schedule(allocation: Allocation): void {
    let due = Number.POSITIVE_INFINITY;
    for (const relay of allocation.relays) due = Math.min(due, relay.expiresMs);
    for (const expiresMs of allocation.permissions.values()) due = Math.min(due, expiresMs);
    for (const channel of allocation.channels.values()) due = Math.min(due, channel.expiresMs);
    this.deadlines.set(allocation, due);
  }

  /** Installs or refreshes the permission of one peer address. */
  permit(now: NowMs, allocation: Allocation, relay: Relay, peer: string): void {
    const isNew = !allocation.permissions.has(peer);
    allocation.permissions.set(peer, now + PERMISSION_LIFETIME_MS);
    if (isNew) this.effects.push({ kind: 'add-permission', relay: relay.id, peer });
  }

  forbid(allocation: Allocation, peer: string): void {
    if (!allocation.permissions.delete(peer)) return;
    const relay = allocation.relays.find((r) => r.family === ipFamily(peer));
    if (relay) this.effects.push({ kind: 'remove-permission', relay: relay.id, peer });
  }

  bindChannel(
    now: NowMs,
    allocation: Allocation,
    relay: Relay,
    number: number,
    peer: TransportAddress,
  ): void {
    const bound = allocation.channels.get(number);
    if (bound) {
      bound.expiresMs = now + CHANNEL_LIFETIME_MS;
      return;
    }
    const channel: Channel = { number, peer, expiresMs: now + CHANNEL_LIFETIME_MS };
    allocation.channels.set(number, channel);
    allocation.channelOfPeer.set(addressKey(peer), channel);
    this.effects.push({ kind: 'bind-channel', relay: relay.id, channel: number, peer });
  }

  unbindChannel(allocation: Allocation, channel: Channel): void {
    allocation.channels.delete(channel.number);
    allocation.channelOfPeer.delete(addressKey(channel.peer));
    const relay = allocation.relays.find((r) => r.family === ipFamily(channel.peer.address));
    if (relay) this.effects.push({ kind: 'unbind-channel', relay: relay.id, channel: channel.number });
  }

  /** Ends what ran out; the allocation too when no relay is left. */
  expire(now: NowMs, allocation: Allocation): void {
    for (const relay of [...allocation.relays]) if (relay.expiresMs <= now) this.removeRelay(relay);
    if (allocation.relays.length === 0) {
      this.removeAllocation(allocation);
      return;
    }
    for (const [peer, expiresMs] of allocation.permissions) {
      if (expiresMs <= now) this.forbid(allocation, peer);
    }
    for (const channel of [...allocation.channels.values()]) {
      if (channel.expiresMs <= now) this.unbindChannel(allocation, channel);
    }
    this.schedule(allocation);
  }

  /** Closes one relay with all that hangs on it. Removing the last leaves an allocation to be removed. */
  removeRelay(relay: Relay): void {
    const { allocation } = relay;
    for (const connection of [...allocation.connections]) {
      if (connection.relay === relay) this.removeConnection(connection);
    }
    // Closing the relay ends these in the data plane, so they need no effects of their own.
    for (const peer of [...allocation.permissions.keys()]) {
      if (ipFamily(peer) === relay.family) allocation.permissions.delete(peer);
    }
    for (const channel of [...allocation.channels.values()]) {
      if (ipFamily(channel.peer.address) !== relay.family) continue;
      allocation.channels.delete(channel.number);
      allocation.channelOfPeer.delete(addressKey(channel.peer));
    }
    allocation.relays = allocation.relays.filter((r) => r !== relay);
    this.relays.delete(relay.id);
    this.effects.push({ kind: 'close-relay', relay: relay.id });
    this.quota.giveBack(allocation.owner);
  }

  removeAllocation(allocation: Allocation): void {
    for (const relay of [...allocation.relays]) this.removeRelay(relay);
    const kept = allocation.pending?.reserveNextAs;
    if (kept !== undefined) this.releasePort(kept, allocation.owner);
    allocation.pending = undefined;
    this.deadlines.remove(allocation);
    this.allocations.delete(allocation.key);
  }

  /** Gives up a port that was kept, or was asked to be, but never became a relay. */
  releasePort(relay: RelayId, owner: RelayQuotaOwner): void {
    this.effects.push({ kind: 'close-relay', relay });
    this.quota.giveBack(owner);
  }

  /** Makes a kept port available under a token (RFC 8656 §7.2), which is returned. */
  reserve(now: NowMs, relay: RelayId, family: IpFamily, owner: RelayQuotaOwner): Uint8Array {
    let token = this.#random(8);
    while (this.reservations.has(toHex(token))) token = this.#random(8);
    const reservation: Reservation = {
      type: 'reservation',
      token: toHex(token),
      relay,
      family,
      owner,
      deadlineMs: 0,
      heapIndex: -1,
    };
    this.reservations.set(reservation.token, reservation);
    this.deadlines.set(reservation, now + RESERVATION_LIFETIME_MS);
    return token;
  }

  /** Takes a reservation away to be used: its port and its quota are the caller's now. */
  useReservation(reservation: Reservation): void {
    this.reservations.delete(reservation.token);
    this.deadlines.remove(reservation);
  }

  addConnection(relay: Relay, peer: TransportAddress, deadlineMs: NowMs): PeerConnection {
    let id = randomUint32(this.#random) as ConnectionId;
    while (this.connections.has(id)) id = randomUint32(this.#random) as ConnectionId;
    const connection: PeerConnection = {
      type: 'connection',
      id,
      allocation: relay.allocation,
      relay,
      peer,
      connect: undefined,
      dataKey: undefined,
      deadlineMs: 0,
      heapIndex: -1,
    };
    this.connections.set(id, connection);
    relay.allocation.connections.add(connection);
    this.deadlines.set(connection, deadlineMs);
    return connection;
  }

  /** Forgets a connection; `closed` when the data plane closed it itself. */
  removeConnection(connection: PeerConnection, closed = false): void {
    this.connections.delete(connection.id);
    connection.allocation.connections.delete(connection);
    if (connection.dataKey !== undefined) this.joined.delete(connection.dataKey);
    this.deadlines.remove(connection);
    if (!closed) this.effects.push({ kind: 'close-connection', connection: connection.id });
  }

  /** Takes back permissions and connections that a new policy denies. */
  enforce(policyOf: (local: TransportAddress) => PeerPolicy): void {
    for (const allocation of this.allocations.values()) {
      const policy = policyOf(allocation.tuple.local);
      for (const peer of [...allocation.permissions.keys()]) {
        if (!policy.permits(peer)) this.forbid(allocation, peer);
      }
      for (const channel of [...allocation.channels.values()]) {
        if (!policy.permits(channel.peer.address)) this.unbindChannel(allocation, channel);
      }
      for (const connection of [...allocation.connections]) {
        if (!policy.permits(connection.peer.address)) this.removeConnection(connection);
      }
    }
  }
}
