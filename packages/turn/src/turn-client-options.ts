import type { IpFamily, RandomBytes, Secret } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import type { IntegrityHashes } from './authentication.ts';
import type { TurnTransport } from './five-tuple.ts';

/** What a client is made of. */
export interface TurnClientOptions {
  /** How the server is reached. Streams are framed by the owner with `TurnStreamFramer`. */
  readonly transport: TurnTransport;
  readonly server: TransportAddress;
  readonly username: string;
  readonly password: Secret<string>;
  readonly hashes: IntegrityHashes;
  readonly random: RandomBytes;
  /** Families of relayed addresses wanted. Both make a dual allocation. Default IPv4. */
  readonly families?: readonly IpFamily[];
  /**
   * Lifetime to ask for, default 600 s; the server's answer counts. Lower frees the port of a lost client
   * sooner, higher saves refreshes.
   */
  readonly lifetimeMs?: number;
  /** First retransmission over UDP, default 500 ms. Lower recovers sooner from loss, higher sends less. */
  readonly rtoMs?: number;
  /** Peers kept permitted. Lower refuses `permit` sooner, higher costs requests every few minutes. Default 128. */
  readonly maxPeers?: number;
}

/** What happened to a client. */
export type TurnClientEvent =
  | {
      readonly kind: 'allocated';
      /** One address of each family that was had. */
      readonly relayed: readonly TransportAddress[];
      /** The client as the server sees it. */
      readonly mapped: TransportAddress | undefined;
    }
  /** Packets may pass to and from this address. */
  | { readonly kind: 'permitted'; readonly peer: string }
  /** The server refused the peer, with this error code; 0 when it did not answer. */
  | { readonly kind: 'refused'; readonly peer: string; readonly code: number }
  | { readonly kind: 'channel-bound'; readonly peer: TransportAddress; readonly channel: number }
  /** A datagram of a peer. `bytes` is a view of the packet that was handled. */
  | { readonly kind: 'data'; readonly peer: TransportAddress; readonly bytes: Uint8Array }
  /**
   * The server names another. Over UDP the client goes on there by itself; over a connection the owner makes a
   * new one to it and then calls `handleConnected`.
   */
  | { readonly kind: 'redirected'; readonly server: TransportAddress }
  /** The end: nothing more will happen. */
  | { readonly kind: 'closed'; readonly reason: TurnClientEnd; readonly code: number };

/**
 * Why a client ended: `released` by its owner, `refused` by the server with `code`, `timeout` without an answer,
 * `lost` when an allocation that was there could not be kept.
 */
export type TurnClientEnd = 'released' | 'refused' | 'timeout' | 'lost';
