import type { NowMs } from '@conclave/bytes';
import type { KeyChange, KeyMessage, KeyProvider } from './key-provider.ts';
import type { MeetingKeys } from './meeting-secret.ts';

/** Index of the one key of a link meeting. */
export const LINK_KEY_INDEX = 0;

/**
 * The one key of a link meeting, for as long as the meeting lasts. Nonces stay unique because every join has a user hash
 * of its own (see `createMeetingIdentity`) and a sender stops after 2^31 frames.
 */
export class LinkSecretProvider implements KeyProvider {
  readonly forwardHashing = false;
  readonly countersNeverRestart = true;
  readonly #changes: KeyChange[];

  constructor(keys: Pick<MeetingKeys, 'sessionKey'>) {
    this.#changes = [
      { type: 'key', index: LINK_KEY_INDEX, sessionKey: Uint8Array.from(keys.sessionKey) },
      { type: 'send-with', index: LINK_KEY_INDEX },
    ];
  }

  async handleTimeout(): Promise<void> {}

  async handleKeySeen(): Promise<void> {}

  async handleUnopened(): Promise<void> {}

  pollTimeout(): NowMs | undefined {
    return undefined;
  }

  pollChange(): KeyChange | undefined {
    return this.#changes.shift();
  }

  pollTransmit(): KeyMessage | undefined {
    return undefined;
  }
}
