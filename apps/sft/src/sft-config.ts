import type { BlacklistEntry } from '@conclave/econn';
import type { PacketSending } from '@conclave/forwarder';
import type { LogLevel, TlsFiles } from '@conclave/service';

/** An address and port to listen on. */
export interface ListenAddress {
  /** IPv4 or IPv6 address. */
  readonly address: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Bounds on what callers may cost. Beyond one of them a caller is refused; those inside are not touched. */
export interface SftLimits {
  /** Conferences at a time. */
  readonly maxConferences: number;
  /** Clients in one conference. */
  readonly maxParticipantsPerConference: number;
  /** Clients in all conferences. */
  readonly maxParticipants: number;
  /**
   * Video slots of one client. Each adds about 1.1 kB to the offer, of which older clients read 16,384 bytes.
   */
  readonly maxVideoSlots: number;
  /**
   * Requests a second of one address (an IPv6 /64 counts as one), in the long run. Many callers behind one
   * address translator or one proxy that is not trusted share it.
   */
  readonly requestsPerSecond: number;
  /** Requests of one address that may come at once. */
  readonly requestBurst: number;
  /** Addresses whose requests are remembered. */
  readonly maxTrackedAddresses: number;
  /** Open signalling connections. */
  readonly maxConnections: number;
}

/** Waiting times of signalling, in milliseconds. */
export interface SftTimings {
  /** Until a request without an offer is given up with an error. Clients give up after 10 to 15 s themselves. */
  readonly offerTimeoutMs: number;
  /** Until a caller that got an offer and sends no answer is dropped. */
  readonly answerTimeoutMs: number;
  /** The same for a re-offer to a running call. */
  readonly updateAnswerTimeoutMs: number;
  /** For the headers and the body of a request to arrive. */
  readonly requestTimeoutMs: number;
  /** Until an idle signalling connection is closed. */
  readonly keepAliveMs: number;
  /** Between looks at certificate and secret files. */
  readonly fileCheckIntervalMs: number;
}

/** How media is protected between this server and a client: the profiles of RFC 5764 and RFC 7714 that are used. */
export type SrtpProfileName = 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-cm-sha1-80';

/** All profiles, in the order in which a server that was told nothing prefers them: the cheapest first. */
export const srtpProfileNames: readonly SrtpProfileName[] = [
  'aes-128-gcm',
  'aes-256-gcm',
  'aes-128-cm-sha1-80',
];

/** PEM files with which this server shows other servers who it is, and those have to. */
export interface FederationFiles extends TlsFiles {
  /** Certificates of the authorities that other servers' certificates have to be of. */
  readonly authorityPath: string;
}

/** Everything an SFT is told at its start. */
export interface SftConfig {
  /** Where clients send their requests. */
  readonly signalling: ListenAddress & {
    /** HTTPS with this certificate; without it plain HTTP, for use behind a proxy. */
    readonly tls: TlsFiles | undefined;
  };
  /** Where operators read metrics. Not for the public. */
  readonly metrics: ListenAddress;
  /** Where operators see running calls; undefined: nowhere. Needs a token unless the address is a loopback one. */
  readonly admin: (ListenAddress & { readonly tokenFile: string | undefined }) | undefined;
  /** The URL at which clients reach this very server; it is announced to them. Without a slash at the end. */
  readonly url: string;
  /** Public addresses in candidates, at most one of each IP version; empty to announce the local ones. */
  readonly publicAddresses: readonly string[];
  /** Network interfaces that media uses; empty for all but loopback. */
  readonly interfaces: readonly string[];
  /** Port of the first media thread, UDP and TCP; thread n uses this plus n. */
  readonly mediaPort: number;
  /** Media threads, at least 1. */
  readonly workers: number;
  /** Accepted protections of media, the most wanted first; at least one. */
  readonly srtpProfiles: readonly SrtpProfileName[];
  /** Folder of the built meeting page, served under `/`; undefined to serve none. */
  readonly webFolder: string | undefined;
  readonly auth: {
    /** Callers need a token. */
    readonly required: boolean;
    /** Files of the secrets that tokens are made with, all valid at once. */
    readonly secretFiles: readonly string[];
  };
  /** Client versions that are refused. */
  readonly blacklist: readonly BlacklistEntry[];
  /** Gather relayed candidates from the TURN servers that a caller names. */
  readonly turnDiscovery: boolean;
  /** URL of the TURN server that carries links to other SFTs. */
  readonly federationTurn: string | undefined;
  /** Conferences shared with servers of other domains; undefined: none. */
  readonly federation:
    | {
        /** UDP port of links of the first media thread; thread n uses this plus n. */
        readonly port: number;
        readonly files: FederationFiles;
        /** Domains with which conferences may be shared, names below them included. */
        readonly domains: readonly string[];
        /** Special-purpose addresses where partners may be all the same. */
        readonly allowedAddresses: readonly string[];
      }
    | undefined;
  /** Other servers of the same installation, which take conferences over; undefined: none. Needs `federation`. */
  readonly sisters:
    | {
        /** URLs by which clients reach them, without a slash at the end. */
        readonly urls: readonly string[];
        /** Files of the secret that all share, the one in use first. */
        readonly secretFiles: readonly string[];
        /** Clients led to another server each second when this one ends. */
        readonly clientsPerSecond: number;
      }
    | undefined;
  /** Least spacing of key-frame requests to one sender. */
  readonly keyFrameIntervalMs: number;
  /** How packets are handed to the kernel. */
  readonly packetSending: PacketSending;
  readonly log: { readonly level: LogLevel; readonly filePrefix: string | undefined };
  readonly limits: SftLimits;
  /** Origins that browsers may call from; `*` alone is any. */
  readonly cors: { readonly origins: readonly string[] };
  /** Proxies, by address or block, whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  readonly timings: SftTimings;
}

/** The limits of a server that was told nothing. */
export const defaultSftLimits: SftLimits = {
  maxConferences: 2000,
  maxParticipantsPerConference: 500,
  maxParticipants: 5000,
  maxVideoSlots: 12,
  requestsPerSecond: 50,
  requestBurst: 500,
  maxTrackedAddresses: 20_000,
  maxConnections: 10_000,
};

/** The waiting times of a server that was told nothing. */
export const defaultSftTimings: SftTimings = {
  offerTimeoutMs: 10_000,
  answerTimeoutMs: 10_000,
  updateAnswerTimeoutMs: 60_000,
  requestTimeoutMs: 10_000,
  keepAliveMs: 600_000,
  fileCheckIntervalMs: 5_000,
};
