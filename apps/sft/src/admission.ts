import type { Hmac, Secret } from '@conclave/bytes';
import {
  type BlacklistEntry,
  type ConnectMessage,
  ConnectStatus,
  type ConversationHash,
  isBlacklisted,
  parseToolVersion,
  type TokenVerdict,
  verifyToken,
} from '@conclave/econn';
import type { ConferenceHost } from './conference-host.ts';
import type { SftLimits } from './sft-config.ts';

/** Why a caller is not let in; a label of the metrics. */
export type AdmissionRefusal =
  | 'draining'
  | 'version-blacklisted'
  | 'auth-invalid'
  | 'auth-expired'
  | 'may-not-start'
  | 'conference-full'
  | 'server-full'
  | 'too-many-conferences';

/** Whether a caller may come in. */
export type AdmissionDecision =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly reason: AdmissionRefusal };

/** What {@link Admission} needs. */
export interface AdmissionOptions {
  readonly host: ConferenceHost;
  readonly blacklist: readonly BlacklistEntry[];
  /** Callers need a token made with one of the secrets. */
  readonly authRequired: boolean;
  /** The secrets at this moment; asked for at every request, since their files may change. */
  readonly secrets: () => readonly Secret<Uint8Array>[];
  readonly limits: Pick<SftLimits, 'maxConferences' | 'maxParticipantsPerConference' | 'maxParticipants'>;
  readonly hmacSha512: Hmac;
  /** Wall clock in seconds since 1970. */
  readonly nowSeconds: () => number;
}

const ADMITTED: AdmissionDecision = { admitted: true };

/** The only place that decides who comes into conferences. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * A caller without a call. In order: no one new while draining; no outdated client; a token that lets its
   * owner start, or join when the conference exists; room.
   */
  admitNew(conversation: ConversationHash, request: ConnectMessage): AdmissionDecision {
    const { host, blacklist, limits } = this.#options;
    if (host.draining) return refuse('draining');
    if (isBlacklisted(blacklist, parseToolVersion(request.toolVersion))) return refuse('version-blacklisted');
    const exists = host.hasConference(conversation);
    const token = this.#judgeToken(request);
    if (token === 'invalid') return refuse('auth-invalid');
    if (token === 'expired') return refuse('auth-expired');
    if (token === 'join' && !exists) return refuse('may-not-start');
    const { conferences, participants } = host.usage;
    if (participants >= limits.maxParticipants) return refuse('server-full');
    if (!exists && conferences >= limits.maxConferences) return refuse('too-many-conferences');
    if (host.participantsIn(conversation) >= limits.maxParticipantsPerConference)
      return refuse('conference-full');
    return ADMITTED;
  }

  /** A caller that has a call and wants a new offer. It has its place already, but needs a token that is good. */
  admitKnown(request: ConnectMessage): AdmissionDecision {
    const token = this.#judgeToken(request);
    if (token === 'invalid') return refuse('auth-invalid');
    if (token === 'expired') return refuse('auth-expired');
    return ADMITTED;
  }

  #judgeToken(request: ConnectMessage): TokenVerdict {
    const { authRequired, secrets, hmacSha512, nowSeconds } = this.#options;
    if (!authRequired) return 'start';
    return verifyToken({
      username: request.username,
      credential: request.credential,
      secrets: secrets(),
      nowSeconds: nowSeconds(),
      hmacSha512,
    });
  }
}

/** What a refused client is told, as a status that it understands. Draining is told by HTTP instead. */
export function statusOfRefusal(
  reason: Exclude<AdmissionRefusal, 'draining'>,
): Exclude<ConnectStatus, typeof ConnectStatus.ok> {
  switch (reason) {
    case 'version-blacklisted':
      return ConnectStatus.versionBlacklisted;
    case 'auth-invalid':
      return ConnectStatus.authInvalid;
    case 'auth-expired':
      return ConnectStatus.authExpired;
    case 'may-not-start':
      return ConnectStatus.mayNotStart;
    // No status says "full"; this is the one for quotas, and all clients end the attempt at once.
    case 'conference-full':
    case 'server-full':
    case 'too-many-conferences':
      return ConnectStatus.authLimit;
  }
}

function refuse(reason: AdmissionRefusal): AdmissionDecision {
  return { admitted: false, reason };
}
