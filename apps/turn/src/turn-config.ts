import type { LogLevel, TlsFiles } from '@conclave/service';
import type { TransportAddress } from '@conclave/stun';
import type { TurnTransport } from '@conclave/turn';
import type { RunningTurn } from './running-turn.ts';

/** One thing to listen on. Port 0 lets the system choose. An unspecified address stands for all of this machine. */
export interface TurnListener extends TransportAddress {
  readonly transport: TurnTransport;
}

/** A peer range, and the one listener it is about; without, it is about all. */
export interface PeerRule {
  /** `address`, `address/prefix` or `first-last`. */
  readonly range: string;
  readonly listener: TransportAddress | undefined;
}

/** Bounds on what clients may cost. Beyond one of them a client is refused; those inside are not touched. */
export interface TurnLimits {
  /** Relay ports of one user. Lower refuses users with many devices, higher lets one take more of the range. */
  readonly allocationsPerUser: number;
  /** Relay ports of one IPv4 address or IPv6 /64. Lower refuses people behind one NAT. */
  readonly allocationsPerAddress: number;
  /** Relay ports in all. */
  readonly allocations: number;
  /** Bytes a second of one allocation in each direction; 0 for no limit. */
  readonly bytesPerSecond: number;
  /** Answers a second to the unauthenticated requests of one address; higher lets more be reflected. */
  readonly answersPerSecond: number;
  /** TCP and TLS connections and DTLS sessions of one address. Lower refuses people behind one NAT. */
  readonly connectionsPerAddress: number;
  /** TCP and TLS connections and DTLS sessions in all. */
  readonly connections: number;
}

/** Everything a TURN server is told at its start. */
export interface TurnConfig {
  readonly listeners: readonly TurnListener[];
  /** Addresses that relays are bound to, at most one of each family; empty for those of the listeners. */
  readonly relayAddresses: readonly string[];
  /** What clients are told instead of the relay addresses, at most one of each family: for 1:1 NAT. */
  readonly publicAddresses: readonly string[];
  /** Ports of relays, both ends included. */
  readonly relayPorts: { readonly first: number; readonly last: number };
  /** One port that all relays of a family share, or `undefined` for a port of their own each. */
  readonly sharedRelayPort: number | undefined;
  /** REALM of all challenges. */
  readonly realm: string;
  /** Files of the secrets that time-limited credentials are made with, all valid at once. */
  readonly secretFiles: readonly string[];
  /** File with static users. */
  readonly userFile: string | undefined;
  /** Certificate of the TLS and DTLS listeners. */
  readonly tls: TlsFiles | undefined;
  readonly allowPeers: readonly PeerRule[];
  /** Whether relays reach no other peers than the allowed ones. */
  readonly allowedPeersOnly: boolean;
  readonly denyPeers: readonly PeerRule[];
  /** UDP ports of peers that relays may send to, both ends included; `undefined` for all. */
  readonly peerPorts: { readonly first: number; readonly last: number } | undefined;
  /** Whether channel numbers from 0x5000 on are refused, as RFC 8656 has it and RFC 5766 had not. */
  readonly strictChannels: boolean;
  /** Whether TCP relays (RFC 6062) are offered. */
  readonly tcpRelays: boolean;
  /** Longest lifetime of an allocation between two refreshes. */
  readonly maxLifetimeMs: number;
  readonly limits: TurnLimits;
  /** Where clients are sent while this server drains. */
  readonly alternates: readonly TransportAddress[];
  /** How long a draining server waits for its allocations to end. */
  readonly drainDeadlineMs: number;
  /** Threads that relay, at least 1. */
  readonly workers: number;
  /**
   * Where operators read metrics. Not for the public. `undefined` when another server of the process shows them beside its
   * own, by {@link RunningTurn.renderMetrics}.
   */
  readonly metrics: TransportAddress | undefined;
  readonly log: { readonly level: LogLevel; readonly filePrefix: string | undefined };
  /** Between looks at certificate, secret and user files, in milliseconds. */
  readonly fileCheckIntervalMs: number;
}
