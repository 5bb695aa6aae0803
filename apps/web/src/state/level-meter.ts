import { type Signal, signal } from '@preact/signals';

/** How often the level is read, in milliseconds. Less often looks jerky, more often costs battery. */
const READ_EVERY_MS = 60;
/** Quietest level that is shown, in decibels below full scale. */
const FLOOR_DB = -55;

/** Loudness of a microphone, to show. */
export class LevelMeter {
  /** 0 (silence) to 1 (full scale), on a scale of decibels. */
  readonly level: Signal<number> = signal(0);
  #stop: (() => void) | undefined;

  /** Shows this track's loudness from now on; nothing for `undefined`. The track stays its owner's. */
  follow(track: MediaStreamTrack | undefined): void {
    this.close();
    if (!track || typeof AudioContext === 'undefined') return;
    const context = new AudioContext();
    // A track of its own keeps on showing what is said while the one that is sent is muted.
    const own = track.clone();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    const source = context.createMediaStreamSource(new MediaStream([own]));
    source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
      if (context.state === 'suspended') void context.resume().catch(() => undefined);
      analyser.getFloatTimeDomainData(samples);
      this.level.value = levelOf(samples);
    }, READ_EVERY_MS);
    this.#stop = () => {
      clearInterval(timer);
      source.disconnect();
      own.stop();
      void context.close().catch(() => undefined);
    };
  }

  /** Frees everything; {@link LevelMeter.follow} may follow. */
  close(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.level.value = 0;
  }
}

/** The level of samples between -1 and 1: 0 at {@link FLOOR_DB} and below, 1 at full scale. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-12);
  return Math.min(1, Math.max(0, 1 - decibels / FLOOR_DB));
}
