import { type Hash, type Hmac, type RandomBytes, Secret, toBase64, toHex, toUtf8 } from '@conclave/bytes';

/** What a server knows of a username. */
export interface TurnUser {
  /** Every password that would be right, more than one while secrets rotate. */
  readonly passwords: readonly Secret<string>[];
  /** Whom the allocations count for: the name without its expiry where the form has one. */
  readonly quotaKey: string;
}

/** Source of users for the server's authentication. */
export interface TurnCredentialSource {
  /** The user of this name, or `undefined` when unknown, expired or malformed. */
  user(username: string, unixTimeMs: number): TurnUser | undefined;
  /** The name whose USERHASH this is (RFC 8489 §14.4), or `undefined`. */
  usernameOfHash(userhash: Uint8Array): string | undefined;
  /** Whether {@link TurnCredentialSource.usernameOfHash} finds every user: only then USERHASH is offered. */
  readonly knowsAllUsers: boolean;
}

/** The hashes that credentials need. */
export interface CredentialHashes {
  readonly hmacSha1: Hmac;
  readonly hmacSha512: Hmac;
  readonly sha256: Hash;
}

/** A username and its password. */
export interface TurnCredential {
  readonly username: string;
  readonly password: Secret<string>;
}

/** Longest username looked at, in characters. RFC 8489 §14.3 allows 508 bytes. */
const MAX_USERNAME = 508;

/** More secrets would make every wrong password cost the server one more hash each. */
const MAX_SECRETS = 8;

const wireForm = /^(sft-)?d=([0-9]{1,15})\.v=1\.k=[0-9]{1,10}\.t=[a-z0-9]{0,16}\.r=[-_a-zA-Z0-9]{0,128}$/;
const restForm = /^([0-9]{1,15})(?::(.{1,400}))?$/;

/**
 * Time-limited users of shared secrets, in both forms in use, and static users. The forms are told apart by
 * the name:
 * - `d=<expiry>.v=1.k=<n>.t=<type>.r=<random>`, also with `sft-` before it: base64 of HMAC-SHA-512;
 * - `<expiry>:<name>` or `<expiry>` alone: base64 of HMAC-SHA-1.
 *
 * The expiry is in seconds since 1970 and is enforced in both.
 */
export class TurnUsers implements TurnCredentialSource {
  readonly #realm: string;
  readonly #hashes: CredentialHashes;
  #secrets: readonly Secret<string>[] = [];
  #static = new Map<string, Secret<string>>();
  #byHash = new Map<string, string>();

  /** @param realm of the server, part of every USERHASH */
  constructor(realm: string, hashes: CredentialHashes) {
    this.#realm = realm;
    this.#hashes = hashes;
  }

  /** Replaces the shared secrets, at most 8; a credential made with any of them is good. RangeError over that. */
  setSharedSecrets(secrets: readonly Secret<string>[]): void {
    if (secrets.length > MAX_SECRETS) throw new RangeError(`at most ${MAX_SECRETS} shared secrets`);
    this.#secrets = [...secrets];
  }

  /** Replaces the static users. */
  setStaticUsers(users: readonly TurnCredential[]): void {
    this.#static = new Map(users.map((u) => [u.username, u.password]));
    this.#byHash = new Map(
      users.map((u) => [toHex(userhash(u.username, this.#realm, this.#hashes.sha256)), u.username]),
    );
  }

  get knowsAllUsers(): boolean {
    return this.#secrets.length === 0 && this.#static.size > 0;
  }

  user(username: string, unixTimeMs: number): TurnUser | undefined {
    if (username.length > MAX_USERNAME) return undefined;
    const known = this.#static.get(username);
    if (known) return { passwords: [known], quotaKey: username };
    const wire = wireForm.exec(username);
    const rest = wire ? undefined : restForm.exec(username);
    const expiry = wire?.[2] ?? rest?.[1];
    if (expiry === undefined || Number(expiry) * 1000 <= unixTimeMs || this.#secrets.length === 0)
      return undefined;
    const hmac = wire ? this.#hashes.hmacSha512 : this.#hashes.hmacSha1;
    return {
      passwords: this.#secrets.map((secret) => timeLimitedPassword(username, secret, hmac)),
      quotaKey: rest?.[2] ?? username,
    };
  }

  usernameOfHash(hash: Uint8Array): string | undefined {
    return this.#byHash.get(toHex(hash));
  }
}

/** Value of USERHASH: SHA-256 of `username:realm` (RFC 8489 §14.4). */
export function userhash(username: string, realm: string, sha256: Hash): Uint8Array {
  return sha256(toUtf8(`${username}:${realm}`));
}

/** Password of a time-limited username: base64 of its HMAC under the shared secret's UTF-8 bytes. */
export function timeLimitedPassword(username: string, secret: Secret<string>, hmac: Hmac): Secret<string> {
  return new Secret(toBase64(hmac(toUtf8(secret.reveal()), toUtf8(username))));
}

/**
 * A fresh credential in Wire's form.
 *
 * @param prefix `sft-` for a server's own, empty for a client's
 */
export function makeWireCredential(
  secret: Secret<string>,
  expiresAtUnixS: number,
  random: RandomBytes,
  hmacSha512: Hmac,
  prefix: '' | 'sft-' = '',
): TurnCredential {
  const username = `${prefix}d=${Math.floor(expiresAtUnixS)}.v=1.k=0.t=s.r=${toHex(random(16))}`;
  return { username, password: timeLimitedPassword(username, secret, hmacSha512) };
}

/** A fresh credential in the REST form. */
export function makeRestCredential(
  secret: Secret<string>,
  expiresAtUnixS: number,
  name: string,
  hmacSha1: Hmac,
): TurnCredential {
  const username = `${Math.floor(expiresAtUnixS)}:${name}`;
  return { username, password: timeLimitedPassword(username, secret, hmacSha1) };
}
