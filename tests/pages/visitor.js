// Runs in the meeting page before its own scripts: a tone for a microphone, one colour for a camera and one for a
// screen, and a look at what the page shows and plays.

const FFT_SIZE = 8192;

function paint(colour, width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  let turn = 0;
  const draw = () => {
    turn += 1;
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#808080';
    context.fillRect((turn * 7) % width, 0, 8, 8);
  };
  draw();
  setInterval(draw, 100);
  return canvas.captureStream(10).getVideoTracks()[0];
}

function speak(frequency) {
  const context = new AudioContext();
  const output = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency });
  tone.connect(new GainNode(context, { gain: 0.3 })).connect(output);
  tone.start();
  return output.stream.getAudioTracks()[0];
}

let ear;

globalThis.visitor = {
  arrive(options) {
    // Pages without HTTPS, as about:blank, have no devices.
    if (!navigator.mediaDevices) return;
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = new MediaStream();
      if (wanted.audio) stream.addTrack(speak(options.frequency));
      if (wanted.video) stream.addTrack(paint(options.colour, 640, 360));
      return stream;
    };
    navigator.mediaDevices.getDisplayMedia = async () =>
      new MediaStream([paint(options.screenColour ?? '#ffffff', 960, 540)]);
  },

  seen(name) {
    const tiles = [...document.querySelectorAll('.tile:not(.own)')];
    const video = tiles.find((tile) => tile.textContent.includes(name))?.querySelector('video');
    if (!video || video.videoWidth === 0) return null;
    const canvas = document.createElement('canvas');
    canvas.width = 1;
    canvas.height = 1;
    const context = canvas.getContext('2d');
    context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  },

  async heard(frequencies) {
    ear ??= { context: new AudioContext(), voices: new Map() };
    for (const audio of document.querySelectorAll('audio')) {
      const stream = audio.srcObject;
      if (!stream || ear.voices.has(stream) || stream.getAudioTracks().length === 0) continue;
      const analyser = new AnalyserNode(ear.context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
      ear.context.createMediaStreamSource(stream).connect(analyser);
      ear.voices.set(stream, analyser);
    }
    await ear.context.resume();
    const bins = new Float32Array(FFT_SIZE / 2);
    return frequencies.map((frequency) => {
      let loudest = -200;
      for (const analyser of ear.voices.values()) {
        analyser.getFloatFrequencyData(bins);
        const at = Math.round((frequency * FFT_SIZE) / ear.context.sampleRate);
        for (const level of bins.slice(at - 2, at + 3)) loudest = Math.max(loudest, level);
      }
      return loudest;
    });
  },
};
