/** Two soft notes, in hertz. */
const NOTES_HZ = [523.25, 783.99];
const NOTE_S = 0.35;

/** Plays two notes through a loudspeaker, to hear whether it is the right one. Silent where the browser refuses. */
export async function playTestSound(speakerId: string | undefined): Promise<void> {
  const context = new AudioContext();
  const output = context.createMediaStreamDestination();
  const element = new Audio();
  element.srcObject = output.stream;
  try {
    if (speakerId !== undefined && 'setSinkId' in element) await element.setSinkId(speakerId);
    await element.play();
    const ended = NOTES_HZ.map((frequency, index) => playNote(context, output, frequency, index * NOTE_S));
    await Promise.all(ended);
  } catch {
    // The loudspeaker is gone, or the browser wants another click.
  } finally {
    element.srcObject = null;
    await context.close();
  }
}

function playNote(
  context: AudioContext,
  output: AudioNode,
  frequency: number,
  afterS: number,
): Promise<unknown> {
  const begin = context.currentTime + 0.05 + afterS;
  const oscillator = new OscillatorNode(context, { frequency });
  const gain = new GainNode(context, { gain: 0 });
  gain.gain.setValueAtTime(0, begin);
  gain.gain.linearRampToValueAtTime(0.2, begin + 0.03);
  gain.gain.exponentialRampToValueAtTime(0.001, begin + NOTE_S * 1.6);
  oscillator.connect(gain).connect(output);
  oscillator.start(begin);
  oscillator.stop(begin + NOTE_S * 1.6);
  return new Promise((resolve) => oscillator.addEventListener('ended', resolve, { once: true }));
}
