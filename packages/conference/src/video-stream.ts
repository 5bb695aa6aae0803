import type { NowMs } from '@conclave/bytes';
import type { VideoLayer } from './conference-effect.ts';
import type { ConferenceTimings } from './conference-options.ts';
import type { Leg, LegAnswer } from './membership.ts';

/** What is known of a stream's flow: `fresh` is too new to be relied on. */
export type StreamStatus = 'silent' | 'fresh' | 'steady';

/** One incoming video stream of a leg and when it last sent. A stream never seen counts as silent. */
export class VideoStream {
  readonly leg: Leg;
  readonly layer: VideoLayer;
  readonly #timings: ConferenceTimings;
  /** The status that receivers' choices were last made with. */
  seenStatus: StreamStatus = 'silent';
  /** What another server told of it, for a stream that comes from there only while somebody watches it. */
  remoteStatus: StreamStatus | undefined;
  #lastActiveAtMs: NowMs | undefined;
  #activeSinceMs: NowMs = 0;

  constructor(leg: Leg, layer: VideoLayer, timings: ConferenceTimings) {
    this.leg = leg;
    this.layer = layer;
    this.#timings = timings;
  }

  /** Packets of the stream arrived since the last reading. */
  markActive(now: NowMs): void {
    if (this.status(now) === 'silent') this.#activeSinceMs = now;
    this.#lastActiveAtMs = now;
  }

  /** How the stream flows at that time. */
  status(now: NowMs): StreamStatus {
    if (this.remoteStatus !== undefined) return this.remoteStatus;
    const last = this.#lastActiveAtMs;
    if (last === undefined || now - last >= this.#timings.layerSilentMs) return 'silent';
    return last - this.#activeSinceMs >= this.#timings.layerSteadyMs ? 'steady' : 'fresh';
  }
}

/**
 * The stream of a sender that a receiver gets. `current` is the one it was promised before, if it was one of this
 * sender: it is left only for a reason, so that receivers do not go to and fro. Undefined when the sender has no
 * video.
 */
export function chooseStream(
  now: NowMs,
  streams: readonly VideoStream[],
  quality: 0 | 1 | 2,
  current: VideoStream | undefined,
): VideoStream | undefined {
  const wished = streams.find((stream) => stream.layer === (quality === 1 ? 'low' : 'high'));
  if (wished === undefined) return streams[0];
  const other = streams.find((stream) => stream !== wished);
  if (other === undefined) return wished;
  const status = wished.status(now);
  if (current === other) {
    const back = status === 'steady' || (status === 'fresh' && other.status(now) === 'silent');
    return back ? wished : other;
  }
  return status === 'silent' && other.status(now) !== 'silent' ? other : wished;
}

/** The streams that the leg's client may send by its answer. */
export function streamsOf(leg: Leg, answer: LegAnswer, timings: ConferenceTimings): readonly VideoStream[] {
  switch (answer.video) {
    case 'none':
      return [];
    case 'single':
      return [new VideoStream(leg, 'single', timings)];
    case 'simulcast':
      return [new VideoStream(leg, 'low', timings), new VideoStream(leg, 'high', timings)];
  }
}
