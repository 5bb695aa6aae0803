import { randomBytes } from 'node:crypto';
import { fromUtf8, Secret } from '@conclave/bytes';
import { readSecretFile } from '@conclave/service';
import { makeWireCredential, type TurnCredential } from '@conclave/turn';
import { turnHashes } from './turn-hashes.ts';

/** Makes time-limited credentials for a server that was given the same secret file. */
export class CredentialIssuer {
  readonly #secret: Secret<string>;

  /** Reads the file. Throws `ConclaveError` when it cannot be used. */
  constructor(secretFile: string) {
    this.#secret = new Secret(fromUtf8(readSecretFile(secretFile).reveal()));
  }

  /** A fresh credential that ends at this time, in seconds since 1970; allocations made with it live on. */
  issue(expiresAtUnixS: number): TurnCredential {
    return makeWireCredential(
      this.#secret,
      expiresAtUnixS,
      (size) => randomBytes(size),
      turnHashes.hmacSha512,
    );
  }
}
