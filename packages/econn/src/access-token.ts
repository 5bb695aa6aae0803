import { equalBytesConstantTime, type Hmac, Secret, toBase64, toUtf8 } from '@conclave/bytes';

/** Longest user name of a token that is looked at. Real ones have about 70 characters. */
export const MAX_TOKEN_USERNAME_LENGTH = 511;

/**
 * What a token is worth. `start`: may start conferences and join. `join`: may join. `expired`: was meant for an
 * earlier time. `invalid`: missing, malformed, or not made with one of our secrets.
 */
export type TokenVerdict = 'start' | 'join' | 'expired' | 'invalid';

/** What {@link verifyToken} needs. */
export interface TokenCheck {
  /** From the request; undefined when it had none. */
  readonly username: string | undefined;
  /** From the request; undefined when it had none. */
  readonly credential: Secret<string> | undefined;
  /** Secrets shared with the issuer. More than one while they are being rotated; any of them makes a token valid. */
  readonly secrets: readonly Secret<Uint8Array>[];
  /** Wall clock in seconds since 1970. */
  readonly nowSeconds: number;
  readonly hmacSha512: Hmac;
}

/**
 * Judges an access token: a user name `d=<expiry>.v=1.k=<n>.s=<0|1>.r=<letters and digits>`, which may have text
 * around it, and as credential the base64 HMAC-SHA-512 of the whole user name.
 *
 * The expiry is looked at first, so that a client with an old token learns that it is old. All secrets are tried and
 * compared in constant time: the time taken tells nothing about the proof.
 */
export function verifyToken(check: TokenCheck): TokenVerdict {
  const { username, credential } = check;
  if (username === undefined || username.length > MAX_TOKEN_USERNAME_LENGTH) return 'invalid';
  const match = /d=([0-9]{1,20})\.v=1\.k=[0-9]{1,10}\.s=([0-9]{1,10})\.r=[a-z0-9]*/.exec(username);
  if (match === null) return 'invalid';
  if (Number(match[1]) < check.nowSeconds) return 'expired';
  if (credential === undefined) return 'invalid';
  const given = toUtf8(credential.reveal());
  let matches = 0;
  for (const secret of check.secrets) {
    const expected = toUtf8(proofOf(username, secret, check.hmacSha512));
    matches |= equalBytesConstantTime(given, expected) ? 1 : 0;
  }
  if (matches === 0) return 'invalid';
  return Number(match[2]) === 1 ? 'start' : 'join';
}

/** What {@link issueToken} needs. */
export interface TokenGrant {
  /** When it expires, in seconds since 1970. */
  readonly expiresAtSeconds: number;
  /** Whether its owner may start conferences. */
  readonly mayStart: boolean;
  /** Lower-case letters and digits that stand for the owner or are random. */
  readonly owner: string;
  /** Number of the secret, for issuers that have several. Default 0; not looked at when verifying. */
  readonly keyIndex?: number;
  readonly secret: Secret<Uint8Array>;
  readonly hmacSha512: Hmac;
}

/** An access token as a client sends it. */
export interface AccessToken {
  readonly username: string;
  readonly credential: Secret<string>;
}

/** Makes an access token. Throws `RangeError` when the owner has other characters than lower-case letters and digits. */
export function issueToken(grant: TokenGrant): AccessToken {
  if (!/^[a-z0-9]{0,256}$/.test(grant.owner)) {
    throw new RangeError('the owner of a token is at most 256 lower-case letters and digits');
  }
  const may = grant.mayStart ? 1 : 0;
  const username = `d=${Math.floor(grant.expiresAtSeconds)}.v=1.k=${grant.keyIndex ?? 0}.s=${may}.r=${grant.owner}`;
  return { username, credential: new Secret(proofOf(username, grant.secret, grant.hmacSha512)) };
}

function proofOf(username: string, secret: Secret<Uint8Array>, hmacSha512: Hmac): string {
  return toBase64(hmacSha512(secret.reveal(), toUtf8(username)));
}
