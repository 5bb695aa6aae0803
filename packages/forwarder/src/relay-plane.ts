import type { NowMs } from '@conclave/bytes';
import type {
  RelayClient,
  RelayEndpoint,
  RelayEvent,
  RelayId,
  RelayTable,
  RelayTotals,
  RelayTransport,
} from './relay-table.ts';

/** Where clients may come. The address is one of the machine's own; the unspecified one throws `TypeError`. */
export interface RelayListener extends RelayEndpoint {
  readonly transport: RelayTransport;
}

/** Address from which relays are made. */
export interface RelayAddress {
  /** One of the machine's own; at most one of each family is used. */
  readonly address: string;
  /** Range of the ports of relays that have their own, both ends included; taken in random order. */
  readonly firstPort: number;
  readonly lastPort: number;
  /**
   * Present: relays without special wishes share one port for each thread, this one for the first thread, the next for
   * the second and so on; 0 takes any free ones. One thread thus needs exactly one port of the family.
   */
  readonly sharedPort?: number;
}

/** Certificate chain (leaf first) and private key, both PEM. */
export interface RelayCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** Sizes and limits of the plane. */
export interface RelayPlaneOptions {
  readonly listeners: readonly RelayListener[];
  readonly relayAddresses: readonly RelayAddress[];
  /** Needed when a listener is TLS or DTLS. */
  readonly certificate?: RelayCertificate;
  /**
   * Threads, 1 to 64; every listener is served by all, the kernel spreads clients over them. More use more cores.
   * Default 1.
   */
  readonly threads?: number;
  /** Called with everything that happened since the last call; exceptions it throws are not caught. */
  readonly onEvents: (events: readonly RelayEvent[]) => void;
  /** Client connections (TCP, TLS, DTLS) at once, and those of one address (IPv6: /64). Default 16384 and 256. */
  readonly maxConnections?: number;
  readonly maxConnectionsPerAddress?: number;
  /**
   * Time from accepting to the first whole message, TLS or DTLS handshake included. Lower: clients on slow links fail;
   * higher: silent connections hold places longer. Default 10 s.
   */
  readonly handshakeTimeoutMs?: number;
  /**
   * Silence after which a connection without relay and not joined is closed. Lower frees places sooner. Default 60 s.
   */
  readonly idleTimeoutMs?: number;
  /**
   * Messages a second, and at once, that go up from one address (IPv6: /64) without a relay. Lower: a flood costs the
   * control plane less; higher: more people behind one address can start at the same moment. Default 1000.
   */
  readonly messagesPerSecond?: number;
  /**
   * Ports of peers to which clients may send datagrams, both ends included, whatever is permitted by address: a server that
   * relays to few services leaves all others of their machines alone. Default all.
   */
  readonly peerPorts?: { readonly first: number; readonly last: number };
  /** Bytes queued to one stream before data to it is dropped. Lower: less delay; higher: less loss. Default 262144. */
  readonly streamQueueBytes?: number;
  /** Size asked for with SO_RCVBUF and SO_SNDBUF of listeners and shared ports. Default 4194304. */
  readonly socketBufferBytes?: number;
  /** The same of single relays. Higher takes bursts, and memory only while they wait. Default 262144. */
  readonly relayBufferBytes?: number;
  /** See `ForwarderOptions.segmentationOffload`. Default true. */
  readonly segmentationOffload?: boolean;
  /**
   * Time that packets may gather before they are read, while a thread has more than about 4000 a second: it wakes up less
   * often, and sends more at once. At most 10. Lower: less delay; higher: less work for each packet. Default 0.5.
   */
  readonly gatherMs?: number;
}

/** The relay plane itself. */
export interface RelayPlane extends RelayTable {
  /** The listeners as bound, in the order asked for. */
  readonly listeners: readonly RelayListener[];
  /** Used for handshakes from now on. Throws `TypeError` when it cannot be read or key and certificate do not match. */
  setCertificate(certificate: RelayCertificate): void;
  /** Totals of all open UDP and TCP relays. */
  readTotals(): RelayTotals[];
  /**
   * Totals by name, all there from the beginning and never falling but `connections`, `relays`, `permissions` and
   * `channels`, which tell what there is now. `received_packets`, `received_bytes`, `sent_packets` and `sent_bytes`
   * (from and to clients and peers), `handshakes`, `handshakes_failed`, and `dropped_<reason>`: `malformed`, `oversize`,
   * `message_rate`, `connection_limit`, `handshake_timeout`, `no_relay`, `no_channel`, `no_permission`, `peer_port`,
   * `unknown_attribute`, `bandwidth`, `queue_full`, `receive_queue` (by the kernel), `socket_error`, `no_client`,
   * `ambiguous_peer`, `claim_limit`.
   */
  readCounters(): Record<string, number>;
  /** Stops the threads and closes everything. Idempotent. No event is delivered afterwards. */
  close(): void;
}

/** What a {@link RelayHarness} step sent: to a client, or from a relay to a peer. */
export type RelaySent =
  | { readonly to: 'client'; readonly client: RelayClient; readonly bytes: Uint8Array }
  | {
      readonly to: 'peer';
      readonly relay: RelayId;
      readonly peer: RelayEndpoint;
      readonly bytes: Uint8Array;
      readonly dontFragment: boolean;
    };

/** Output of a {@link RelayHarness} step. */
export interface RelayHarnessOutput {
  readonly sent: readonly RelaySent[];
  readonly events: readonly RelayEvent[];
}

/**
 * The datagram rules of the relay plane without sockets, threads or clock, for comparing implementations byte by byte.
 * Every rule call takes effect at once, at the time of the latest step; what it makes happen comes out of the next step.
 * Every relay opens at once, as 192.0.2.1 or 2001:db8::1 and port relay id mod 65536. Clients are datagram clients of
 * any socket id. Nothing is shared; TCP relays are not known.
 */
export interface RelayHarness
  extends Pick<
    RelayTable,
    | 'openRelay'
    | 'closeRelay'
    | 'addPermission'
    | 'removePermission'
    | 'bindChannel'
    | 'unbindChannel'
    | 'sendToPeer'
  > {
  /** One datagram from a client. */
  receiveFromClient(now: NowMs, client: RelayClient, bytes: Uint8Array): RelayHarnessOutput;
  /** One datagram that came to a relay's port. */
  receiveFromPeer(now: NowMs, relay: RelayId, peer: RelayEndpoint, bytes: Uint8Array): RelayHarnessOutput;
  readTotals(): RelayTotals[];
  readCounters(): Record<string, number>;
}
