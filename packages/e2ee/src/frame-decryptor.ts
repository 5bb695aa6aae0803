import { FormatError } from '@conclave/bytes';
import { type ParsedFrameHeader, parseFrameHeader } from './frame-header.ts';
import { frameNonce, type MediaKind } from './key-derivation.ts';
import type { KeyStore, MediaKey } from './key-store.ts';
import { DEFAULT_REPLAY_WINDOW_FRAMES, ReplayWindow } from './replay-window.ts';
import { MAX_SENDERS, type SenderDirectory } from './sender-directory.ts';
import { type MediaCrypto, TAG_LENGTH } from './subtle-crypto.ts';

/** Why a frame was not opened. It must not be shown or played. */
export type DropReason =
  /** Not a frame of this format: also everything that was sent in clear. */
  | 'malformed'
  /** The stream belongs to nobody in the participant list. */
  | 'unknown-sender'
  /** No key of this index, nor one that it can be hashed from. */
  | 'missing-key'
  /** Not authentic: a wrong key, another sender, or changed on the way. */
  | 'bad-tag'
  /** Accepted before, or too old to tell. */
  | 'replayed';

/** A frame that was authentic. */
export interface OpenedFrame {
  readonly ok: true;
  /** The media frame, in memory of its own. */
  readonly frame: Uint8Array;
  /** Hash of the user who sealed it, as far as all who have the key are trusted not to pose as each other. */
  readonly userHash: string;
  readonly keyIndex: number;
  /** It is the first frame under a key that was hashed forward: others have moved on. */
  readonly movedOn: boolean;
}

/** A frame that was not. */
export interface DroppedFrame {
  readonly ok: false;
  readonly reason: DropReason;
  /** Of a `malformed` frame: the code of its `FormatError`. */
  readonly detail?: string | undefined;
  /** Where known; not authentic. */
  readonly userHash?: string | undefined;
  /** Where known; not authentic. */
  readonly keyIndex?: number | undefined;
}

/** What {@link FrameDecryptor.open} makes of a frame. */
export type OpenResult = OpenedFrame | DroppedFrame;

/** Settings of a {@link FrameDecryptor}. */
export interface FrameDecryptorOptions {
  /**
   * Frames remembered per sender and key to refuse a second copy; 0 switches the check off, 1024 is the default. It has to
   * be off where a sender may start a new counter under the same key, as other clients may do when they reconnect.
   */
  readonly replayWindowFrames?: number;
}

/** Opens the frames of all participants. Never throws on what a frame holds. */
export class FrameDecryptor {
  readonly #crypto: MediaCrypto;
  readonly #keys: KeyStore;
  readonly #senders: SenderDirectory;
  readonly #replayWindowFrames: number;
  /** By key object, so that windows go with their keys. */
  readonly #windows = new WeakMap<MediaKey, Map<string, ReplayWindow>>();

  constructor(
    crypto: MediaCrypto,
    keys: KeyStore,
    senders: SenderDirectory,
    options: FrameDecryptorOptions = {},
  ) {
    this.#crypto = crypto;
    this.#keys = keys;
    this.#senders = senders;
    this.#replayWindowFrames = options.replayWindowFrames ?? DEFAULT_REPLAY_WINDOW_FRAMES;
  }

  /**
   * Opens a frame of a stream of this kind. `contributingSource` is the source of its packets, which names the stream if
   * the header does not.
   */
  async open(kind: MediaKind, sealed: Uint8Array, contributingSource?: number): Promise<OpenResult> {
    let header: ParsedFrameHeader;
    try {
      header = parseFrameHeader(sealed);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { ok: false, reason: 'malformed', detail: error.code };
    }
    if (sealed.length - header.length < TAG_LENGTH) {
      return { ok: false, reason: 'malformed', detail: 'truncated' };
    }
    const streamId = header.streamId ?? contributingSource;
    const owner = streamId === undefined ? undefined : await this.#senders.find(kind, streamId);
    const { keyIndex, frameCounter } = header;
    if (owner === undefined) return { ok: false, reason: 'unknown-sender', keyIndex };
    const { userHash } = owner;
    const key = await this.#keys.receiveKey(keyIndex);
    if (key === undefined) return { ok: false, reason: 'missing-key', userHash, keyIndex };
    const replayed: DroppedFrame = { ok: false, reason: 'replayed', userHash, keyIndex };
    if (this.#window(key, kind, userHash)?.isFresh(frameCounter) === false) return replayed;
    const frame = await this.#crypto.open(
      key.key,
      frameNonce(owner.baseIv, frameCounter, keyIndex),
      sealed.subarray(0, header.length),
      sealed.subarray(header.length),
    );
    if (frame === undefined) return { ok: false, reason: 'bad-tag', userHash, keyIndex };
    if (!this.#remember(key, kind, userHash, frameCounter)) return replayed;
    const movedOn = this.#keys.confirm(key);
    return { ok: true, frame, userHash, keyIndex, movedOn };
  }

  #window(key: MediaKey, kind: MediaKind, userHash: string): ReplayWindow | undefined {
    return this.#windows.get(key)?.get(`${kind}:${userHash}`);
  }

  #remember(key: MediaKey, kind: MediaKind, userHash: string, frameCounter: number): boolean {
    if (this.#replayWindowFrames === 0) return true;
    let windows = this.#windows.get(key);
    if (windows === undefined) {
      windows = new Map();
      this.#windows.set(key, windows);
    }
    const name = `${kind}:${userHash}`;
    let window = windows.get(name);
    if (window === undefined) {
      // Only who has the key gets here. Forgetting the oldest window keeps a crowd that comes and goes from adding up.
      if (windows.size >= 2 * MAX_SENDERS) windows.delete(windows.keys().next().value!);
      window = new ReplayWindow(this.#replayWindowFrames);
      windows.set(name, window);
    }
    return window.accept(frameCounter);
  }
}
