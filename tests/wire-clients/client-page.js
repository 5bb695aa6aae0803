// Drives Wire's calling library in a page the way Wire's web app does, and lets the test look at it.
import { CALL_TYPE, ENV, getAvsInstance, STATE, VIDEO_STATE, VSTREAMS } from '@wireapp/avs';

const nameOf = (names, value) => names?.[value] ?? String(value);
const client = {
  state: 'NONE',
  members: [],
  incoming: false,
  closed: false,
  videoOf: {},
  crypto: { decrypted: 0, failed: 0 },
  connections: [],
};
window.client = client;

// The library's worker does the frame encryption. A prelude counts the outcomes of its calls to WebCrypto.
const PRELUDE = `(() => {
  const counts = { decrypted: 0, failed: 0 };
  const decrypt = crypto.subtle.decrypt.bind(crypto.subtle);
  crypto.subtle.decrypt = (...args) => decrypt(...args).then(
    (plain) => { counts.decrypted++; return plain; },
    (error) => { counts.failed++; throw error; });
  setInterval(() => postMessage({ op: 'counts', counts }), 250);
})();\n`;
const NativeBlob = window.Blob;
window.Blob = function Blob(parts, options) {
  return new NativeBlob(options?.type === 'text/javascript' ? [PRELUDE, ...parts] : parts, options);
};
window.Blob.prototype = NativeBlob.prototype;
const NativeWorker = window.Worker;
window.Worker = class extends NativeWorker {
  constructor(...args) {
    super(...args);
    this.addEventListener('message', ({ data }) => {
      if (data?.op === 'counts') client.crypto = data.counts;
    });
  }
};
const NativeConnection = window.RTCPeerConnection;
window.RTCPeerConnection = class extends NativeConnection {
  constructor(...args) {
    super(...args);
    client.connections.push(this);
  }
};

/** As Wire's web app does: anything but success is code 1000 without a body. */
async function postTo(url, data) {
  try {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await fetch(url, { method: 'POST', body: data, headers });
    if (response.ok) return { status: response.status, body: await response.text() };
  } catch {
    // Told to the library like any other failure.
  }
  return { status: 1000, body: '' };
}

/** The part of the configuration that names servers. In a federation calls of other domains go by one's own server. */
function serversOf({ sft, isFederating, iceServers }) {
  const servers = [{ urls: [sft] }];
  return {
    sft_servers: servers,
    ...(isFederating && { sft_servers_all: servers, is_federating: true }),
    ...(iceServers && { ice_servers: iceServers }),
  };
}

let context;
function audioContext() {
  context ??= new AudioContext({ sampleRate: 48000 });
  context.resume();
  return context;
}

async function ownMedia(settings, video) {
  const stream = new MediaStream();
  const oscillator = audioContext().createOscillator();
  const gain = audioContext().createGain();
  const output = audioContext().createMediaStreamDestination();
  output.channelCount = 1;
  oscillator.frequency.value = settings.frequency;
  gain.gain.value = 0.4;
  oscillator.connect(gain).connect(output);
  oscillator.start();
  for (const track of output.stream.getTracks()) stream.addTrack(track);
  if (video) {
    const camera = await navigator.mediaDevices.getUserMedia({
      video: { width: 640, height: 360, frameRate: 15 },
    });
    for (const track of camera.getTracks()) stream.addTrack(track);
  }
  return stream;
}

const analysers = new Map();
function listen(id, stream) {
  const element = document.createElement('audio');
  element.autoplay = true;
  element.muted = true;
  element.srcObject = stream;
  document.body.append(element);
  const analyser = audioContext().createAnalyser();
  analyser.fftSize = 4096;
  analyser.smoothingTimeConstant = 0;
  audioContext().createMediaStreamSource(stream).connect(analyser);
  analysers.set(id, analyser);
}

function show(key, stream) {
  client.videoOf[key]?.remove();
  delete client.videoOf[key];
  if (!stream) return;
  const element = document.createElement('video');
  element.autoplay = true;
  element.muted = true;
  element.srcObject = stream;
  document.body.append(element);
  client.videoOf[key] = element;
}

/** Loudest level of each frequency in dB over all streams heard. */
client.tones = (frequencies) => {
  const best = frequencies.map(() => -200);
  for (const analyser of analysers.values()) {
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    frequencies.forEach((frequency, i) => {
      const bin = Math.round((frequency / 48000) * analyser.fftSize);
      best[i] = Math.max(best[i], bins[bin - 1], bins[bin], bins[bin + 1]);
    });
  }
  return best;
};

/** Frames shown so far of each other client. */
client.framesShown = () =>
  Object.fromEntries(
    Object.entries(client.videoOf).map(([key, v]) => [key, v.getVideoPlaybackQuality().totalVideoFrames]),
  );

client.boot = async (settings) => {
  const library = await getAvsInstance();
  library.init(ENV.DEFAULT);
  let media;
  library.setUserMediaHandler((_conversation, _audio, video, screen) => {
    media ??= ownMedia(settings, video || screen);
    return media;
  });
  library.setAudioStreamHandler((_conversation, id, streams) => {
    if (streams?.length) listen(id, streams[0]);
    else analysers.delete(id);
  });
  library.setVideoStreamHandler((_conversation, user, device, streams) =>
    show(`${user}.${device}`, streams?.[0]),
  );
  setInterval(() => library.poll(), 500);

  const user = library.create(
    settings.userId,
    settings.clientId,
    () => {},
    (ctx, _conversation, _user, _client, targets, _unused, data, _length, _transient, ownClientsOnly) => {
      window.deliver(JSON.stringify({ targets, data, ownClientsOnly })).then(
        () => library.resp(user, 200, '', ctx),
        () => library.resp(user, 500, '', ctx),
      );
      return 0;
    },
    (ctx, url, data) => {
      void postTo(url, data).then(({ status, body }) =>
        library.sftResp(user, status, body, new TextEncoder().encode(body).length, ctx),
      );
      return 0;
    },
    () => {
      client.incoming = true;
    },
    () => {},
    () => {},
    () => {},
    () => {
      client.closed = true;
    },
    () => {},
    () => {
      // It asks while it is being created; the answer needs the handle that creation returns.
      queueMicrotask(() =>
        library.configUpdate(user, 0, JSON.stringify({ ttl: 3600, ...serversOf(settings) })),
      );
      return 0;
    },
    () => {},
    () => {},
  );
  library.setNetworkQualityHandler(user, () => {}, 5);
  library.setMuteHandler(user, () => {});
  library.setStateHandler(user, (_conversation, state) => {
    client.state = nameOf(STATE, state);
  });
  library.setReqClientsHandler(user, (_user, conversation) => {
    library.setClientsForConv(user, conversation, JSON.stringify({ clients: settings.clients }));
  });
  library.setReqNewEpochHandler(user, () => {});
  library.setActiveSpeakerHandler(user, () => {});
  library.setParticipantChangedHandler(user, (conversation, json) => {
    client.members = JSON.parse(json).members;
    clearTimeout(client.request);
    client.request = setTimeout(() => {
      const clients = client.members
        .filter((m) => m.userid !== settings.userId)
        .map((m) => ({ userid: m.userid, clientid: m.clientid, quality: 1 }));
      if (clients.length > 0 && client.state === 'MEDIA_ESTAB') {
        library.requestVideoStreams(
          user,
          conversation,
          VSTREAMS.LIST,
          JSON.stringify({ clients, convid: conversation }),
        );
      }
    }, 300);
  });

  client.start = () => {
    library.setMute(user, 0);
    return library.start(user, settings.conversation, CALL_TYPE.VIDEO, 2, 1, 0);
  };
  client.answer = () => {
    library.setMute(user, 0);
    return library.answer(user, settings.conversation, CALL_TYPE.VIDEO, 1);
  };
  client.end = () => library.end(user, settings.conversation);
  client.mute = (muted) => library.setMute(user, muted ? 1 : 0);
  client.camera = (on) =>
    library.setVideoSendState(user, settings.conversation, on ? VIDEO_STATE.STARTED : VIDEO_STATE.STOPPED);
  client.receive = (data, fromUser, fromClient) => {
    const seconds = Math.floor(Date.now() / 1000);
    return library.recvMsg(
      user,
      data,
      new TextEncoder().encode(data).length,
      seconds,
      seconds,
      settings.conversation,
      fromUser,
      fromClient,
      2,
      0,
    );
  };
};
window.ready = true;
