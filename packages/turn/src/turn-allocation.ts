import type { IpFamily, NowMs } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import type { AuthenticatedUser } from './authentication.ts';
import type { Deadlined } from './deadline-queue.ts';
import type { FiveTuple } from './five-tuple.ts';
import type { RelayQuotaOwner } from './relay-quota.ts';
import type { ConnectionId, RelayId } from './server-effect.ts';
import type { RequestHead } from './turn-responder.ts';

/** One relayed transport address. An allocation has one, or one of each family. */
export interface Relay {
  readonly id: RelayId;
  readonly allocation: Allocation;
  readonly family: IpFamily;
  readonly transport: 'udp' | 'tcp';
  /** Set once it is open. */
  address: TransportAddress | undefined;
  expiresMs: NowMs;
}

/** A channel of an allocation. */
export interface Channel {
  readonly number: number;
  readonly peer: TransportAddress;
  expiresMs: NowMs;
}

/** What waits for the data plane to open relays. */
export interface PendingAllocate {
  readonly request: RequestHead;
  readonly lifetimeMs: number;
  /** Relays of which nothing was heard. */
  waiting: number;
  /** The family of a dual allocation that could not be had, and why. */
  failed: { readonly family: IpFamily; readonly code: 440 | 508 } | undefined;
  /** Id that the port kept for later shall have. */
  reserveNextAs: RelayId | undefined;
  /** Token that a kept port got. */
  reservationToken: Uint8Array | undefined;
}

/** An allocation (RFC 8656 §5), from the authenticated request on. */
export interface Allocation extends Deadlined {
  readonly type: 'allocation';
  readonly tuple: FiveTuple;
  readonly key: string;
  readonly user: AuthenticatedUser;
  readonly owner: RelayQuotaOwner;
  /** Of the Allocate request, to know its retransmissions by. */
  readonly transactionKey: string;
  pending: PendingAllocate | undefined;
  /** The success response, for retransmissions. */
  answer: Uint8Array | undefined;
  relays: Relay[];
  /** When each peer address's permission ends. */
  readonly permissions: Map<string, NowMs>;
  readonly channels: Map<number, Channel>;
  readonly channelOfPeer: Map<string, Channel>;
  readonly connections: Set<PeerConnection>;
}

/** A port kept for a later allocation. */
export interface Reservation extends Deadlined {
  readonly type: 'reservation';
  readonly token: string;
  readonly relay: RelayId;
  readonly family: IpFamily;
  readonly owner: RelayQuotaOwner;
}

/** A TCP connection between a relay and a peer (RFC 6062). */
export interface PeerConnection extends Deadlined {
  readonly type: 'connection';
  readonly id: ConnectionId;
  readonly allocation: Allocation;
  readonly relay: Relay;
  readonly peer: TransportAddress;
  /** The Connect request and its sender, until it was answered. */
  connect: { readonly request: RequestHead; readonly user: AuthenticatedUser } | undefined;
  /** Key of the client's stream once joined. */
  dataKey: string | undefined;
}

/** Whatever has a deadline. */
export type TimedThing = Allocation | Reservation | PeerConnection;

/** The relay of this family, or `undefined`. */
export function relayOf(allocation: Allocation, family: IpFamily): Relay | undefined {
  return allocation.relays.find((relay) => relay.family === family);
}

/** Whether packets may pass between the allocation and this peer address now. */
export function hasPermission(allocation: Allocation, now: NowMs, peer: string): boolean {
  const expiresMs = allocation.permissions.get(peer);
  return expiresMs !== undefined && expiresMs > now;
}
