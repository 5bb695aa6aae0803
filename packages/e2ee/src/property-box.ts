import { concatBytes, FormatError, fromBase64, type RandomBytes, toBase64, toUtf8 } from '@conclave/bytes';
import { type MediaCrypto, NONCE_LENGTH, type PlatformKey, TAG_LENGTH } from './subtle-crypto.ts';

/** Bytes of a box at most, before base64. */
export const MAX_BOX_LENGTH = 1024;

/** Bytes that a box can hold. */
export const MAX_BOX_CONTENT_LENGTH: number = MAX_BOX_LENGTH - 1 - NONCE_LENGTH - TAG_LENGTH;

const VERSION = 1;
const CONTEXT = toUtf8('conclave property box v1 ');

/**
 * Encrypts what participants tell each other past the server: names, raised hands. A box is version 1, a random nonce of
 * 12 bytes, ciphertext and tag of AES-256-GCM, in base64; it opens for the user hash only that it was sealed for, so
 * that the server cannot give one participant's to another. It may show an old box again: who cares puts a number in.
 */
export class PropertyBox {
  readonly #crypto: MediaCrypto;
  readonly #random: RandomBytes;
  readonly #key: Promise<PlatformKey>;

  /** `key`: 32 bytes. At most 2^32 boxes may be sealed under one key, by all together. */
  constructor(crypto: MediaCrypto, key: Uint8Array, random: RandomBytes) {
    this.#crypto = crypto;
    this.#random = random;
    this.#key = crypto.importAesKey(key);
    // A key of a wrong length is told to whoever uses the box; until then nobody listens.
    this.#key.catch(() => undefined);
  }

  /** The box of at most {@link MAX_BOX_CONTENT_LENGTH} bytes, as base64 of at most 1368 characters. Throws `RangeError` for more. */
  async seal(userHash: string, content: Uint8Array): Promise<string> {
    if (content.length > MAX_BOX_CONTENT_LENGTH) {
      throw new RangeError(`a property box holds at most ${MAX_BOX_CONTENT_LENGTH} bytes`);
    }
    const nonce = this.#random(NONCE_LENGTH);
    const sealed = await this.#crypto.seal(await this.#key, nonce, associated(userHash), content);
    return toBase64(concatBytes(Uint8Array.of(VERSION), nonce, sealed));
  }

  /** What the participant with this hash put in. Throws `FormatError`: `bad-base64`, `bad-box`, `box-version`, `box-tag`. */
  async open(userHash: string, text: string): Promise<Uint8Array> {
    if (text.length > 4 * Math.ceil(MAX_BOX_LENGTH / 3))
      throw new FormatError('bad-box', 'the box is too long');
    const box = fromBase64(text);
    if (box.length > MAX_BOX_LENGTH || box.length < 1 + NONCE_LENGTH + TAG_LENGTH) {
      throw new FormatError('bad-box', 'the box has an impossible length');
    }
    if (box[0] !== VERSION) throw new FormatError('box-version', 'the box is of an unknown version');
    const nonce = box.subarray(1, 1 + NONCE_LENGTH);
    const sealed = box.subarray(1 + NONCE_LENGTH);
    const content = await this.#crypto.open(await this.#key, nonce, associated(userHash), sealed);
    if (content === undefined) throw new FormatError('box-tag', 'the box is not authentic');
    return content;
  }
}

function associated(userHash: string): Uint8Array {
  return concatBytes(CONTEXT, toUtf8(userHash));
}
