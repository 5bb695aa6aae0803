import type { StreamRequest } from '@conclave/econn';
import type { ParticipantId, VideoWish } from './conference.ts';
import type { Cancel } from './conference-platform.ts';
import { assignSlots, type SlotWish, streamRequests } from './video-slots.ts';

/** What a {@link VideoWatch} works with. */
export interface VideoWatchOptions {
  readonly selfId: ParticipantId;
  readonly slots: number;
  /** How long wishes are gathered before they are acted on. */
  readonly wishesMs: number;
  readonly after: (delayMs: number, run: () => void) => Cancel;
  /** Whether that participant sends a picture now. */
  readonly sendsVideo: (id: ParticipantId) => boolean;
  /** Asks the server; false if that cannot be now. */
  readonly request: (streams: readonly StreamRequest[]) => boolean;
  /** Pictures have moved. */
  readonly changed: () => void;
}

/** Whose pictures are wanted, which slot each has, and what the server was told of it. */
export class VideoWatch {
  readonly #options: VideoWatchOptions;
  #wishes: readonly VideoWish[] = [];
  #slots: readonly (SlotWish | undefined)[] = [];
  /** What the server was told last; undefined: nothing on this connection. */
  #told: string | undefined;
  #stopTimer: Cancel | undefined;

  constructor(options: VideoWatchOptions) {
    this.#options = options;
  }

  /** Replaces all wishes. Those that come quickly one after the other go out as one. */
  watch(wishes: readonly VideoWish[]): void {
    this.#wishes = [...wishes];
    this.#stopTimer ??= this.#options.after(this.#options.wishesMs, () => {
      this.#stopTimer = undefined;
      this.update();
    });
  }

  /** Somebody came, went, or began or ceased to send a picture. */
  update(): void {
    const shown = this.#wishes.filter(({ id }) => this.#options.sendsVideo(id));
    this.#slots = assignSlots(this.#slots, shown, this.#options.slots);
    this.#tell();
    this.#options.changed();
  }

  /** The connection is a new one, whose server has been told nothing. */
  restart(): void {
    this.#told = undefined;
    this.#tell();
  }

  /** Index of the slot that was asked for this participant, -1 if there is none. */
  slotOf(id: ParticipantId): number {
    return this.#slots.findIndex((wish) => wish?.id === id);
  }

  close(): void {
    this.#stopTimer?.();
  }

  #tell(): void {
    const streams = streamRequests(this.#slots, this.#options.selfId);
    const text = JSON.stringify(streams);
    if (text === this.#told || (this.#told === undefined && streams.length === 0)) return;
    if (this.#options.request(streams)) this.#told = text;
  }
}
