import type { NowMs } from '@conclave/bytes';
import { DeadlineMap } from './deadline-map.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { VideoStream } from './video-stream.ts';

/**
 * Requests for key frames, spaced per stream: the first goes out at once, those that follow within the interval are
 * one request at its end. While receivers wait for a stream the request is repeated each interval.
 */
export class KeyFrames {
  readonly #effects: EffectQueue;
  readonly #intervalMs: number;
  readonly #isAwaited: (now: NowMs, stream: VideoStream) => boolean;
  readonly #notBeforeMs = new Map<VideoStream, NowMs>();
  readonly #due = new DeadlineMap<VideoStream>();
  /** Streams whose next request was asked for, rather than being a repetition. */
  readonly #asked = new Set<VideoStream>();
  /** Requests made so far. */
  requests = 0;

  /** `isAwaited` says whether a request shall be repeated. */
  constructor(
    effects: EffectQueue,
    intervalMs: number,
    isAwaited: (now: NowMs, stream: VideoStream) => boolean,
  ) {
    this.#effects = effects;
    this.#intervalMs = intervalMs;
    this.#isAwaited = isAwaited;
  }

  /** A key frame of the stream is needed. */
  request(now: NowMs, stream: VideoStream): void {
    const notBefore = this.#notBeforeMs.get(stream) ?? now;
    if (notBefore <= now) {
      this.#send(now, stream);
      return;
    }
    this.#asked.add(stream);
    this.#due.set(stream, notBefore);
  }

  /**
   * The stream is being watched: asks for a key frame when none was asked for during the last `refreshMs`. A stream
   * seen here for the first time counts as just asked for.
   */
  refresh(now: NowMs, stream: VideoStream, refreshMs: number): void {
    const notBefore = this.#notBeforeMs.get(stream);
    if (notBefore === undefined) this.#notBeforeMs.set(stream, now + this.#intervalMs);
    else if (now >= notBefore - this.#intervalMs + refreshMs) this.request(now, stream);
  }

  /** The stream is gone. */
  forget(stream: VideoStream): void {
    this.#notBeforeMs.delete(stream);
    this.#due.delete(stream);
    this.#asked.delete(stream);
  }

  /** When the next request is due. */
  pollTimeout(): NowMs | undefined {
    return this.#due.earliest();
  }

  /** Makes the requests that are due. */
  handleTimeout(now: NowMs): void {
    for (const stream of this.#due.takeDue(now)) {
      if (this.#asked.has(stream) || this.#isAwaited(now, stream)) this.#send(now, stream);
    }
  }

  #send(now: NowMs, stream: VideoStream): void {
    this.#asked.delete(stream);
    this.#notBeforeMs.set(stream, now + this.#intervalMs);
    this.#effects.push({ type: 'request-key-frame', leg: stream.leg.id, layer: stream.layer });
    this.requests++;
    if (this.#isAwaited(now, stream)) this.#due.set(stream, now + this.#intervalMs);
    else this.#due.delete(stream);
  }
}
