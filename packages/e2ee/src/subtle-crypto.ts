/** An imported key as the platform hands it out; opaque here. */
export interface PlatformKey {
  /** `secret` for all keys of this package. */
  readonly type: string;
}

/**
 * The part of WebCrypto's `SubtleCrypto` that this package uses. `crypto.subtle` of a browser, of a worker and of
 * Node fits as it is; nothing here names a platform.
 */
export interface SubtleCryptoLike {
  importKey(
    format: 'raw',
    keyData: Uint8Array<ArrayBuffer>,
    algorithm: 'HKDF' | 'PBKDF2' | 'AES-GCM',
    extractable: boolean,
    usages: ('encrypt' | 'decrypt' | 'deriveBits')[],
  ): Promise<PlatformKey>;
  deriveBits(algorithm: DerivationParameters, key: PlatformKey, lengthBits: number): Promise<ArrayBuffer>;
  encrypt(algorithm: AesGcmParameters, key: PlatformKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  decrypt(algorithm: AesGcmParameters, key: PlatformKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
}

/** Parameters of the two derivations that are used, both over SHA-512. */
export type DerivationParameters =
  | {
      readonly name: 'HKDF';
      readonly hash: 'SHA-512';
      readonly salt: Uint8Array<ArrayBuffer>;
      readonly info: Uint8Array<ArrayBuffer>;
    }
  | {
      readonly name: 'PBKDF2';
      readonly hash: 'SHA-512';
      readonly salt: Uint8Array<ArrayBuffer>;
      readonly iterations: number;
    };

/** Parameters of AES-GCM with a tag of 16 bytes. */
export interface AesGcmParameters {
  readonly name: 'AES-GCM';
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly additionalData: Uint8Array<ArrayBuffer>;
  readonly tagLength: 128;
}

/** Bytes of the tag at the end of everything that {@link MediaCrypto.seal} returns. */
export const TAG_LENGTH = 16;

/** Bytes of a nonce of AES-GCM as it is used here. */
export const NONCE_LENGTH = 12;

/** The few operations of this package, on WebCrypto. Stateless; one per program is enough. */
export class MediaCrypto {
  readonly #subtle: SubtleCryptoLike;

  constructor(subtle: SubtleCryptoLike) {
    this.#subtle = subtle;
  }

  /** HKDF with SHA-512 (RFC 5869): `length` bytes, 1 to 16320. */
  async hkdf(
    keyMaterial: Uint8Array,
    salt: Uint8Array,
    info: Uint8Array,
    length: number,
  ): Promise<Uint8Array> {
    const key = await this.#subtle.importKey('raw', owned(keyMaterial), 'HKDF', false, ['deriveBits']);
    const bits = await this.#subtle.deriveBits(
      { name: 'HKDF', hash: 'SHA-512', salt: owned(salt), info: owned(info) },
      key,
      length * 8,
    );
    return new Uint8Array(bits);
  }

  /** PBKDF2 with HMAC-SHA-512 (RFC 8018 §5.2): `length` bytes. */
  async pbkdf2(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Promise<Uint8Array> {
    const key = await this.#subtle.importKey('raw', owned(password), 'PBKDF2', false, ['deriveBits']);
    const bits = await this.#subtle.deriveBits(
      { name: 'PBKDF2', hash: 'SHA-512', salt: owned(salt), iterations },
      key,
      length * 8,
    );
    return new Uint8Array(bits);
  }

  /** Makes a key for {@link MediaCrypto.seal} and {@link MediaCrypto.open} of 32 bytes; it cannot be read out again. */
  importAesKey(key: Uint8Array): Promise<PlatformKey> {
    return this.#subtle.importKey('raw', owned(key), 'AES-GCM', false, ['encrypt', 'decrypt']);
  }

  /** AES-GCM: the ciphertext with its tag of 16 bytes at the end. A nonce serves once under a key. */
  async seal(
    key: PlatformKey,
    nonce: Uint8Array,
    associated: Uint8Array,
    plaintext: Uint8Array,
  ): Promise<Uint8Array> {
    return new Uint8Array(
      await this.#subtle.encrypt(gcmParameters(nonce, associated), key, owned(plaintext)),
    );
  }

  /** The plaintext of what {@link MediaCrypto.seal} made, or undefined if anything of it differs. */
  async open(
    key: PlatformKey,
    nonce: Uint8Array,
    associated: Uint8Array,
    sealed: Uint8Array,
  ): Promise<Uint8Array | undefined> {
    if (sealed.length < TAG_LENGTH) return undefined;
    try {
      return new Uint8Array(await this.#subtle.decrypt(gcmParameters(nonce, associated), key, owned(sealed)));
    } catch {
      // WebCrypto says OperationError for a wrong tag and nothing more; other causes are excluded above.
      return undefined;
    }
  }
}

function gcmParameters(nonce: Uint8Array, associated: Uint8Array): AesGcmParameters {
  return { name: 'AES-GCM', iv: owned(nonce), additionalData: owned(associated), tagLength: 128 };
}

/** WebCrypto refuses shared memory; what comes from a peer or a frame never is. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
