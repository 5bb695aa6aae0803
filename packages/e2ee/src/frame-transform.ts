import type { RandomBytes } from '@conclave/bytes';
import { type DropReason, FrameDecryptor, type OpenResult } from './frame-decryptor.ts';
import { FrameEncryptor, SealError } from './frame-encryptor.ts';
import type { MediaKind } from './key-derivation.ts';
import { applyKeyChange, type KeyChange } from './key-provider.ts';
import { KeyStore } from './key-store.ts';
import { type Sender, SenderDirectory } from './sender-directory.ts';
import type { MediaCrypto } from './subtle-crypto.ts';

/** What one stream's transform does. Also the `options` of an `RTCRtpScriptTransform`. */
export interface FrameTransformRole {
  readonly direction: 'send' | 'receive';
  readonly kind: MediaKind;
  /** Name of the stream, which reports about received frames give back. Any text of the page's own. */
  readonly slot?: string | undefined;
}

/** An encoded frame as WebRTC hands it out (`RTCEncodedAudioFrame`, `RTCEncodedVideoFrame`). */
export interface EncodedFrame {
  data: ArrayBuffer;
  /** Of a video frame `key` or `delta`. */
  readonly type?: string;
  getMetadata(): { readonly contributingSources?: readonly number[] };
}

/** What the page says to the worker. All of it can be cloned and posted; `key` holds a key. */
export type FrameTransformCommand =
  /** First of all, and once: a new identity needs a new worker. */
  | {
      readonly type: 'start';
      readonly conversationHash: string;
      readonly userHash: string;
      readonly forwardHashing: boolean;
      /** See `FrameDecryptorOptions.replayWindowFrames`. */
      readonly replayWindowFrames: number;
    }
  | { readonly type: 'key-change'; readonly change: KeyChange }
  | { readonly type: 'senders'; readonly senders: readonly Sender[] }
  /** The id that own frames of this kind carry; 0 for none. */
  | { readonly type: 'stream-id'; readonly kind: MediaKind; readonly streamId: number }
  /** Asks for a report of counts. */
  | { readonly type: 'count' };

/** Frames of one sender since it came into the list of senders. */
export interface SenderFrames {
  readonly userHash: string;
  /** Frames that were authentic. */
  readonly opened: number;
  /** Frames that claimed to be this sender's and were not opened. */
  readonly refused: number;
}

/** What the worker says to the page. */
export type FrameTransformReport =
  /** For `KeyProvider.handleKeySeen`. */
  | { readonly type: 'key-seen'; readonly keyIndex: number }
  /** For `KeyProvider.handleUnopened`; the first of each reason, sender and index, then every fiftieth. */
  | {
      readonly type: 'dropped';
      readonly kind: MediaKind;
      readonly reason: DropReason;
      readonly userHash?: string | undefined;
      readonly keyIndex?: number | undefined;
    }
  /** Frames in this slot are another sender's from now on. */
  | { readonly type: 'source'; readonly slot: string; readonly kind: MediaKind; readonly userHash: string }
  /** The answer to `count`. `sealed`: own frames, all together. */
  | { readonly type: 'counts'; readonly sealed: number; readonly senders: readonly SenderFrames[] }
  /** Own frames are not sent: there is no key, or the key must not seal more. Once, until one is sent again. */
  | { readonly type: 'not-sealed'; readonly code: SealError['code'] }
  /** A command came twice or too early. */
  | { readonly type: 'refused'; readonly command: FrameTransformCommand['type'] };

const MAX_REPORTED_DROPS = 256;
const REPORT_EVERY_FRAMES = 50;

/**
 * The frame crypto of one participant for all its streams: one encryptor, one decryptor, one key store. Commands and
 * frames come in, reports go out by {@link FrameTransform.pollReport}. A frame that cannot be sealed or opened is lost, never
 * passed on as it is.
 */
export class FrameTransform {
  readonly #crypto: MediaCrypto;
  readonly #random: RandomBytes;
  readonly #reports: FrameTransformReport[] = [];
  readonly #drops = new Map<string, number>();
  readonly #senders: SenderDirectory;
  /** Who was heard or seen last, by slot. As many as the page has named. */
  readonly #sources = new Map<string, string>();
  #counts = new Map<string, { opened: number; refused: number }>();
  #keys: KeyStore | undefined;
  #encryptor: FrameEncryptor | undefined;
  #decryptor: FrameDecryptor | undefined;
  #notSealed = false;
  #tail: Promise<void> = Promise.resolve();

  constructor(crypto: MediaCrypto, random: RandomBytes) {
    this.#crypto = crypto;
    this.#random = random;
    this.#senders = new SenderDirectory(crypto);
  }

  /** Carries out a command, after those before it. A second `start`, and what needs one before it,
   * rejects with an `Error`: the counter must not restart. */
  handleCommand(command: FrameTransformCommand): Promise<void> {
    const done = this.#tail.then(() => this.#carryOut(command));
    this.#tail = done.catch(() => undefined);
    return done;
  }

  /**
   * Seals or opens the frame in place. False if it must be dropped. Frames of one stream have to be passed one after the
   * other, those of several streams may be at the same time.
   */
  async transform(role: FrameTransformRole, frame: EncodedFrame): Promise<boolean> {
    return role.direction === 'send' ? this.#send(role.kind, frame) : this.#receive(role, frame);
  }

  /** The next report, oldest first. */
  pollReport(): FrameTransformReport | undefined {
    return this.#reports.shift();
  }

  async #carryOut(command: FrameTransformCommand): Promise<void> {
    switch (command.type) {
      case 'start': {
        if (this.#keys !== undefined) throw new Error('the frame transform was started before');
        const { conversationHash, forwardHashing, userHash, replayWindowFrames } = command;
        const keys = new KeyStore(this.#crypto, { conversationHash, forwardHashing });
        this.#keys = keys;
        this.#encryptor = new FrameEncryptor(this.#crypto, keys, { userHash, random: this.#random });
        this.#decryptor = new FrameDecryptor(this.#crypto, keys, this.#senders, { replayWindowFrames });
        return;
      }
      case 'key-change':
        if (this.#keys === undefined) throw new Error('the frame transform is not started yet');
        // Frames that wait for this key are reported anew if it does not help.
        this.#drops.clear();
        return applyKeyChange(this.#keys, command.change);
      case 'senders':
        this.#senders.setSenders(command.senders);
        this.#counts = new Map(
          command.senders.map(({ userHash }) => [
            userHash,
            this.#counts.get(userHash) ?? { opened: 0, refused: 0 },
          ]),
        );
        return;
      case 'stream-id':
        if (this.#encryptor === undefined) throw new Error('the frame transform is not started yet');
        this.#encryptor.setStreamId(command.kind, command.streamId);
        return;
      case 'count':
        this.#reports.push({
          type: 'counts',
          sealed: this.#encryptor?.frames ?? 0,
          senders: [...this.#counts].map(([userHash, counts]) => ({ userHash, ...counts })),
        });
        return;
    }
  }

  async #send(kind: MediaKind, frame: EncodedFrame): Promise<boolean> {
    try {
      if (this.#encryptor === undefined) throw new SealError('no-key');
      const isDelta = frame.type === 'delta';
      frame.data = asBuffer(await this.#encryptor.seal(kind, new Uint8Array(frame.data), isDelta));
      this.#notSealed = false;
      return true;
    } catch (error) {
      const code = error instanceof SealError ? error.code : 'no-key';
      if (!this.#notSealed) this.#reports.push({ type: 'not-sealed', code });
      this.#notSealed = true;
      return false;
    }
  }

  async #receive({ kind, slot }: FrameTransformRole, frame: EncodedFrame): Promise<boolean> {
    if (this.#decryptor === undefined) return false;
    const source = frame.getMetadata().contributingSources?.[0];
    const opened = await this.#decryptor.open(kind, new Uint8Array(frame.data), source);
    if (!opened.ok) {
      this.#reportDrop(kind, opened);
      return false;
    }
    const { userHash } = opened;
    const counts = this.#counts.get(userHash);
    if (counts !== undefined) counts.opened++;
    if (slot !== undefined && this.#sources.get(slot) !== userHash) {
      this.#sources.set(slot, userHash);
      this.#reports.push({ type: 'source', slot, kind, userHash });
    }
    if (opened.movedOn) this.#reports.push({ type: 'key-seen', keyIndex: opened.keyIndex });
    frame.data = asBuffer(opened.frame);
    return true;
  }

  #reportDrop(kind: MediaKind, drop: Extract<OpenResult, { ok: false }>): void {
    const { reason, userHash, keyIndex } = drop;
    const counts = userHash === undefined ? undefined : this.#counts.get(userHash);
    if (counts !== undefined) counts.refused++;
    const name = `${kind} ${reason} ${userHash} ${keyIndex}`;
    const count = this.#drops.get(name) ?? 0;
    // Forged frames can have any index: beyond the bound the counts start over.
    if (count === 0 && this.#drops.size >= MAX_REPORTED_DROPS) this.#drops.clear();
    this.#drops.set(name, (count + 1) % REPORT_EVERY_FRAMES);
    if (count === 0 && this.#reports.length < MAX_REPORTED_DROPS) {
      this.#reports.push({ type: 'dropped', kind, reason, userHash, keyIndex });
    }
  }
}

function asBuffer(bytes: Uint8Array): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return (whole ? bytes.buffer : Uint8Array.from(bytes).buffer) as ArrayBuffer;
}
