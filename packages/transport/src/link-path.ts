import { ByteWriter, equalBytesConstantTime, type Hmac, type NowMs, toUtf8 } from '@conclave/bytes';
import {
  attributeType,
  findAttribute,
  parseStun,
  StunBuilder,
  stunMethod,
  type TransportAddress,
} from '@conclave/stun';

/** Where a datagram on a link came from, and by which socket of ours. */
export interface LinkPath {
  readonly socket: number;
  readonly address: string;
  readonly port: number;
}

/** What becomes of a STUN message on the port for links. */
export interface LinkPathVerdict {
  /** To be sent back, if anything. Never longer than what came. */
  readonly reply: Uint8Array | undefined;
  /** The sender has shown that it gets what is sent to this path. */
  readonly validated: boolean;
}

/** Least request that is answered, in bytes: no answer is longer, so that nobody can be flooded by forged requests. */
export const LINK_REQUEST_BYTES = 128;

/** What servers call themselves on links; who asks for another realm is not one. */
const REALM = 'conclave-link';
const TAG_BYTES = 12;
const ATTRIBUTE_HEADER_BYTES = 4;
const UNAUTHORIZED = 401;

/**
 * Answers STUN on the port where other servers connect, without remembering anybody: a first Binding request is told a
 * nonce that only this process can make and that is good for one path; who repeats it gets what is sent there, so state
 * may be made for it. Who it is, DTLS shows afterwards.
 */
export class LinkPathValidator {
  readonly #secret: Uint8Array;
  readonly #hmacSha256: Hmac;
  readonly #lifetimeMs: number;

  /**
   * @param secret at least 16 random bytes of this process alone
   * @param lifetimeMs how long a nonce is good; a link asks for the next one when it is over
   */
  constructor(secret: Uint8Array, hmacSha256: Hmac, lifetimeMs: number) {
    if (secret.length < 16) throw new RangeError('a secret has at least 16 bytes');
    this.#secret = secret;
    this.#hmacSha256 = hmacSha256;
    this.#lifetimeMs = lifetimeMs;
  }

  /** Takes a STUN message from anywhere. Throws `FormatError` for what is none. */
  handle(now: NowMs, path: LinkPath, bytes: Uint8Array): LinkPathVerdict {
    const message = parseStun(bytes);
    const isBinding = message.class === 'request' && message.method === stunMethod.binding;
    if (!isBinding || bytes.length < LINK_REQUEST_BYTES) return { reply: undefined, validated: false };
    const { transactionId } = message;
    const nonce = findAttribute(message, attributeType.nonce);
    if (nonce === undefined || !this.#isValid(now, path, nonce)) {
      const reply = new StunBuilder({ class: 'error', method: stunMethod.binding, transactionId })
        .errorCode(UNAUTHORIZED)
        .text(attributeType.realm, REALM)
        .attribute(attributeType.nonce, this.#issue(now, path))
        .finish();
      return { reply, validated: false };
    }
    const mapped: TransportAddress = { address: path.address, port: path.port };
    const reply = new StunBuilder({ class: 'success', method: stunMethod.binding, transactionId })
      .xorAddress(attributeType.xorMappedAddress, mapped)
      .finish();
    return { reply, validated: true };
  }

  #issue(now: NowMs, path: LinkPath): Uint8Array {
    return this.#make(Math.floor(now / 1000) >>> 0, path);
  }

  #isValid(now: NowMs, path: LinkPath, nonce: Uint8Array): boolean {
    if (nonce.length !== 4 + TAG_BYTES) return false;
    const seconds = new DataView(nonce.buffer, nonce.byteOffset, 4).getUint32(0);
    const ageMs = (((Math.floor(now / 1000) >>> 0) - seconds) >>> 0) * 1000;
    return equalBytesConstantTime(this.#make(seconds, path), nonce) && ageMs < this.#lifetimeMs;
  }

  #make(seconds: number, path: LinkPath): Uint8Array {
    const covered = toUtf8(`${seconds} ${path.socket} ${path.address} ${path.port}`);
    const tag = this.#hmacSha256(this.#secret, covered).subarray(0, TAG_BYTES);
    return new ByteWriter(4 + TAG_BYTES).u32(seconds).bytes(tag).finish();
  }
}

/** A Binding request of a server that connects to another one; with the nonce that was told, if one was. */
export function linkRequest(transactionId: Uint8Array, nonce: Uint8Array | undefined): Uint8Array {
  const builder = new StunBuilder({ class: 'request', method: stunMethod.binding, transactionId });
  if (nonce !== undefined) builder.text(attributeType.realm, REALM).attribute(attributeType.nonce, nonce);
  const filled = builder.finish().length + ATTRIBUTE_HEADER_BYTES;
  return builder
    .attribute(attributeType.padding, new Uint8Array(Math.max(0, LINK_REQUEST_BYTES - filled)))
    .finish();
}

/** What the other server answered to a {@link linkRequest}. */
export type LinkReply =
  /** The path works. */
  | { readonly type: 'validated' }
  /** To be repeated with this nonce. */
  | { readonly type: 'challenge'; readonly nonce: Uint8Array };

/** Reads an answer to the request of this transaction; undefined for anything else. Throws `FormatError` as parsing does. */
export function readLinkReply(bytes: Uint8Array, transactionId: Uint8Array): LinkReply | undefined {
  const message = parseStun(bytes);
  if (message.method !== stunMethod.binding || !equalBytesConstantTime(message.transactionId, transactionId))
    return undefined;
  if (message.class === 'success') return { type: 'validated' };
  const nonce = findAttribute(message, attributeType.nonce);
  if (message.class !== 'error' || nonce === undefined || nonce.length > 64) return undefined;
  return { type: 'challenge', nonce: nonce.slice() };
}
