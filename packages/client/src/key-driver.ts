import { FormatError } from '@conclave/bytes';
import {
  type FrameTransformReport,
  type KeyChange,
  type KeyProvider,
  keyRosterOf,
  type MemberId,
} from '@conclave/e2ee';
import type { ParticipantsMessage } from '@conclave/econn';
import type { Cancel, ConferencePlatform } from './conference-platform.ts';
import type { MessagePipe } from './join-conference.ts';

/** What a {@link KeyDriver} works with. */
export interface KeyDriverOptions {
  readonly platform: Pick<ConferencePlatform, 'now' | 'after'>;
  readonly provider: KeyProvider;
  readonly memberOf: (userHash: string) => MemberId | undefined;
  readonly pipe: MessagePipe | undefined;
  /** Takes a change to the frame encryption. */
  readonly change: (change: KeyChange) => void;
  /** A provider broke its contract. */
  readonly broken: (error: unknown) => void;
}

/** Gives a key provider its clock, its messages and its list of participants, one after the other. */
export class KeyDriver {
  readonly #options: KeyDriverOptions;
  readonly #stopReceiving: Cancel | undefined;
  #tail: Promise<void> = Promise.resolve();
  #timer: Cancel | undefined;
  #closed = false;

  constructor(options: KeyDriverOptions) {
    this.#options = options;
    const { provider, pipe } = options;
    this.#stopReceiving = pipe?.receive((sender, text) =>
      this.#run(async (now) => {
        await provider.handleMessage?.(now, sender, text);
      }),
    );
    this.refresh();
  }

  /** Takes what the provider has to say now. */
  refresh(): void {
    this.#run(async () => undefined);
  }

  /** A list of participants came, or the members in it changed. */
  handleRoster(list: ParticipantsMessage): void {
    const { provider, memberOf } = this.#options;
    this.#run(async (now) => {
      await provider.handleRoster?.(now, keyRosterOf(list, memberOf));
    });
  }

  /** A participant announced the newest key that it has. */
  handleAnnouncedEpoch(userHash: string, epoch: number): void {
    this.#run(async (now) => this.#options.provider.handlePeerEpoch?.(now, userHash, epoch));
  }

  /** The frame encryption met a key, or missed one. */
  handleReport(report: FrameTransformReport): void {
    const { provider } = this.#options;
    if (report.type === 'key-seen') this.#run((now) => provider.handleKeySeen(now, report.keyIndex));
    if (report.type !== 'dropped' || report.keyIndex === undefined) return;
    const { reason, keyIndex } = report;
    if (reason !== 'missing-key' && reason !== 'bad-tag') return;
    this.#run((now) => provider.handleUnopened(now, { reason, keyIndex }));
  }

  /** Stops everything. Calls already under way change nothing any more. */
  close(): void {
    this.#closed = true;
    this.#timer?.();
    this.#stopReceiving?.();
  }

  #run(step: (now: number) => Promise<void>): void {
    this.#tail = this.#tail.then(async () => {
      if (this.#closed) return;
      try {
        await step(this.#options.platform.now());
      } catch (error) {
        // A malformed message from a member is that member's fault and concerns nobody else.
        if (!(error instanceof FormatError)) this.#options.broken(error);
      }
      if (!this.#closed) this.#drain();
    });
  }

  #drain(): void {
    const { provider, change, pipe, platform } = this.#options;
    for (let next = provider.pollChange(); next !== undefined; next = provider.pollChange()) change(next);
    for (let next = provider.pollTransmit(); next !== undefined; next = provider.pollTransmit()) {
      // A lost key message is asked for again by whoever misses the key.
      pipe?.send(next).catch(() => undefined);
    }
    this.#timer?.();
    const at = provider.pollTimeout();
    this.#timer =
      at === undefined
        ? undefined
        : platform.after(Math.max(0, at - platform.now()), () =>
            this.#run((now) => provider.handleTimeout(now)),
          );
  }
}
