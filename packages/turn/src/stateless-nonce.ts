import {
  ByteWriter,
  equalBytesConstantTime,
  fromBase64,
  type Hmac,
  type NowMs,
  toBase64,
  toUtf8,
} from '@conclave/bytes';
import { type FiveTuple, fiveTupleKey } from './five-tuple.ts';

/** Starts a nonce that says which security features the server has (RFC 8489 §9.2). */
export const NONCE_COOKIE = 'obMatJos2';

/** Bits of the security feature set in a nonce (RFC 8489 §18.1). */
export interface NonceFeatures {
  /** PASSWORD-ALGORITHMS is offered. */
  readonly passwordAlgorithms: boolean;
  /** USERHASH may stand for USERNAME. */
  readonly usernameAnonymity: boolean;
}

const TAG_BYTES = 12;

/**
 * Nonces without memory: the time of issue and a tag over it, the features and the client's 5-tuple. Only the
 * holder of the secret can make them, they work for one 5-tuple, and nothing is kept per client.
 */
export class StatelessNonce {
  readonly #secret: Uint8Array;
  readonly #hmac: Hmac;
  readonly #prefix: string;
  readonly #lifetimeMs: number;

  /**
   * @param secret at least 16 random bytes of this process alone, kept by reference; RangeError when shorter
   * @param lifetimeMs how long one is valid: lower costs clients more 438 round trips, higher gives whoever
   *   read one on the path longer to replay requests from the same 5-tuple
   */
  constructor(secret: Uint8Array, hmacSha256: Hmac, features: NonceFeatures, lifetimeMs: number) {
    if (secret.length < 16) throw new RangeError('a nonce secret has at least 16 bytes');
    this.#secret = secret;
    this.#hmac = hmacSha256;
    this.#lifetimeMs = lifetimeMs;
    const bits = (features.passwordAlgorithms ? 0x80 : 0) | (features.usernameAnonymity ? 0x40 : 0);
    this.#prefix = NONCE_COOKIE + toBase64(Uint8Array.of(bits, 0, 0));
  }

  /** A nonce for this client, 37 characters. */
  issue(now: NowMs, tuple: FiveTuple): string {
    return this.#make(Math.floor(now / 1000), tuple);
  }

  /** Whether this server gave this nonce to this client and it is still valid. */
  isValid(now: NowMs, tuple: FiveTuple, nonce: string): boolean {
    const head = this.#prefix.length;
    if (nonce.length !== head + 24 || !/^[A-Za-z0-9+/]{24}$/.test(nonce.slice(head))) return false;
    const stamp = fromBase64(nonce.slice(head));
    const seconds = new DataView(stamp.buffer, stamp.byteOffset, 6).getUint32(0);
    const ageMs = (((Math.floor(now / 1000) >>> 0) - seconds) >>> 0) * 1000;
    return (
      equalBytesConstantTime(toUtf8(this.#make(seconds, tuple)), toUtf8(nonce)) && ageMs < this.#lifetimeMs
    );
  }

  #make(seconds: number, tuple: FiveTuple): string {
    const covered = toUtf8(`${this.#prefix} ${seconds >>> 0} ${fiveTupleKey(tuple)}`);
    const tag = this.#hmac(this.#secret, covered).subarray(0, TAG_BYTES);
    // Two zero bytes make 18, which base64 writes without padding.
    return this.#prefix + toBase64(new ByteWriter(18).u32(seconds).u16(0).bytes(tag).finish());
  }
}

/** The features that a nonce announces; `undefined` when it does not start with {@link NONCE_COOKIE}. */
export function nonceFeatures(nonce: string): NonceFeatures | undefined {
  const text = nonce.slice(NONCE_COOKIE.length, NONCE_COOKIE.length + 4);
  if (!nonce.startsWith(NONCE_COOKIE) || !/^[A-Za-z0-9+/]{4}$/.test(text)) return undefined;
  const bits = fromBase64(text)[0]!;
  return { passwordAlgorithms: (bits & 0x80) !== 0, usernameAnonymity: (bits & 0x40) !== 0 };
}
