import { ipFamily, type NowMs, toHex } from '@conclave/bytes';
import {
  attributeType,
  encodeErrorCode,
  type StunMessage,
  type TransportAddress,
  uint32Attribute,
} from '@conclave/stun';
import { type AllocateRequest, familyAttribute, parseAllocate } from './allocate-request.ts';
import type { AuthenticatedUser } from './authentication.ts';
import { type FiveTuple, fiveTupleKey, sourceKey } from './five-tuple.ts';
import type { RelayId } from './server-effect.ts';
import type { ServerState } from './server-state.ts';
import type { Allocation, PendingAllocate, Relay } from './turn-allocation.ts';
import { TurnRefusal } from './turn-refusal.ts';
import { headOf, type TurnResponder } from './turn-responder.ts';
import type { TurnServerLimits, TurnServerOptions } from './turn-server-options.ts';

/** Allocate and Refresh (RFC 8656 §7 and §8), and what the data plane says to them. */
export class AllocationRequests {
  readonly #state: ServerState;
  readonly #responder: TurnResponder;
  readonly #options: TurnServerOptions;
  readonly #limits: TurnServerLimits;
  #draining: { readonly alternates: readonly TransportAddress[] } | undefined;

  constructor(
    state: ServerState,
    responder: TurnResponder,
    options: TurnServerOptions,
    limits: TurnServerLimits,
  ) {
    this.#state = state;
    this.#responder = responder;
    this.#options = options;
    this.#limits = limits;
  }

  /** From now on new allocations are refused. */
  drain(alternates: readonly TransportAddress[]): void {
    this.#draining = { alternates };
  }

  /** An authenticated Allocate request. Throws TurnRefusal. */
  allocate(now: NowMs, tuple: FiveTuple, message: StunMessage, user: AuthenticatedUser): void {
    const transactionKey = toHex(message.transactionId);
    const existing = this.#state.allocationOf(tuple);
    if (existing) {
      if (existing.transactionKey !== transactionKey || existing.user.username !== user.username) {
        throw new TurnRefusal(437);
      }
      // A retransmission; while the relays open, the answer is on its way anyhow.
      if (existing.answer) this.#state.send(tuple, existing.answer);
      return;
    }
    const { relayFamilies = [4], tcpRelays = false } = this.#options;
    const request = parseAllocate(message, tuple.transport, { relayFamilies, tcpRelays });
    const reservation = request.token === undefined ? undefined : this.#state.reservations.get(request.token);
    if (request.token !== undefined && reservation?.owner.user !== user.quotaKey) throw new TurnRefusal(508);
    if (this.#draining) this.#redirect(tuple, this.#draining.alternates);
    const owner = { user: user.quotaKey, source: sourceKey(tuple.remote.address) };
    const families = reservation ? [reservation.family] : request.families;
    const refused = this.#state.quota.take(owner, families.length + (request.reserveNext ? 1 : 0));
    if (refused) throw new TurnRefusal(refused);
    const pending: PendingAllocate = {
      request: headOf(message),
      lifetimeMs: this.#lifetime(request.lifetimeMs),
      waiting: families.length,
      failed: request.unsupported && { family: request.unsupported, code: 440 },
      reserveNextAs: request.reserveNext ? this.#state.newRelayId() : undefined,
      reservationToken: undefined,
    };
    const allocation: Allocation = {
      type: 'allocation',
      tuple,
      key: fiveTupleKey(tuple),
      user,
      owner,
      transactionKey,
      pending,
      answer: undefined,
      relays: [],
      permissions: new Map(),
      channels: new Map(),
      channelOfPeer: new Map(),
      connections: new Set(),
      deadlineMs: 0,
      heapIndex: -1,
    };
    this.#state.allocations.set(allocation.key, allocation);
    this.#state.deadlines.set(allocation, now + this.#limits.openTimeoutMs);
    let kept: RelayId | undefined;
    if (reservation) {
      this.#state.useReservation(reservation);
      this.#state.quota.giveBack(reservation.owner);
      kept = reservation.relay;
    }
    for (const family of families) this.#open(allocation, request, family, kept);
  }

  /** The data plane opened a relay. An unknown id is one that was closed meanwhile. */
  opened(now: NowMs, id: RelayId, address: TransportAddress): void {
    const relay = this.#state.relays.get(id);
    if (!relay || relay.address) return;
    relay.address = address;
    const { pending } = relay.allocation;
    if (!pending) return;
    pending.waiting--;
    if (pending.reserveNextAs !== undefined) {
      const { allocation, family } = relay;
      pending.reservationToken = this.#state.reserve(now, pending.reserveNextAs, family, allocation.owner);
      pending.reserveNextAs = undefined;
    }
    this.#completeWhenAllAreHeard(now, relay.allocation, pending);
  }

  /** The data plane could not open a relay. */
  failed(now: NowMs, id: RelayId): void {
    const relay = this.#state.relays.get(id);
    const pending = relay?.allocation.pending;
    if (!relay || relay.address || !pending) return;
    pending.waiting--;
    pending.failed = { family: relay.family, code: 508 };
    this.#state.removeRelay(relay);
    this.#completeWhenAllAreHeard(now, relay.allocation, pending);
  }

  /** The deadline of an allocation whose relays did not all open. */
  openTimedOut(now: NowMs, allocation: Allocation, pending: PendingAllocate): void {
    for (const relay of allocation.relays.filter((r) => !r.address)) {
      pending.failed = { family: relay.family, code: 508 };
      this.#state.removeRelay(relay);
    }
    pending.waiting = 0;
    this.#completeWhenAllAreHeard(now, allocation, pending);
  }

  /** An authenticated Refresh (RFC 8656 §8.2). Throws TurnRefusal. */
  refresh(now: NowMs, message: StunMessage, user: AuthenticatedUser, allocation: Allocation): void {
    const family = familyAttribute(message, attributeType.requestedAddressFamily);
    const wanted = family === undefined ? undefined : family === 1 ? 4 : family === 2 ? 6 : 0;
    const relays = allocation.relays.filter((r) => wanted === undefined || r.family === wanted);
    if (relays.length === 0) throw new TurnRefusal(443);
    const seconds = uint32Attribute(message, attributeType.lifetime);
    const lifetimeMs = seconds === 0 ? 0 : this.#lifetime(seconds === undefined ? undefined : seconds * 1000);
    for (const relay of relays) {
      if (lifetimeMs === 0) this.#state.removeRelay(relay);
      else relay.expiresMs = now + lifetimeMs;
    }
    if (allocation.relays.length === 0) this.#state.removeAllocation(allocation);
    else this.#state.schedule(allocation);
    const response = this.#responder.success(message, user, (r) =>
      r.uint32(attributeType.lifetime, lifetimeMs / 1000),
    );
    this.#state.send(allocation.tuple, response);
  }

  #open(allocation: Allocation, request: AllocateRequest, family: 4 | 6, kept: RelayId | undefined): void {
    const id = kept ?? this.#state.newRelayId();
    const relay = this.#state.addRelay(allocation, id, family, request.transport);
    this.#state.effects.push({
      kind: 'open-relay',
      relay: relay.id,
      transport: relay.transport,
      family,
      client: allocation.tuple,
      evenPort: request.evenPort,
      reserveNextAs: allocation.pending?.reserveNextAs,
      reserved: kept !== undefined,
      maxBytesPerSecond: this.#limits.maxBytesPerSecond,
    });
  }

  #completeWhenAllAreHeard(now: NowMs, allocation: Allocation, pending: PendingAllocate): void {
    if (pending.waiting > 0) return;
    const { request } = pending;
    const { user, tuple } = allocation;
    if (allocation.relays.length === 0) {
      this.#state.removeAllocation(allocation);
      this.#state.send(tuple, this.#responder.refusal(request, user, new TurnRefusal(508)));
      return;
    }
    for (const relay of allocation.relays) relay.expiresMs = now + pending.lifetimeMs;
    allocation.pending = undefined;
    allocation.answer = this.#responder.success(request, user, (response) => {
      for (const relay of sortedByFamily(allocation.relays)) {
        response.xorAddress(attributeType.xorRelayedAddress, relay.address!);
      }
      response.uint32(attributeType.lifetime, pending.lifetimeMs / 1000);
      if (pending.reservationToken)
        response.attribute(attributeType.reservationToken, pending.reservationToken);
      if (pending.failed) {
        const value = encodeErrorCode({ code: pending.failed.code, reason: '' });
        value[0] = pending.failed.family === 4 ? 1 : 2;
        response.attribute(attributeType.addressErrorCode, value);
      }
      response.xorAddress(attributeType.xorMappedAddress, tuple.remote);
    });
    this.#state.send(tuple, allocation.answer);
    this.#state.schedule(allocation);
  }

  #lifetime(requestedMs: number | undefined): number {
    const { defaultLifetimeMs, maxLifetimeMs } = this.#limits;
    return Math.min(Math.max(requestedMs ?? 0, defaultLifetimeMs), maxLifetimeMs);
  }

  #redirect(tuple: FiveTuple, alternates: readonly TransportAddress[]): never {
    const family = ipFamily(tuple.remote.address);
    const alternate = alternates.find((at) => ipFamily(at.address) === family);
    throw alternate ? new TurnRefusal(300, { alternate }) : new TurnRefusal(508);
  }
}

function sortedByFamily(relays: readonly Relay[]): Relay[] {
  return [...relays].sort((a, b) => a.family - b.family);
}
