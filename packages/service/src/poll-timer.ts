import type { NowMs } from '@conclave/bytes';

/** The one timer of a sans-IO core: runs at the time that the core last asked for. */
export class PollTimer {
  readonly #now: () => NowMs;
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #at: NowMs | undefined;

  constructor(now: () => NowMs, onDue: () => void) {
    this.#now = now;
    this.#onDue = onDue;
  }

  /** Sets the time, in the clock's milliseconds, or none. Cheap when it is the one that is set. */
  arm(at: NowMs | undefined): void {
    if (at === this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at;
    if (at === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#at = undefined;
        this.#onDue();
      },
      Math.max(0, Math.ceil(at - this.#now())),
    );
  }

  stop(): void {
    this.arm(undefined);
  }
}
