import type { TurnTransport } from './five-tuple.ts';
import type { ServerState } from './server-state.ts';

/** What a server holds now and has counted since it was made. */
export interface TurnServerStats {
  readonly allocations: number;
  /** The same by how their clients reach the server. */
  readonly allocationsByTransport: Readonly<Record<TurnTransport, number>>;
  readonly relays: number;
  readonly reservations: number;
  readonly permissions: number;
  readonly channels: number;
  readonly connections: number;
  /** Ports that count against quotas: relays, and ports kept or asked to be kept. */
  readonly quotaPorts: number;
  /** Users and sources with ports. */
  readonly quotaOwners: number;
  readonly deadlines: number;
  /** Sources that the rate limits remember. */
  readonly limitedSources: number;
  readonly totalAllocations: number;
  readonly bindingRequests: number;
  readonly bindingResponses: number;
  readonly bindingErrors: number;
  /** Requests without, with a stale or with a wrong credential. */
  readonly unauthenticatedRequests: number;
  /** How many of these were answered; the rate limit dropped the others. */
  readonly unauthenticatedResponses: number;
  /** Error responses to authenticated requests, by code. */
  readonly refusals: ReadonlyMap<number, number>;
  /** Messages and packets dropped without an answer, by reason in kebab case. */
  readonly drops: ReadonlyMap<string, number>;
}

/** Counts that only rise. The reasons are words of this package's source, so there are few. */
export class TurnServerCounters {
  allocations = 0;
  bindingRequests = 0;
  bindingResponses = 0;
  bindingErrors = 0;
  unauthenticatedRequests = 0;
  unauthenticatedResponses = 0;
  readonly #refusals = new Map<number, number>();
  readonly #drops = new Map<string, number>();

  countRefusal(code: number): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  countDrop(reason: string): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }

  snapshot(state: ServerState, limitedSources: number): TurnServerStats {
    let permissions = 0;
    let channels = 0;
    const allocationsByTransport = { udp: 0, tcp: 0, tls: 0, dtls: 0 };
    for (const allocation of state.allocations.values()) {
      permissions += allocation.permissions.size;
      channels += allocation.channels.size;
      allocationsByTransport[allocation.tuple.transport]++;
    }
    return {
      allocations: state.allocations.size,
      allocationsByTransport,
      relays: state.relays.size,
      reservations: state.reservations.size,
      permissions,
      channels,
      connections: state.connections.size,
      quotaPorts: state.quota.total,
      quotaOwners: state.quota.owners,
      deadlines: state.deadlines.size,
      limitedSources,
      totalAllocations: this.allocations,
      bindingRequests: this.bindingRequests,
      bindingResponses: this.bindingResponses,
      bindingErrors: this.bindingErrors,
      unauthenticatedRequests: this.unauthenticatedRequests,
      unauthenticatedResponses: this.unauthenticatedResponses,
      refusals: new Map(this.#refusals),
      drops: new Map(this.#drops),
    };
  }
}
