import type { NowMs } from '@conclave/bytes';
import { MAX_KEY_INDEX } from './key-index.ts';
import type { KeyChange, KeyMessage, KeyProvider } from './key-provider.ts';
import type { KeyRoster } from './key-roster.ts';

/**
 * Age in milliseconds at which a key is used although some have not announced it. Lower cuts off who is slow; higher
 * lets who left listen for longer.
 */
export const EPOCH_SWITCH_TIMEOUT_MS = 60_000;

/** Epochs that wait to be used at most; the application brings a handful in a day. */
const MAX_WAITING_EPOCHS = 8;

interface WaitingEpoch {
  readonly epoch: number;
  readonly switchAt: NowMs;
}

/**
 * Keys that an application brings, one for each epoch, as a group key agreement gives them. The epoch is the key's
 * index. The own side seals with the newest one that everybody announced, or that is a minute old.
 */
export class ExternalProvider implements KeyProvider {
  readonly forwardHashing = false;
  readonly countersNeverRestart = false;
  readonly #changes: KeyChange[] = [];
  readonly #selfHash: string | undefined;
  #peers = new Map<string, number>();
  #waiting: WaitingEpoch[] = [];
  #newest: number | undefined;
  #current: number | undefined;
  #forget: { readonly below: number; readonly at: NowMs } | undefined;

  /** `userHash`: the own hash, which {@link ExternalProvider.handleRoster} leaves out of the peers. */
  constructor(options: { readonly userHash?: string } = {}) {
    this.#selfHash = options.userHash;
  }

  /** The newest epoch with a key: what the own side announces to others (`keysync`). Undefined before the first. */
  get announcedEpoch(): number | undefined {
    return this.#newest;
  }

  /** The epoch whose key seals. */
  get currentEpoch(): number | undefined {
    return this.#current;
  }

  /**
   * Takes the key of an epoch, 16 to 64 bytes, copied. Epochs grow, 0 to 2^32-1; one that is not newer than the newest is
   * ignored, lest a key serve twice. Throws `RangeError` on numbers and lengths outside the bounds.
   */
  handleEpoch(now: NowMs, epoch: number, key: Uint8Array): void {
    if (!Number.isInteger(epoch) || epoch < 0 || epoch > MAX_KEY_INDEX) {
      throw new RangeError('the epoch is not a 32-bit number');
    }
    if (key.length < 16 || key.length > 64) throw new RangeError('the key of an epoch has 16 to 64 bytes');
    if (this.#newest !== undefined && epoch <= this.#newest) return;
    this.#newest = epoch;
    this.#changes.push({ type: 'key', index: epoch, sessionKey: Uint8Array.from(key) });
    this.#waiting.push({ epoch, switchAt: now + EPOCH_SWITCH_TIMEOUT_MS });
    if (this.#waiting.length > MAX_WAITING_EPOCHS) this.#waiting.shift();
    this.#advance(now);
  }

  async handleRoster(now: NowMs, roster: KeyRoster): Promise<void> {
    const members = roster.participants.filter(({ member }) => member !== undefined);
    this.handlePeers(
      now,
      members.map(({ userHash }) => userHash).filter((hash) => hash !== this.#selfHash),
    );
  }

  /** Replaces the list of the other participants, by their hashes. Who is new has announced nothing yet. */
  handlePeers(now: NowMs, userHashes: readonly string[]): void {
    this.#peers = new Map(userHashes.map((hash) => [hash, this.#peers.get(hash) ?? -1]));
    this.#advance(now);
  }

  /** A participant announced the newest epoch that it has a key of. */
  handlePeerEpoch(now: NowMs, userHash: string, epoch: number): void {
    if (!this.#peers.has(userHash)) return;
    this.#peers.set(userHash, epoch);
    this.#advance(now);
  }

  async handleTimeout(now: NowMs): Promise<void> {
    this.#advance(now);
  }

  async handleKeySeen(): Promise<void> {}

  async handleUnopened(): Promise<void> {}

  pollTimeout(): NowMs | undefined {
    const times = [this.#waiting[0]?.switchAt, this.#forget?.at].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  pollChange(): KeyChange | undefined {
    return this.#changes.shift();
  }

  pollTransmit(): KeyMessage | undefined {
    return undefined;
  }

  #advance(now: NowMs): void {
    if (this.#forget !== undefined && this.#forget.at <= now) {
      this.#changes.push({ type: 'forget-below', index: this.#forget.below });
      this.#forget = undefined;
    }
    let next: number | undefined;
    for (const { epoch, switchAt } of this.#waiting) {
      const first = this.#current === undefined && next === undefined;
      const everybody = [...this.#peers.values()].every((announced) => announced >= epoch);
      if (first || everybody || switchAt <= now) next = epoch;
    }
    if (next === undefined) return;
    this.#waiting = this.#waiting.filter(({ epoch }) => epoch > next);
    this.#current = next;
    this.#changes.push({ type: 'send-with', index: next });
    // Others may go on with the former key as long as the own side would have.
    this.#forget = { below: next, at: now + EPOCH_SWITCH_TIMEOUT_MS };
  }
}
