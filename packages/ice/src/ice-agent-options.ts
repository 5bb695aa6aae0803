import type { Hmac, RandomBytes } from '@conclave/bytes';
import type { IceRole } from './binding-message.ts';
import type { IceCandidate } from './ice-candidate.ts';
import type { IceLimits, IceTimings } from './ice-timings.ts';

/** What an agent is made of. */
export interface IceAgentOptions {
  /** The side that made the offer is controlling (RFC 8445 §6.1.1); a conflict may turn it round. */
  readonly role: IceRole;
  readonly localUfrag: string;
  readonly localPwd: string;
  /** Unsigned 32-bit number that starts every transaction id of this agent; unique behind one mux. */
  readonly transactionTag: number;
  readonly random: RandomBytes;
  readonly hmacSha1: Hmac;
  readonly timings?: Partial<IceTimings>;
  readonly limits?: Partial<IceLimits>;
}

/** Credentials and candidates of the peer, from its SDP. */
export interface IceRemote {
  readonly ufrag: string;
  readonly pwd: string;
  readonly candidates: readonly IceCandidate[];
}
