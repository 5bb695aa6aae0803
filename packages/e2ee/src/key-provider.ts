import type { NowMs } from '@conclave/bytes';
import type { DropReason } from './frame-decryptor.ts';
import type { KeyRoster } from './key-roster.ts';
import type { KeyStore } from './key-store.ts';

/** A change for the key store. Plain data, fit to be posted to a worker; holds keys, so never for a log. */
export type KeyChange =
  /** A key that frames may come with from now on: 16 to 64 bytes, 32 in general. */
  | { readonly type: 'key'; readonly index: number; readonly sessionKey: Uint8Array }
  /** Frames are sealed with the key of this index from now on. */
  | { readonly type: 'send-with'; readonly index: number }
  /** All keys of lower indices have served. */
  | { readonly type: 'forget-below'; readonly index: number };

/** A device in the conversation, by the ids that the application uses. */
export interface MemberId {
  readonly userId: string;
  readonly clientId: string;
}

/** A message to other devices. It holds keys: send it end-to-end encrypted, to these devices only, never log it. */
export interface KeyMessage {
  /** At least one. */
  readonly to: readonly MemberId[];
  /** JSON text. */
  readonly text: string;
}

/** A frame that could not be opened, as far as keys are concerned. Nothing of it is authentic. */
export interface UnopenedFrame {
  readonly reason: Extract<DropReason, 'missing-key' | 'bad-tag'>;
  /** Index in the frame's header. */
  readonly keyIndex: number;
}

/**
 * Where keys come from. A provider has no clock and sends nothing: after each call (which are carried out one after the
 * other) its driver drains {@link KeyProvider.pollChange} into the {@link KeyStore} and {@link KeyProvider.pollTransmit}
 * into the message pipe, and calls {@link KeyProvider.handleTimeout} when {@link KeyProvider.pollTimeout} says.
 */
export interface KeyProvider {
  /** Setting of the key store that goes with the provider. */
  readonly forwardHashing: boolean;
  /** Whether all senders keep one frame counter per key, so that the replay window may be on. */
  readonly countersNeverRestart: boolean;
  /** A participant list came, or the members in it changed. Absent where keys do not depend on who is there. */
  handleRoster?(now: NowMs, roster: KeyRoster): Promise<void>;
  /** A key message came from this device; the pipe vouches for the sender. Rejects with `FormatError` if it is none. */
  handleMessage?(now: NowMs, sender: MemberId, text: string): Promise<unknown>;
  /** A participant announced the newest epoch that it has a key of. */
  handlePeerEpoch?(now: NowMs, userHash: string, epoch: number): void;
  /** The newest epoch with a key, which the own side announces; undefined where there is none to announce. */
  readonly announcedEpoch?: number | undefined;
  /** Time has come. */
  handleTimeout(now: NowMs): Promise<void>;
  /** A frame was authentic under this index, and none before it was. */
  handleKeySeen(now: NowMs, index: number): Promise<void>;
  /** A frame could not be opened. May be called as often as that happens. */
  handleUnopened(now: NowMs, frame: UnopenedFrame): Promise<void>;
  /** When to call {@link KeyProvider.handleTimeout}, on the clock of `now`; undefined: not until something happens. */
  pollTimeout(): NowMs | undefined;
  /** The next change for the key store, in order. */
  pollChange(): KeyChange | undefined;
  /** The next message for other devices. */
  pollTransmit(): KeyMessage | undefined;
}

/** Carries out a change. Changes have to be applied in order, each after the one before is done. */
export async function applyKeyChange(store: KeyStore, change: KeyChange): Promise<void> {
  switch (change.type) {
    case 'key':
      return store.add(change.index, change.sessionKey);
    case 'send-with':
      store.sendWith(change.index);
      return;
    case 'forget-below':
      store.forgetBelow(change.index);
      return;
  }
}
