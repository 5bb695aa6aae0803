import { type NowMs, serialAdd32, serialDelta32 } from '@conclave/bytes';
import { OPUS_CLOCK_RATE } from './opus-duration.ts';

/** A silence of this length between two packets is one; what is shorter is a busy machine. */
const PAUSE_MS = 250;

/** Gives the packets of a voice their moments: one after the other, with gaps where nothing was said. Sans-IO. */
export class OutgoingClock {
  #nextTicks: number | undefined;
  /** When the last packet ends, on the clock of `now`. */
  #endsMs: NowMs = 0;

  /** The moment of a packet that plays for `durationTicks`, and whether it is the first after a pause. `wantedTicks` overrules. */
  next(
    now: NowMs,
    durationTicks: number,
    wantedTicks: number | undefined,
  ): { readonly timestampTicks: number; readonly marker: boolean } {
    const durationMs = (durationTicks * 1000) / OPUS_CLOCK_RATE;
    const expected = this.#nextTicks;
    const pauseMs = now - this.#endsMs;
    const paused = expected === undefined || pauseMs > PAUSE_MS;
    const skippedTicks =
      paused && expected !== undefined ? Math.round((pauseMs * OPUS_CLOCK_RATE) / 1000) : 0;
    const timestampTicks = (wantedTicks ?? serialAdd32(expected ?? 0, skippedTicks)) >>> 0;
    const jumps =
      wantedTicks !== undefined && expected !== undefined && serialDelta32(expected, timestampTicks) > 0;
    this.#nextTicks = serialAdd32(timestampTicks, durationTicks);
    // A packet handed in late or early is not a pause: the line runs on from where the one before ended.
    this.#endsMs = paused ? now + durationMs : Math.max(this.#endsMs, now - PAUSE_MS) + durationMs;
    return { timestampTicks, marker: paused || jumps };
  }
}
