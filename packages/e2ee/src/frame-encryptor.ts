import { concatBytes, type RandomBytes, randomUint32 } from '@conclave/bytes';
import { encodeFrameHeader } from './frame-header.ts';
import { deriveBaseIv, frameNonce, type MediaKind } from './key-derivation.ts';
import type { KeyStore, MediaKey } from './key-store.ts';
import type { MediaCrypto } from './subtle-crypto.ts';

/** Frames that one sender seals with one key at most: 2^31, half of what the counter could number. */
export const MAX_FRAMES_PER_KEY: number = 2 ** 31;

/** Why a frame was not sealed. It must not be sent: there is no sending in clear. */
export type SealErrorCode =
  /** There is no key yet. */
  | 'no-key'
  /** The key sealed {@link MAX_FRAMES_PER_KEY} frames; only another key helps. */
  | 'key-exhausted';

/** Thrown by {@link FrameEncryptor.seal}. */
export class SealError extends Error {
  /** The reason, for programs. */
  readonly code: SealErrorCode;

  constructor(code: SealErrorCode) {
    super(code === 'no-key' ? 'there is no key to seal with yet' : 'the key has sealed all frames it may');
    this.name = 'SealError';
    this.code = code;
  }
}

/** Settings of a {@link FrameEncryptor}. */
export interface FrameEncryptorOptions {
  /** The own hash as the participant list has it. */
  readonly userHash: string;
  /** Gives the first frame counter. */
  readonly random: RandomBytes;
  /** 1 to {@link MAX_FRAMES_PER_KEY}, which is the default. A lower value asks for new keys earlier. */
  readonly maxFramesPerKey?: number;
}

/**
 * Seals the frames of one participant, of all its microphones, cameras, screens and their layers. One counter numbers
 * them all, through every change of transport and key, because the nonce has nothing else that differs between two
 * layers of a picture. There is one encryptor for a user hash: a second one needs a hash or a key of its own.
 */
export class FrameEncryptor {
  readonly #crypto: MediaCrypto;
  readonly #keys: KeyStore;
  readonly #baseIvs: { readonly [K in MediaKind]: Promise<Uint8Array> };
  readonly #streamIds: { [K in MediaKind]: number } = { audio: 0, video: 0 };
  readonly #maxFramesPerKey: number;
  /** Number of sealed frames before each key's first: from there on it may number 2^31 frames without meeting itself. */
  readonly #framesBefore = new WeakMap<MediaKey, number>();
  readonly #firstCounter: number;
  #frames = 0;

  constructor(crypto: MediaCrypto, keys: KeyStore, options: FrameEncryptorOptions) {
    this.#crypto = crypto;
    this.#keys = keys;
    this.#baseIvs = {
      audio: deriveBaseIv(crypto, options.userHash, 'audio'),
      video: deriveBaseIv(crypto, options.userHash, 'video'),
    };
    // A failure is told to whoever seals; until then nobody listens.
    for (const baseIv of Object.values(this.#baseIvs)) baseIv.catch(() => undefined);
    this.#maxFramesPerKey = Math.min(options.maxFramesPerKey ?? MAX_FRAMES_PER_KEY, MAX_FRAMES_PER_KEY);
    this.#firstCounter = randomUint32(options.random);
  }

  /** Frames sealed so far. */
  get frames(): number {
    return this.#frames;
  }

  /** Sets the id that frames of this kind carry from now on, 32 bits; 0: they carry none. */
  setStreamId(kind: MediaKind, streamId: number): void {
    this.#streamIds[kind] = streamId;
  }

  /**
   * The frame with its header, under the key that the store seals with. Leaves `frame` as it is. `isDelta`: the frame is
   * a picture that needs others. Throws {@link SealError}.
   */
  async seal(kind: MediaKind, frame: Uint8Array, isDelta = false): Promise<Uint8Array> {
    // The counter is taken before anything is awaited, so that two frames at a time get two counters.
    const key = this.#keys.sendKey;
    if (key === undefined) throw new SealError('no-key');
    const before = this.#framesBefore.get(key) ?? this.#frames;
    if (this.#frames - before >= this.#maxFramesPerKey) throw new SealError('key-exhausted');
    this.#framesBefore.set(key, before);
    const frameCounter = (this.#firstCounter + this.#frames) % 0x100000000;
    this.#frames++;
    const streamId = this.#streamIds[kind] || undefined;
    const header = encodeFrameHeader({ keyIndex: key.index, frameCounter, streamId }, isDelta);
    const nonce = frameNonce(await this.#baseIvs[kind], frameCounter, key.index);
    return concatBytes(header, await this.#crypto.seal(key.key, nonce, header, frame));
  }
}
