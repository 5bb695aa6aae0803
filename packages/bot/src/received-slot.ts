import type { ParticipantId, VideoFigures } from '@conclave/client';
import { LevelMeter } from './level-meter.ts';
import type { PictureSize } from './vp8-descriptor.ts';

/** What one slot has brought so far. */
export class ReceivedSlot {
  /** Loudness of the voice in it. */
  readonly level: LevelMeter = new LevelMeter();
  /** Whose frames were opened there last. */
  source: ParticipantId | undefined;
  /** Whether a decoder of the picture has to wait for a key frame. */
  awaitsKeyFrame = true;
  #size: PictureSize | undefined;
  #frames = 0;
  #bytes = 0;

  /** Counts a frame of the picture that was opened; `size` if it is a key frame. */
  count(bytes: number, size: PictureSize | undefined): void {
    this.#frames++;
    this.#bytes += bytes;
    if (size !== undefined) this.#size = size;
  }

  /** Figures of the picture since the last call, which was `elapsedMs` ago; undefined when nothing came. */
  takeFigures(elapsedMs: number): VideoFigures | undefined {
    const frames = this.#frames;
    const bytes = this.#bytes;
    this.#frames = 0;
    this.#bytes = 0;
    if (frames === 0 || this.#size === undefined || elapsedMs <= 0) return undefined;
    return {
      width: this.#size.widthPx,
      height: this.#size.heightPx,
      framesPerSecond: (frames * 1000) / elapsedMs,
      bitrateBps: (bytes * 8000) / elapsedMs,
    };
  }
}
