import type { Branded, IpFamily } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import type { FiveTuple } from './five-tuple.ts';

/** A relayed transport address of an allocation, or a port kept for one. Never used twice. */
export type RelayId = Branded<number, 'RelayId'>;

/** A TCP connection between a relay and a peer, as its CONNECTION-ID says (RFC 6062 §6.2.1): 32 bits. */
export type ConnectionId = Branded<number, 'ConnectionId'>;

/** What the server wants done. Effects are to be carried out in their order. */
export type TurnServerEffect =
  /** Send one message to a client: a datagram, or bytes on its stream. The bytes are the receiver's. */
  | { readonly kind: 'send'; readonly to: FiveTuple; readonly bytes: Uint8Array }
  | OpenRelay
  /**
   * Close a relay, or the port reserved under this id, with all its permissions, channels and connections. It
   * may still be opening, and then no answer is wanted any more.
   */
  | { readonly kind: 'close-relay'; readonly relay: RelayId }
  /**
   * Let packets pass between the relay and any port of this peer. Packets from others must be dropped;
   * packets on a bound channel pass only while the peer's permission stands.
   */
  | { readonly kind: 'add-permission'; readonly relay: RelayId; readonly peer: string }
  | { readonly kind: 'remove-permission'; readonly relay: RelayId; readonly peer: string }
  /** Relay ChannelData of this number from the client to the peer, and the peer's packets back in it. */
  | {
      readonly kind: 'bind-channel';
      readonly relay: RelayId;
      readonly channel: number;
      readonly peer: TransportAddress;
    }
  | { readonly kind: 'unbind-channel'; readonly relay: RelayId; readonly channel: number }
  /**
   * Send one datagram from the relay: what came in a Send indication, or as ChannelData that the data plane
   * did not relay itself. `data` is a view of the packet that was handled.
   */
  | {
      readonly kind: 'relay-data';
      readonly relay: RelayId;
      readonly peer: TransportAddress;
      readonly data: Uint8Array;
      readonly dontFragment: boolean;
    }
  /** Connect from the relayed address to the peer (RFC 6062 §5.2). */
  | {
      readonly kind: 'connect-peer';
      readonly relay: RelayId;
      readonly connection: ConnectionId;
      readonly peer: TransportAddress;
    }
  /**
   * From now on pass bytes between the peer's connection and this stream of the client, beginning with those
   * that the peer sent already. The response goes out before.
   */
  | { readonly kind: 'join-connection'; readonly connection: ConnectionId; readonly client: FiveTuple }
  /** Close the peer's connection and the client's stream that is joined to it, if any. */
  | { readonly kind: 'close-connection'; readonly connection: ConnectionId };

/** Open a relay; answered by `handleRelayOpened` or `handleRelayFailed`. */
export interface OpenRelay {
  readonly kind: 'open-relay';
  readonly relay: RelayId;
  readonly transport: 'udp' | 'tcp';
  readonly family: IpFamily;
  /** Whose it is: the data plane relays between this 5-tuple and the peers. */
  readonly client: FiveTuple;
  /** Whether the port must be even (EVEN-PORT, RFC 8656 §18.6). */
  readonly evenPort: boolean;
  /** Under this id the next higher port is to be kept too, until it is opened as `reserved` or closed. */
  readonly reserveNextAs: RelayId | undefined;
  /** Use the port kept under this relay's id. */
  readonly reserved: boolean;
  /** Most bytes a second in each direction; 0 for no limit. */
  readonly maxBytesPerSecond: number;
}
