import { equalBytes, fromUtf8, type Hmac, type NowMs } from '@conclave/bytes';
import {
  attributeType,
  findAttribute,
  longTermKey,
  type StunBuilder,
  type StunMessage,
  verifyIntegrity,
  verifyIntegritySha256,
} from '@conclave/stun';
import type { FiveTuple } from './five-tuple.ts';
import {
  decodePasswordAlgorithms,
  encodePasswordAlgorithms,
  type KeyHashes,
  type PasswordAlgorithm,
  passwordAlgorithmNumbers,
} from './password-algorithm.ts';
import type { StatelessNonce } from './stateless-nonce.ts';
import type { TurnCredentialSource } from './turn-credentials.ts';

/** Who sent a request, proven by its integrity. */
export interface AuthenticatedUser {
  readonly username: string;
  readonly quotaKey: string;
  /** Long-term key. */
  readonly key: Uint8Array;
  readonly algorithm: PasswordAlgorithm;
  /** Whether the request was made with MESSAGE-INTEGRITY-SHA256, as then the response must be. */
  readonly sha256: boolean;
}

/** Why a request was not accepted: the error code to answer (RFC 8489 §9.2.4). */
export type AuthenticationFailure = 400 | 401 | 438;

/** The keyed hashes of message integrity. */
export interface IntegrityHashes extends KeyHashes {
  readonly hmacSha1: Hmac;
  readonly hmacSha256: Hmac;
}

const OFFERED: Uint8Array = encodePasswordAlgorithms(['sha256', 'md5']);

/**
 * The long-term credential mechanism on the server's side (RFC 8489 §9.2.4), without memory of clients. The
 * cheap checks come first: a request without a nonce of ours costs no password hash.
 */
export class Authenticator {
  readonly #realm: string;
  readonly #nonce: StatelessNonce;
  readonly #users: TurnCredentialSource;
  readonly #hashes: IntegrityHashes;

  constructor(realm: string, nonce: StatelessNonce, users: TurnCredentialSource, hashes: IntegrityHashes) {
    this.#realm = realm;
    this.#nonce = nonce;
    this.#users = users;
    this.#hashes = hashes;
  }

  /**
   * Who sent this request, or the error code to refuse it with. Throws FormatError on text that is not UTF-8.
   *
   * @param known the user that owns what the request is about: their key goes on to be accepted after the
   *   credential expired or its secret was replaced, so that a long call is not cut
   */
  check(
    now: NowMs,
    unixTimeMs: number,
    tuple: FiveTuple,
    message: StunMessage,
    known: AuthenticatedUser | undefined,
  ): AuthenticatedUser | AuthenticationFailure {
    const sha256 = message.integritySha256Offset !== undefined;
    if (!sha256 && message.integrityOffset === undefined) return 401;
    const nonce = findAttribute(message, attributeType.nonce);
    const name = findAttribute(message, attributeType.username);
    const hash = findAttribute(message, attributeType.userhash);
    if (!nonce || !(name || hash) || !findAttribute(message, attributeType.realm)) return 400;
    if (nonce.length > 128 || !this.#nonce.isValid(now, tuple, fromUtf8(nonce))) return 438;
    const algorithm = chosenAlgorithm(message);
    if (!algorithm) return 400;
    const username = name ? fromUtf8(name) : this.#users.usernameOfHash(hash!);
    if (username === undefined) return 401;
    if (known && known.username === username && known.algorithm === algorithm) {
      if (this.#matches(message, known.key, sha256)) return { ...known, sha256 };
    }
    const user = this.#users.user(username, unixTimeMs);
    for (const password of user?.passwords ?? []) {
      const key = longTermKey(username, this.#realm, password.reveal(), this.#hashes[algorithm]);
      if (this.#matches(message, key, sha256)) {
        return { username, quotaKey: user!.quotaKey, key, algorithm, sha256 };
      }
    }
    return 401;
  }

  /** Adds what a 401 or 438 must tell (RFC 8489 §9.2.4) to a response being built. */
  challenge(now: NowMs, tuple: FiveTuple, response: StunBuilder): void {
    response
      .text(attributeType.realm, this.#realm)
      .text(attributeType.nonce, this.#nonce.issue(now, tuple))
      .attribute(attributeType.passwordAlgorithms, OFFERED);
  }

  /** Seals a response to this user the way the request was sealed. */
  seal(user: AuthenticatedUser, response: StunBuilder): void {
    if (user.sha256) response.integritySha256(user.key, this.#hashes.hmacSha256);
    else response.integrity(user.key, this.#hashes.hmacSha1);
  }

  #matches(message: StunMessage, key: Uint8Array, sha256: boolean): boolean {
    return sha256
      ? verifyIntegritySha256(message, key, this.#hashes.hmacSha256)
      : verifyIntegrity(message, key, this.#hashes.hmacSha1);
  }
}

/**
 * The algorithm of a request, or `undefined` when somebody tampered with the offer it answers: both
 * attributes or none must be there, and the list must be ours to the byte (RFC 8489 §9.2.4).
 */
function chosenAlgorithm(message: StunMessage): PasswordAlgorithm | undefined {
  const offered = findAttribute(message, attributeType.passwordAlgorithms);
  const chosen = findAttribute(message, attributeType.passwordAlgorithm);
  if (!offered && !chosen) return 'md5';
  if (!offered || !chosen || !equalBytes(offered, OFFERED)) return undefined;
  const numbers = decodePasswordAlgorithms(chosen);
  if (numbers.length !== 1) return undefined;
  if (numbers[0] === passwordAlgorithmNumbers.sha256) return 'sha256';
  return numbers[0] === passwordAlgorithmNumbers.md5 ? 'md5' : undefined;
}
