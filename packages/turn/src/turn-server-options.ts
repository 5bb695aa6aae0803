import type { Hmac, IpFamily, RandomBytes } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import type { IntegrityHashes } from './authentication.ts';
import { MAX_CHANNEL } from './channel-data.ts';
import type { PeerPolicy } from './peer-policy.ts';
import type { RelayQuotaLimits } from './relay-quota.ts';
import type { TurnCredentialSource } from './turn-credentials.ts';

/** Hashes a server needs; adapters bind them to the platform's crypto. */
export interface TurnServerHashes extends IntegrityHashes {
  readonly hmacSha1: Hmac;
  readonly hmacSha256: Hmac;
}

/** What a server is made of. */
export interface TurnServerOptions {
  /** REALM of all challenges. At most 763 bytes; short, for it makes every 401 longer. */
  readonly realm: string;
  /** Whether USERHASH is offered is asked of it once, when the server is made. */
  readonly users: TurnCredentialSource;
  readonly hashes: TurnServerHashes;
  readonly random: RandomBytes;
  /** Milliseconds since 1970, for the expiry of credentials only. */
  readonly unixTimeMs: () => number;
  /** Peers of all listeners that `listenerPolicies` does not name. */
  readonly peerPolicy: PeerPolicy;
  /** Peers of single listeners, by the server's side of the 5-tuple. */
  readonly listenerPolicies?: readonly { readonly local: TransportAddress; readonly policy: PeerPolicy }[];
  /** Address families with relay addresses. Default IPv4 alone. */
  readonly relayFamilies?: readonly IpFamily[];
  /** Whether the data plane can set the DF bit; otherwise DONT-FRAGMENT is unknown (420). Default false. */
  readonly dontFragment?: boolean;
  /** Whether TCP relays (RFC 6062) are offered. Default false. */
  readonly tcpRelays?: boolean;
  /** See {@link defaultTurnServerLimits}. */
  readonly limits?: Partial<TurnServerLimits>;
  /** Ports by user, source and in all. Default 64, 256 and 16000. */
  readonly quota?: Partial<RelayQuotaLimits>;
}

/** Numbers that may be tuned. */
export interface TurnServerLimits {
  /** Lifetime given when none or less is asked for. Lower frees ports of lost clients sooner. */
  readonly defaultLifetimeMs: number;
  /** Longest lifetime given. Higher saves refreshes and keeps ports of lost clients longer. */
  readonly maxLifetimeMs: number;
  /** How long a nonce is valid. Lower costs clients more round trips, higher gives replays longer. */
  readonly nonceLifetimeMs: number;
  /** Permissions of one allocation. Lower refuses conferences with many peers, higher costs memory. */
  readonly maxPermissions: number;
  /** Channels of one allocation, at most 4096. */
  readonly maxChannels: number;
  /**
   * Highest channel number that may be bound: 0x4FFF by RFC 8656, 0x7FFF to serve clients of RFC 5766 too, which take
   * any number up to that.
   */
  readonly maxChannelNumber: number;
  /** TCP connections of one allocation, joined or not. */
  readonly maxConnections: number;
  /** How long the data plane may take to open a relay before the client gets 508. */
  readonly openTimeoutMs: number;
  /** Most bytes a second of one allocation in each direction, told to the data plane; 0 for no limit. */
  readonly maxBytesPerSecond: number;
  /** Answers a second to one source's unauthenticated requests (401, 438, 400) and, apart, Bindings. */
  readonly answersPerSecond: number;
  /** How many of these at once. Lower slows people behind one NAT, higher lets more be reflected. */
  readonly answerBurst: number;
  /** Sources remembered for that. Lower lets floods outrun the limit, higher costs memory. */
  readonly maxSources: number;
}

/** Defaults of {@link TurnServerLimits}. */
export const defaultTurnServerLimits: TurnServerLimits = {
  defaultLifetimeMs: 600_000,
  maxLifetimeMs: 3_600_000,
  nonceLifetimeMs: 3_600_000,
  maxPermissions: 256,
  maxChannels: 256,
  maxChannelNumber: MAX_CHANNEL,
  maxConnections: 32,
  openTimeoutMs: 5_000,
  maxBytesPerSecond: 0,
  answersPerSecond: 20,
  answerBurst: 60,
  maxSources: 16_384,
};

/** Default of the quota option. */
export const defaultRelayQuota: RelayQuotaLimits = { perUser: 64, perSource: 256, total: 16_000 };

/** How long a permission lasts (RFC 8656 §9). */
export const PERMISSION_LIFETIME_MS = 300_000;

/** How long a channel binding lasts (RFC 8656 §12). */
export const CHANNEL_LIFETIME_MS = 600_000;

/** How long a reserved port is kept (RFC 8656 §7.2: at least 30 seconds). */
export const RESERVATION_LIFETIME_MS = 30_000;

/** How long a TCP connection to a peer may take, and then wait for its ConnectionBind (RFC 6062 §5.2, §5.3). */
export const CONNECTION_TIMEOUT_MS = 30_000;
