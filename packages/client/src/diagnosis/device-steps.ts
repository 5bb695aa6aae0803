import type { StepContext, StepOutcome } from './diagnosis-step.ts';

/** Longer than the pauses of a microphone that works: even a silent room is not digital silence. */
const LISTEN_MS = 1500;
/** Cameras of phones take their time. */
const PICTURE_MS = 6000;

/** Opens the microphone, listens for a moment, and closes it. */
export async function testMicrophone({ platform, options, signal }: StepContext): Promise<StepOutcome> {
  if (options.microphone === false) return { finding: 'skipped-by-choice' };
  let stream: MediaStream;
  try {
    stream = await platform.getUserMedia({ audio: deviceConstraint(options.microphone?.deviceId) });
  } catch (error) {
    return deviceFailure('microphone', error);
  }
  try {
    const peak = await platform.listen(stream, LISTEN_MS, signal);
    if (peak === undefined) return { finding: 'microphone-works' };
    const details = { peak: Math.round(peak * 1000) / 1000 };
    return { finding: peak === 0 ? 'microphone-silent' : 'microphone-works', details };
  } catch (error) {
    return { finding: 'microphone-failed', details: { error: errorName(error) } };
  } finally {
    stop(stream);
  }
}

/** Opens the camera, waits for a picture, and closes it. */
export async function testCamera({ platform, options, signal }: StepContext): Promise<StepOutcome> {
  if (options.camera === false) return { finding: 'skipped-by-choice' };
  let stream: MediaStream;
  try {
    stream = await platform.getUserMedia({ video: deviceConstraint(options.camera?.deviceId) });
  } catch (error) {
    return deviceFailure('camera', error);
  }
  try {
    const size = await platform.firstPicture(stream, PICTURE_MS, signal);
    return size ? { finding: 'camera-works', details: { ...size } } : { finding: 'camera-failed' };
  } catch (error) {
    return { finding: 'camera-failed', details: { error: errorName(error) } };
  } finally {
    stop(stream);
  }
}

function deviceConstraint(deviceId: string | undefined): MediaTrackConstraints | true {
  return deviceId === undefined ? true : { deviceId: { exact: deviceId } };
}

function deviceFailure(kind: 'microphone' | 'camera', error: unknown): StepOutcome {
  const name = errorName(error);
  const details = { error: name };
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return { finding: `${kind}-denied`, details };
    case 'NotFoundError':
    case 'OverconstrainedError':
      return { finding: `${kind}-absent`, details };
    case 'NotReadableError':
    case 'AbortError':
      return { finding: `${kind}-busy`, details };
    default:
      return { finding: `${kind}-failed`, details };
  }
}

/** The name alone: messages of browsers may hold device names. */
function errorName(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : 'unknown';
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
