import { type FrameTransformGlobals, frameTransformSupport } from '@conclave/e2ee';

/** What the diagnosis asks of a browser; tests put a stand-in here. */
export interface DiagnosisPlatform {
  /** Why calls cannot work in this browser at all; undefined when they can. */
  readonly obstacle: 'insecure-page' | 'webrtc-missing' | 'encryption-missing' | undefined;
  /** Name and version of the browser, for the summary. */
  readonly browser: string;
  /** Origin of the page. */
  readonly pageOrigin: string;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** The moment in words, for the summary. */
  wallClock(): string;
  /** That many random bytes as hexadecimal digits. */
  randomHex(bytes: number): string;
  /** Resolves after this time, earlier when the signal aborts. Never rejects. */
  wait(delayMs: number, signal: AbortSignal): Promise<void>;
  fetch(url: string, init: RequestInit): Promise<Response>;
  getUserMedia(constraints: MediaStreamConstraints): Promise<MediaStream>;
  /** Largest amplitude heard within this time, 0 to 1; undefined where the browser lets nobody listen now. */
  listen(stream: MediaStream, durationMs: number, signal: AbortSignal): Promise<number | undefined>;
  /** Size of the first picture; undefined when none came within this time. */
  firstPicture(
    stream: MediaStream,
    durationMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly width: number; readonly height: number } | undefined>;
  createConnection(configuration: RTCConfiguration): RTCPeerConnection;
  /** A quiet tone that no device is needed for; `stop` frees it. */
  createTone(): { readonly track: MediaStreamTrack; readonly stop: () => void };
}

/** The browser that runs this page. */
export function browserDiagnosisPlatform(): DiagnosisPlatform {
  return {
    obstacle: findObstacle(),
    browser: navigator.userAgent,
    pageOrigin: location.origin,
    now: () => performance.now(),
    wallClock: () => new Date().toISOString(),
    randomHex: (bytes) =>
      Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join(
        '',
      ),
    wait,
    fetch: (url, init) => fetch(url, init),
    getUserMedia: (constraints) => navigator.mediaDevices.getUserMedia(constraints),
    listen,
    firstPicture,
    createConnection: (configuration) => new RTCPeerConnection(configuration),
    createTone,
  };
}

function findObstacle(): DiagnosisPlatform['obstacle'] {
  if (!globalThis.isSecureContext) return 'insecure-page';
  if (typeof RTCPeerConnection === 'undefined') return 'webrtc-missing';
  const support = frameTransformSupport(globalThis as unknown as FrameTransformGlobals);
  return support === 'none' ? 'encryption-missing' : undefined;
}

function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done);
  });
}

async function listen(
  stream: MediaStream,
  durationMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const context = new AudioContext();
  try {
    // Without a click of the user it may never start.
    await Promise.race([context.resume(), wait(500, signal)]);
    if (context.state !== 'running') return undefined;
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const end = performance.now() + durationMs;
    let peak = 0;
    while (performance.now() < end && !signal.aborted) {
      await wait(40, signal);
      analyser.getFloatTimeDomainData(samples);
      for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    }
    return peak;
  } finally {
    await context.close();
  }
}

async function firstPicture(
  stream: MediaStream,
  durationMs: number,
  signal: AbortSignal,
): Promise<{ readonly width: number; readonly height: number } | undefined> {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  try {
    const loaded = new Promise<void>((resolve) => video.addEventListener('loadeddata', () => resolve()));
    video.srcObject = stream;
    // Rejected only when the element is given up below.
    video.play().catch(() => undefined);
    await Promise.race([loaded, wait(durationMs, signal)]);
    return video.videoWidth > 0 ? { width: video.videoWidth, height: video.videoHeight } : undefined;
  } finally {
    video.srcObject = null;
  }
}

function createTone(): { readonly track: MediaStreamTrack; readonly stop: () => void } {
  const context = new AudioContext();
  context.resume().catch(() => undefined);
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const destination = context.createMediaStreamDestination();
  gain.gain.value = 0.05;
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return {
    track: destination.stream.getAudioTracks()[0]!,
    stop: () => {
      context.close().catch(() => undefined);
    },
  };
}
