import { equalBytesConstantTime } from '@conclave/bytes';
import { deriveMediaKey, deriveNextSessionKey } from './key-derivation.ts';
import { canHashForward, MAX_FORWARD_STEPS } from './key-index.ts';
import type { MediaCrypto, PlatformKey } from './subtle-crypto.ts';

/**
 * Keys that a store holds at most. Fewer would lose frames of members who lag behind in rotation; more keep old frames
 * readable for longer to whoever seizes the device.
 */
export const MAX_STORED_KEYS = 32;

/** A key ready to seal and open frames. The object stands for the key: a new key at an index is a new object. */
export interface MediaKey {
  /** Its index, 0 to 2^32-1. */
  readonly index: number;
  /** The platform's key of AES-256-GCM. */
  readonly key: PlatformKey;
}

/** Settings of a {@link KeyStore}. */
export interface KeyStoreOptions {
  /** The conversation's hash: salt of all derivations. */
  readonly conversationHash: string;
  /** Whether the key of a higher index may be hashed from a known one. False where an application brings every key. */
  readonly forwardHashing: boolean;
}

interface StoredKey {
  readonly sessionKey: Uint8Array;
  readonly media: MediaKey;
}

/**
 * The keys of one conference: which one seals, and which ones open. A key hashed forward for a frame is only a
 * candidate until a frame was authentic under it, so that forged indices change nothing and cost a bounded amount of work.
 */
export class KeyStore {
  readonly #crypto: MediaCrypto;
  readonly #conversationHash: string;
  readonly #forwardHashing: boolean;
  readonly #keys = new Map<number, StoredKey>();
  /** Keys on the way forward from a stored one, by index. Emptied whenever the stored keys change. */
  readonly #candidates = new Map<number, Promise<StoredKey>>();
  /** What a candidate was made of, so that it can be confirmed although others were cleared away meanwhile. */
  readonly #material = new WeakMap<MediaKey, StoredKey>();
  /** Lower indices were forgotten and do not come back by hashing. */
  #floor = 0;
  #sendIndex: number | undefined;

  constructor(crypto: MediaCrypto, options: KeyStoreOptions) {
    this.#crypto = crypto;
    this.#conversationHash = options.conversationHash;
    this.#forwardHashing = options.forwardHashing;
  }

  /** The key that seals, if there is one. */
  get sendKey(): MediaKey | undefined {
    return this.#sendIndex === undefined ? undefined : this.#keys.get(this.#sendIndex)?.media;
  }

  /** The highest index with a stored key. */
  get highestIndex(): number | undefined {
    let highest: number | undefined;
    for (const index of this.#keys.keys()) if (highest === undefined || index > highest) highest = index;
    return highest;
  }

  /** Number of stored keys, at most {@link MAX_STORED_KEYS}. */
  get size(): number {
    return this.#keys.size;
  }

  /**
   * Stores a key that its generator vouches for, in place of another key of that index. Copies `sessionKey`. The same key
   * once more changes nothing.
   */
  async add(index: number, sessionKey: Uint8Array): Promise<void> {
    const known = this.#keys.get(index);
    if (known !== undefined && equalBytesConstantTime(known.sessionKey, sessionKey)) return;
    const stored = await this.#store(index, Uint8Array.from(sessionKey));
    this.#keys.set(index, stored);
    this.#floor = Math.min(this.#floor, index);
    this.#candidates.clear();
    this.#prune();
  }

  /** Seals with the key of this index from now on. False, without effect, if it is not stored. */
  sendWith(index: number): boolean {
    if (!this.#keys.has(index)) return false;
    this.#sendIndex = index;
    return true;
  }

  /** Forgets all keys of lower indices, except the one that seals. */
  forgetBelow(index: number): void {
    for (const known of [...this.#keys.keys()]) if (known < index) this.#forget(known);
    this.#floor = Math.max(this.#floor, index);
    this.#candidates.clear();
  }

  /**
   * The key of a frame's index, stored or hashed forward by at most 16 steps, or undefined. Says nothing about the frame;
   * after a frame was authentic call {@link KeyStore.confirm}.
   */
  async receiveKey(index: number): Promise<MediaKey | undefined> {
    const stored = this.#keys.get(index);
    if (stored !== undefined) return stored.media;
    if (!this.#forwardHashing) return undefined;
    return (await this.#candidate(index))?.media;
  }

  /**
   * Keeps a key from {@link KeyStore.receiveKey} under which a frame was authentic. True if it was not stored before:
   * then others have moved on to it. Never changes the key that seals.
   */
  confirm(key: MediaKey): boolean {
    if (this.#keys.has(key.index) || key.index < this.#floor) return false;
    const candidate = this.#material.get(key);
    if (candidate === undefined) return false;
    this.#candidates.delete(key.index);
    this.#material.delete(key);
    this.#keys.set(key.index, candidate);
    this.#prune();
    return true;
  }

  async #candidate(index: number): Promise<StoredKey | undefined> {
    let base: number | undefined;
    for (const known of this.#keys.keys()) {
      if (known < index && (base === undefined || known > base)) base = known;
    }
    if (base === undefined || !canHashForward(base, index)) return undefined;
    const ready = this.#candidates.get(index);
    if (ready !== undefined) return ready;
    // Bounded by the steps that are allowed from the one base; a second base would belong to other indices.
    if (this.#candidates.size >= 2 * MAX_FORWARD_STEPS) this.#candidates.clear();
    const made = this.#hashForward(this.#keys.get(base)!, base, index);
    this.#candidates.set(index, made);
    return made;
  }

  async #hashForward(from: StoredKey, fromIndex: number, toIndex: number): Promise<StoredKey> {
    // A copy, since the stored key may be wiped while the hashes are computed.
    let sessionKey: Uint8Array = from.sessionKey.slice();
    for (let at = fromIndex; at < toIndex; at++) {
      sessionKey = await deriveNextSessionKey(this.#crypto, sessionKey, this.#conversationHash);
    }
    const candidate = await this.#store(toIndex, sessionKey);
    this.#material.set(candidate.media, candidate);
    return candidate;
  }

  async #store(index: number, sessionKey: Uint8Array): Promise<StoredKey> {
    const raw = await deriveMediaKey(this.#crypto, sessionKey, this.#conversationHash);
    const key = await this.#crypto.importAesKey(raw);
    raw.fill(0);
    return { sessionKey, media: { index, key } };
  }

  #prune(): void {
    while (this.#keys.size > MAX_STORED_KEYS) {
      let lowest: number | undefined;
      for (const index of this.#keys.keys()) {
        if (index !== this.#sendIndex && (lowest === undefined || index < lowest)) lowest = index;
      }
      if (lowest === undefined) return;
      this.#forget(lowest);
    }
  }

  #forget(index: number): void {
    if (index === this.#sendIndex) return;
    this.#keys.get(index)?.sessionKey.fill(0);
    this.#keys.delete(index);
  }
}
