// A page that does nothing but be in a meeting by the client library, with a tone for a voice and a fake camera, and
// lets a test look at what arrives.
import { ClientError, joinConference, joinMeeting, parseMeetingLink } from '@conclave/client';
import { ConfkeyProvider, MediaCrypto } from '@conclave/e2ee';

const FFT_SIZE = 4096;
let context;
let conference;
let gain;
let keys;
let receiveMessage;
const audio = new Map();
const videos = new Map();

function sound() {
  context ??= new AudioContext({ sampleRate: 48000 });
  context.resume();
  return context;
}

/** A sine that a listener can tell from others. */
function tone(frequency, loudness = 0.4) {
  const oscillator = sound().createOscillator();
  const volume = sound().createGain();
  const output = sound().createMediaStreamDestination();
  oscillator.frequency.value = frequency;
  volume.gain.value = loudness;
  oscillator.connect(volume).connect(output);
  oscillator.start();
  return { track: output.stream.getAudioTracks()[0], gain: volume.gain };
}

/** A picture of one colour, so that a viewer can tell whom it sees; it moves a little so that frames come. */
function picture(colour, { width = 640, height = 360, framesPerSecond = 15, patches = 0 } = {}) {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext('2d');
  let step = 0;
  const draw = () => {
    pen.fillStyle = colour;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = 'white';
    pen.fillRect((step++ * 8) % width, 0, 8, 8);
    // A picture that is hard to compress, for those who want large frames.
    for (let i = 0; i < patches; i++) {
      pen.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
      pen.fillRect(Math.random() * width, Math.random() * height, 40, 40);
    }
  };
  draw();
  setInterval(draw, 1000 / framesPerSecond);
  return canvas.captureStream(framesPerSecond);
}

function play(state) {
  for (const stream of state.audioStreams) {
    if (audio.has(stream)) continue;
    const element = document.createElement('audio');
    Object.assign(element, { autoplay: true, muted: true, srcObject: stream });
    document.body.append(element);
    const analyser = sound().createAnalyser();
    Object.assign(analyser, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    sound().createMediaStreamSource(stream).connect(analyser);
    audio.set(stream, { element, analyser });
  }
  for (const [stream, { element }] of audio) {
    if (state.audioStreams.includes(stream)) continue;
    element.remove();
    audio.delete(stream);
  }
  for (const { id, videoStream } of state.participants) {
    let element = videos.get(id);
    if (element === undefined) {
      element = document.createElement('video');
      Object.assign(element, { autoplay: true, muted: true, playsInline: true });
      document.body.append(element);
      videos.set(id, element);
    }
    if (element.srcObject !== (videoStream ?? null)) element.srcObject = videoStream ?? null;
  }
}

/** What this page shows of itself. */
function own({ frequency, colour, camera, name }) {
  const voice = frequency === undefined ? undefined : tone(frequency);
  gain = voice?.gain;
  return {
    profile: { name, handRaised: false },
    microphone: voice?.track,
    camera: colour === undefined ? undefined : picture(colour, camera).getVideoTracks()[0],
  };
}

window.meeting = {
  states: [],
  join({ link, frequency, colour, camera, name, ...rest }) {
    return this.enter(() =>
      joinMeeting({ link: parseMeetingLink(link), ...own({ frequency, colour, camera, name }), ...rest }),
    );
  },
  /**
   * Joins as a device of a conversation, with keys as Wire's clients exchange them. What the page has for the others
   * goes to `window.deliver`, what they have for it comes by {@link receive}.
   */
  joinGroup({ server, conferenceId, devices, self, ...mine }) {
    const { userHash, userId, clientId } = devices[self];
    keys = new ConfkeyProvider(new MediaCrypto(crypto.subtle), {
      userHash,
      member: { userId, clientId },
      conversationHash: conferenceId,
      random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    });
    return this.enter(() =>
      joinConference({
        ...own(mine),
        conferenceId,
        selfId: userHash,
        servers: [server],
        keys,
        memberOf: (hash) => devices.find((device) => device.userHash === hash),
        profileKey: new Uint8Array(32).fill(7),
        pipe: {
          send: ({ to, text }) => window.deliver(JSON.stringify({ to, text })),
          receive: (listener) => {
            receiveMessage = listener;
            return () => {
              receiveMessage = undefined;
            };
          },
        },
        announce: (announcement) => window.announce(JSON.stringify(announcement)),
      }),
    );
  },
  receive(sender, text) {
    receiveMessage?.(sender, text);
  },
  keyState() {
    return { index: keys.currentIndex, makesKeys: keys.isGenerator };
  },
  async enter(joining) {
    try {
      conference = await joining();
    } catch (error) {
      return error instanceof ClientError ? error.code : String(error);
    }
    conference.subscribe((state) => {
      this.states.push({ status: state.status, participants: state.participants.length });
      play(state);
      this.onState?.(state);
    });
    play(conference.state);
    return 'joined';
  },
  get conference() {
    return conference;
  },
  state() {
    return JSON.parse(
      JSON.stringify(conference.state, (key, value) =>
        value instanceof MediaStream ? value.id : value === undefined && key === 'videoStream' ? null : value,
      ),
    );
  },
  /** Loudness of each frequency in dB, in the audio slot where it is loudest. */
  tones(frequencies) {
    const best = frequencies.map(() => -200);
    for (const { analyser } of audio.values()) {
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      frequencies.forEach((frequency, i) => {
        const bin = Math.round((frequency / 48000) * FFT_SIZE);
        best[i] = Math.max(best[i], bins[bin - 1], bins[bin], bins[bin + 1]);
      });
    }
    return best;
  },
  /** What is in the middle of a participant's picture: its size and colour; undefined while there is none. */
  seen(id) {
    const element = videos.get(id);
    if (!element?.srcObject || element.readyState < 2 || !element.videoWidth) return null;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const pen = canvas.getContext('2d');
    const { videoWidth: width, videoHeight: height } = element;
    pen.drawImage(element, width / 2, height / 2, 1, 1, 0, 0, 1, 1);
    return { width, height, colour: [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)] };
  },
  /** Frames shown so far of each participant. */
  framesShown() {
    return Object.fromEntries(
      [...videos].map(([id, element]) => [id, element.getVideoPlaybackQuality().totalVideoFrames]),
    );
  },
  watchAll(heightPx = 720) {
    conference.watch(conference.state.participants.map(({ id }) => ({ id, heightPx })));
  },
  loudness(value) {
    gain.value = value;
  },
  camera(colour, options) {
    return conference.setCamera(colour === null ? undefined : picture(colour, options).getVideoTracks()[0]);
  },
  screen(colour, frequency) {
    if (colour === null) return conference.setScreen(undefined);
    const stream = picture(colour, { width: 1280, height: 720, framesPerSecond: 10 });
    if (frequency !== undefined) stream.addTrack(tone(frequency).track);
    this.sharedScreen = stream;
    return conference.setScreen(stream);
  },
};
