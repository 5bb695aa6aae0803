import type { Secret } from '@conclave/bytes';
import {
  attributeType,
  findAttribute,
  longTermKey,
  type StunBuilder,
  type StunMessage,
  textAttribute,
  verifyIntegrity,
  verifyIntegritySha256,
} from '@conclave/stun';
import type { IntegrityHashes } from './authentication.ts';
import {
  decodePasswordAlgorithms,
  encodePasswordAlgorithms,
  type PasswordAlgorithm,
  passwordAlgorithmNumbers,
} from './password-algorithm.ts';
import { nonceFeatures } from './stateless-nonce.ts';

/** The long-term credential mechanism on the client's side (RFC 8489 §9.2.3 and §9.2.5). */
export class ClientCredential {
  readonly #username: string;
  readonly #password: Secret<string>;
  readonly #hashes: IntegrityHashes;
  #realm = '';
  #nonce = '';
  #offered: Uint8Array | undefined;
  #algorithm: PasswordAlgorithm = 'md5';
  #key: Uint8Array | undefined;

  constructor(username: string, password: Secret<string>, hashes: IntegrityHashes) {
    this.#username = username;
    this.#password = password;
    this.#hashes = hashes;
  }

  /** The key, once a server's challenge was accepted. */
  get key(): Uint8Array | undefined {
    return this.#key;
  }

  /** Forgets the challenge: another server makes its own. */
  reset(): void {
    this.#key = undefined;
  }

  /**
   * Takes realm, nonce and algorithm from a 401 or 438. Returns `false` when something is missing, or when the
   * nonce says that algorithms are offered and the offer was taken out on the way (RFC 8489 §9.2.5). Throws
   * FormatError on malformed attributes.
   */
  accept(response: StunMessage): boolean {
    const realm = textAttribute(response, attributeType.realm) ?? (this.#key ? this.#realm : undefined);
    const nonce = textAttribute(response, attributeType.nonce);
    if (realm === undefined || nonce === undefined) return false;
    const features = nonceFeatures(nonce);
    const offered = findAttribute(response, attributeType.passwordAlgorithms);
    if (features?.passwordAlgorithms && !offered) return false;
    // Without the bit in the nonce the offer is not what this server's nonce vouches for.
    const numbers = features?.passwordAlgorithms ? decodePasswordAlgorithms(offered!) : undefined;
    const algorithm = numbers ? firstKnown(numbers) : 'md5';
    if (!algorithm) return false;
    this.#realm = realm;
    this.#nonce = nonce;
    this.#offered = numbers && offered!.slice();
    this.#algorithm = algorithm;
    this.#key = longTermKey(this.#username, realm, this.#password.reveal(), this.#hashes[algorithm]);
    return true;
  }

  /** Adds the credential and the integrity to a request, if there was a challenge. */
  seal(request: StunBuilder): void {
    if (!this.#key) return;
    request
      .text(attributeType.username, this.#username)
      .text(attributeType.realm, this.#realm)
      .text(attributeType.nonce, this.#nonce);
    if (!this.#offered) {
      request.integrity(this.#key, this.#hashes.hmacSha1);
      return;
    }
    request
      .attribute(attributeType.passwordAlgorithms, this.#offered)
      .attribute(attributeType.passwordAlgorithm, encodePasswordAlgorithms([this.#algorithm]))
      .integritySha256(this.#key, this.#hashes.hmacSha256);
  }

  /** Whether a response to a request sealed with `key` comes from somebody who knows it. */
  isAuthentic(response: StunMessage, key: Uint8Array): boolean {
    if (response.integritySha256Offset !== undefined) {
      return verifyIntegritySha256(response, key, this.#hashes.hmacSha256);
    }
    // A request with SHA-256 must not be answered with less (RFC 8489 §9.2.5).
    return !this.#offered && verifyIntegrity(response, key, this.#hashes.hmacSha1);
  }
}

function firstKnown(numbers: readonly number[]): PasswordAlgorithm | undefined {
  for (const number of numbers) {
    if (number === passwordAlgorithmNumbers.sha256) return 'sha256';
    if (number === passwordAlgorithmNumbers.md5) return 'md5';
  }
  return undefined;
}
