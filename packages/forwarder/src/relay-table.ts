import type { Branded, IpFamily } from '@conclave/bytes';
import type { SocketId } from './flow-table.ts';

/** A relayed transport address of an allocation, or a port kept for one. Chosen by the control plane, used once. */
export type RelayId = Branded<number, 'RelayId'>;
/** A TCP connection between a relay and a peer (RFC 6062): 32 bits. Chosen by the control plane. */
export type ConnectionId = Branded<number, 'ConnectionId'>;
/** A peer's TCP connection that waits for a decision. Chosen by the relay plane, never used twice in a process. */
export type IncomingId = Branded<number, 'IncomingId'>;

/** An address in canonical text and a port. */
export interface RelayEndpoint {
  readonly address: string;
  readonly port: number;
}

/** How a client reaches the server. */
export type RelayTransport = 'udp' | 'tcp' | 'tls' | 'dtls';

/**
 * A client as the relay plane sees it: its 5-tuple, and the way to it. The control plane hands back the very object
 * that an event brought, or a copy of it.
 */
export interface RelayClient {
  readonly transport: RelayTransport;
  /** The listener's side. */
  readonly local: RelayEndpoint;
  /** The client's side. */
  readonly remote: RelayEndpoint;
  /**
   * The listener's socket of one thread (UDP), or the one connection (all else): a new connection from the same address
   * has another. Every event carries it. It is optional only so that a plain 5-tuple type can stand for the object;
   * calls with an object that lacks it throw `TypeError`.
   */
  readonly socket?: SocketId;
}

/** What relayed for one relay since it was opened. Bytes are those of datagrams or streams with TURN's framing. */
export interface RelayTotals {
  readonly relay: RelayId;
  /** Data messages from the client that belonged to a relay, also those that were dropped then. */
  readonly fromClientPackets: number;
  readonly fromClientBytes: number;
  readonly toClientPackets: number;
  readonly toClientBytes: number;
  /** Datagrams from permitted peers; of TCP relays, bytes only. Without framing, like those to peers. */
  readonly fromPeerPackets: number;
  readonly fromPeerBytes: number;
  readonly toPeerPackets: number;
  readonly toPeerBytes: number;
  /** Data that the bandwidth cap dropped, in both directions. Streams are slowed down instead. */
  readonly cappedPackets: number;
}

/** What the relay plane tells the control plane, in the order it happened; delivered in batches. */
export type RelayEvent =
  /**
   * One STUN message from a client that the plane does not act on itself: everything but plain Send indications and
   * ChannelData. Well formed as far as header and length go; not authenticated.
   */
  | { readonly type: 'message'; readonly client: RelayClient; readonly bytes: Uint8Array }
  /** A client's TCP, TLS or DTLS connection, of which messages were told, ended. Its relays stay until closed. */
  | { readonly type: 'client-closed'; readonly client: RelayClient }
  /** The relay is open at this address. With `reserveNextAs` the next port is held as well. */
  | { readonly type: 'relay-opened'; readonly relay: RelayId; readonly address: RelayEndpoint }
  /**
   * The relay cannot be opened; the rule is gone. `reason` is a word for logs: `no-port`, `no-address` or
   * `no-client`: its connection is gone, or it has a relay of the family.
   */
  | { readonly type: 'relay-failed'; readonly relay: RelayId; readonly reason: string }
  /** The last totals of a relay that was open and is now closed. */
  | { readonly type: 'relay-closed'; readonly totals: RelayTotals }
  /**
   * An ICMP error about a datagram from this relay to this permitted peer (RFC 8656 §11.5). `error` is the 32-bit field
   * behind the checksum: the MTU of a too-big error, else 0. At most ten a second of one relay. Not told of shared ports.
   */
  | {
      readonly type: 'icmp';
      readonly relay: RelayId;
      readonly peer: RelayEndpoint;
      readonly icmp: { readonly type: number; readonly code: number; readonly error: number };
    }
  /** The peer of {@link RelayTable.connectPeer} accepted. What it sends is held until {@link RelayTable.joinConnection}. */
  | { readonly type: 'peer-connected'; readonly connection: ConnectionId }
  /** A connection to or from a peer ended, or could not be made. Not told of those the control plane closed. */
  | { readonly type: 'peer-closed'; readonly connection: ConnectionId }
  /**
   * A permitted peer connected to a TCP relay; to be answered by {@link RelayTable.acceptPeer} or
   * {@link RelayTable.refusePeer}, else it is closed after 30 seconds. At most 32 of one relay wait.
   */
  | {
      readonly type: 'peer-incoming';
      readonly relay: RelayId;
      readonly incoming: IncomingId;
      readonly peer: RelayEndpoint;
    };

/** A relay to open. */
export interface RelayRequest {
  readonly transport: 'udp' | 'tcp';
  readonly family: IpFamily;
  /** Between whom and the peers it relays. A client has at most one relay of each family. */
  readonly client: RelayClient;
  /** The port must be even (RFC 8656 §18.6). Never shared. */
  readonly evenPort: boolean;
  /** Under this id the next higher port is held too, until it is opened with `reserved` or closed. Never shared. */
  readonly reserveNextAs?: RelayId | undefined;
  /** Opens the port that is held under this relay's id. */
  readonly reserved: boolean;
  /**
   * Most bytes a second in each direction, as counted in {@link RelayTotals} between client and plane; 0 for no limit. A
   * burst of half a second's worth, at least 16 KiB, may go at once.
   */
  readonly maxBytesPerSecond: number;
}

/**
 * The rules of the relay plane: what a TURN server's control plane tells it. A call takes effect on the owning thread, in
 * the order of calls. Ids that are unknown when a call takes effect make it a no-op. Wrong arguments throw `TypeError`.
 * Relay and connection ids are integers from 0 to 2^32 − 1.
 *
 * What happens to a packet, for every implementation:
 * - Datagrams of more than 2048 bytes are dropped, from clients and peers alike; on streams longer messages are passed by
 *   and dropped.
 * - From a client, ChannelData (first byte 0x40 to 0x7F: RFC 8656 §12 lets clients bind up to 0x4FFF, RFC 5766 up to
 *   0x7FFF, and which of them may is the control plane's to say) of a bound channel goes to the channel's peer as a
 *   datagram; empty data too. Over UDP and DTLS up to three bytes of padding are ignored; of other lengths it is
 *   malformed. Without a relay, an unbound number, or while the peer's permission is gone, it is dropped.
 * - From a client, a Send indication (RFC 8656 §11.2) goes to its peer if the first XOR-PEER-ADDRESS and the first DATA
 *   say where and what, the client has a UDP relay of the peer's family and the peer's address a permission; else it is
 *   dropped. DONT-FRAGMENT sets the DF bit of that one datagram. FINGERPRINT must be right when it is there; MESSAGE-
 *   INTEGRITY is not looked at, and what follows it is ignored (RFC 8489 §14.5). With any other comprehension-required
 *   attribute the indication is dropped: nothing of it is for the control plane.
 * - All other STUN goes up as `message`; what is neither STUN nor ChannelData is dropped, and ends a stream. Of clients
 *   without a relay at most `messagesPerSecond` go up from one address (an IPv6 /64).
 * - From a peer, a datagram to a UDP relay goes to the client if the peer's address has a permission: as ChannelData if a
 *   channel is bound to the peer, else as a Data indication (RFC 8656 §11.3). The transaction id of these is the table's
 *   32-bit seed and a 64-bit count from 1, both big-endian. Attributes: XOR-PEER-ADDRESS, DATA; no FINGERPRINT.
 * - On streams, ChannelData to clients is padded to four bytes (RFC 8656 §12.5).
 * - Data that finds the queue of a stream full is dropped. Messages of the control plane are queued up to twice the
 *   bound; then the connection is closed.
 * - Unless DONT-FRAGMENT says otherwise, datagrams to peers may be fragmented on the way (DF is not set).
 *
 * Shared ports ("two-port mode"): relays opened without own port use one port of their family and thread. A datagram from
 * a peer's address and port goes to the relay that has sent to it first; if none has, to the only relay that permits the
 * peer's address, and if several do it is dropped (`ambiguous_peer`). A relay that sends to a peer that is another's, or
 * to a shared port of this server, gets a port of its own for this (one for each relay) from the range, else any free
 * one, and hears there as if it were its relayed address. The claim on a peer ends with the permission or the relay; a
 * relay claims at most 256 peers, more are dropped (`claim_limit`).
 *
 * TCP relays (RFC 6062): connections to peers are made from the relay's port, from permitted peers accepted on it. After
 * {@link RelayTable.joinConnection} bytes are passed both ways, at most 64 KiB held each way; a half-closed side is half-
 * closed on the other; when either ends, both are closed.
 */
export interface RelayTable {
  /**
   * Sends one whole STUN message to a client. Copies the bytes. Dropped when its connection is gone.
   */
  send(client: RelayClient, bytes: Uint8Array): void;
  /** Closes a client's connection, without `client-closed`; no-op for UDP. */
  closeClient(client: RelayClient): void;

  /** Opens a relay; answered by `relay-opened` or `relay-failed` unless it is closed before. */
  openRelay(relay: RelayId, request: RelayRequest): void;
  /** Closes a relay, or the port held under this id, with its permissions, channels and connections. */
  closeRelay(relay: RelayId): void;
  /** Lets packets pass between the relay and any port of this peer address. The peer is of the relay's family. */
  addPermission(relay: RelayId, peer: string): void;
  /** Ends it; joined TCP connections with the peer stay. */
  removePermission(relay: RelayId, peer: string): void;
  /**
   * Relays ChannelData of this number (0x4000 to 0x7FFF) from the client to the peer, and the peer's packets back in it.
   * Replaces what was bound under the number or to the peer. It does not imply the permission.
   */
  bindChannel(relay: RelayId, channel: number, peer: RelayEndpoint): void;
  unbindChannel(relay: RelayId, channel: number): void;
  /** Sends one datagram from the relay, permitted or not: that is the caller's to know. Copies the bytes. */
  sendToPeer(relay: RelayId, peer: RelayEndpoint, bytes: Uint8Array, dontFragment: boolean): void;

  /** Connects from a TCP relay to a peer; answered by `peer-connected` or `peer-closed`. Tried for 30 seconds. */
  connectPeer(relay: RelayId, connection: ConnectionId, peer: RelayEndpoint): void;
  /** Takes a peer's connection under this id. */
  acceptPeer(incoming: IncomingId, connection: ConnectionId): void;
  /** Closes a peer's connection that waits. */
  refusePeer(incoming: IncomingId): void;
  /**
   * From now on passes bytes between the peer's connection and this stream (TCP or TLS) of a client, beginning with what
   * both have sent already. No further `message` comes of the stream; when it ends, `peer-closed` is told and not
   * `client-closed`.
   */
  joinConnection(connection: ConnectionId, client: RelayClient): void;
  /** Closes the peer's connection and the client's stream that is joined to it. */
  closeConnection(connection: ConnectionId): void;
}
