import { deriveBaseIv, type MediaKind } from './key-derivation.ts';
import type { MediaCrypto } from './subtle-crypto.ts';

/** Senders that a directory holds at most; as many as a participant list has. */
export const MAX_SENDERS = 2000;

/** One participant whose frames are to be opened. */
export interface Sender {
  /** Hash of the user, as in the participant list. */
  readonly userHash: string;
  /** Stream id of the participant's audio frames. */
  readonly audioSsrc: number;
  /** Stream id of the participant's video frames. */
  readonly videoSsrc: number;
}

/** Who a stream id belongs to. */
export interface StreamOwner {
  readonly userHash: string;
  /** The 12 bytes that its nonces are made from. Not to be changed. */
  readonly baseIv: Uint8Array;
}

/** Finds the sender of a frame by its stream id. Holds nobody whom the participant list does not hold. */
export class SenderDirectory {
  readonly #crypto: MediaCrypto;
  #audio = new Map<number, string>();
  #video = new Map<number, string>();
  #ivs = new Map<string, Promise<Uint8Array>>();

  constructor(crypto: MediaCrypto) {
    this.#crypto = crypto;
  }

  /** Replaces the list, by those participants who are members. Those who are not in it any more are not heard from any more. Beyond {@link MAX_SENDERS} it is cut. */
  setSenders(senders: readonly Sender[]): void {
    this.#audio = new Map();
    this.#video = new Map();
    const users = new Set<string>();
    for (const { userHash, audioSsrc, videoSsrc } of senders.slice(0, MAX_SENDERS)) {
      users.add(userHash);
      // The first one keeps an id that two claim: a later participant cannot take an earlier one's place.
      if (audioSsrc !== 0 && !this.#audio.has(audioSsrc)) this.#audio.set(audioSsrc, userHash);
      if (videoSsrc !== 0 && !this.#video.has(videoSsrc)) this.#video.set(videoSsrc, userHash);
    }
    for (const name of [...this.#ivs.keys()]) if (!users.has(name.slice(2))) this.#ivs.delete(name);
  }

  /** The owner of a stream, or undefined. */
  async find(kind: MediaKind, streamId: number): Promise<StreamOwner | undefined> {
    const userHash = (kind === 'audio' ? this.#audio : this.#video).get(streamId);
    if (userHash === undefined) return undefined;
    const name = `${kind === 'audio' ? 'a' : 'v'}:${userHash}`;
    let baseIv = this.#ivs.get(name);
    if (baseIv === undefined) {
      baseIv = deriveBaseIv(this.#crypto, userHash, kind);
      this.#ivs.set(name, baseIv);
    }
    return { userHash, baseIv: await baseIv };
  }
}
