// A conference client in the smallest form that is still whole: what a page must do to be in a call on an SFT, with
// no frame encryption, and means for a test to look at what arrives.
const hex = (n) =>
  [...crypto.getRandomValues(new Uint8Array(n))].map((b) => b.toString(16).padStart(2, '0')).join('');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let audioContext;
function context() {
  audioContext ??= new AudioContext({ sampleRate: 48000 });
  audioContext.resume();
  return audioContext;
}

/** A sine of its own for every client, so that a listener can tell whom it hears. */
function toneStream(frequency) {
  const oscillator = context().createOscillator();
  const gain = context().createGain();
  const output = context().createMediaStreamDestination();
  output.channelCount = 1;
  oscillator.frequency.value = frequency;
  gain.gain.value = 0.4;
  oscillator.connect(gain).connect(output);
  oscillator.start();
  return { stream: output.stream, gain };
}

class Call {
  constructor(options) {
    this.options = options;
    this.userId = options.userId ?? hex(16);
    this.roster = [];
    this.rosters = 0;
    this.props = new Map();
    this.messages = [];
    this.analysers = new Map();
    this.slotSsrcs = new Map();
    this.wanted = undefined;
    this.authorise = () => true;
    this.muted = false;
  }

  async post(message) {
    const response = await fetch(`${this.options.sft}/sft/${this.options.conversation}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: JSON.stringify({
        version: '3.0',
        sessid: this.options.conversation,
        src_userid: this.userId,
        src_clientid: '_',
        ...message,
      }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status}: ${text}`);
    return JSON.parse(text);
  }

  async media() {
    if (this.local) return this.local;
    const local = new MediaStream();
    if (this.options.frequency) {
      const tone = toneStream(this.options.frequency);
      this.gain = tone.gain;
      for (const track of tone.stream.getTracks()) local.addTrack(track);
    }
    if (this.options.video) {
      const { width = 640, height = 360, frameRate = 15 } = this.options.video;
      const camera = await navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate } });
      for (const track of camera.getTracks()) local.addTrack(track);
    }
    this.local = local;
    return local;
  }

  async join({ update = false } = {}) {
    const started = performance.now();
    const local = await this.media();
    const request = performance.now();
    const setup = await this.post({
      type: 'CONFCONN',
      resp: false,
      dest_userid: 'SFT',
      dest_clientid: '_',
      update,
      tool: 'page',
      toolver: '10.0.0',
      status: 0,
      selective_audio: true,
      selective_video: true,
      vstreams: this.options.vstreams ?? 4,
      ...(this.options.anchor && { sft_url: this.options.anchor.url, sft_tuple: this.options.anchor.tuple }),
    });
    if (setup.type === 'CONFCONN') throw new Error(`refused with status ${setup.status}`);
    this.offer = setup.sdp;
    this.anchor = { url: setup.url, tuple: setup.sft_tuple };
    const old = this.pc;
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...this.options.rtc });
    this.pc = pc;
    const opened = new Promise((resolve) => {
      pc.ondatachannel = ({ channel }) => {
        channel.onmessage = ({ data }) => this.receive(pc, JSON.parse(data));
        channel.onopen = () => {
          this.channel = channel;
          if (this.wanted && !update) this.select(this.wanted);
          resolve();
        };
        channel.onclose = () => {
          this.channelClosed = true;
        };
      };
    });
    pc.ontrack = ({ track, transceiver }) => this.hear(track, transceiver);
    let sdp = setup.sdp;
    if (this.options.candidates)
      sdp = sdp
        .split('\r\n')
        .filter((l) => !l.startsWith('a=candidate:') || new RegExp(this.options.candidates).test(l))
        .join('\r\n');
    await pc.setRemoteDescription({ type: 'offer', sdp });
    for (const transceiver of pc.getTransceivers()) {
      const track = local.getTracks().find((t) => t.kind === transceiver.receiver.track.kind);
      if (!['audio', 'video'].includes(transceiver.mid) || !track) continue;
      transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(track);
      if (track.kind === 'video') {
        const parameters = transceiver.sender.getParameters();
        if (parameters.encodings.length === 2) {
          parameters.encodings[0].scaleResolutionDownBy = 2;
          parameters.encodings[0].maxBitrate = 500_000;
          parameters.encodings[1].maxBitrate = 3_000_000;
          await transceiver.sender.setParameters(parameters);
        }
      }
    }
    await pc.setLocalDescription();
    if (pc.iceGatheringState !== 'complete') {
      await Promise.race([
        new Promise((resolve) => {
          pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
        }),
        sleep(3000),
      ]);
    }
    this.answer = pc.localDescription.sdp;
    await this.post({
      type: setup.type,
      resp: true,
      dest_userid: 'sft',
      dest_clientid: 'SFT',
      sdp: this.answer,
      props: {
        videosend: String(Boolean(this.options.video)),
        screensend: 'false',
        audiocbr: 'false',
        muted: 'false',
      },
    });
    await opened;
    old?.close();
    this.pings ??= setInterval(
      () =>
        this.send({
          type: 'PING',
          sessid: this.options.conversation,
          resp: false,
          dest_userid: 'sft',
          dest_clientid: 'SFT',
        }),
      5000,
    );
    return { joinMs: performance.now() - request, totalMs: performance.now() - started };
  }

  send(message) {
    if (this.channel?.readyState === 'open')
      this.channel.send(
        JSON.stringify({ version: '3.0', src_userid: this.userId, src_clientid: '_', ...message }),
      );
  }

  receive(pc, message) {
    if (pc !== this.pc) return;
    this.messages.push(message.type);
    if (message.type === 'CONFPART') {
      this.roster = message.participants;
      this.rosters += 1;
      this.shouldStart ||= message.should_start;
      this.sendAuthorisations();
      if (this.wanted === 'all') this.select('all');
    } else if (message.type === 'PROPSYNC') {
      this.props.set(message.src_userid, message.props);
    } else if (message.type === 'HANGUP') {
      this.hungUp = message.resp ? 'answered' : 'asked';
    }
  }

  sendAuthorisations() {
    const others = this.roster.filter((p) => p.userid !== this.userId && this.authorise(p.userid));
    this.send({
      type: 'CONFPART',
      sessid: '',
      dest_userid: 'SFT',
      dest_clientid: 'SFT',
      resp: true,
      should_start: false,
      timestamp: '0',
      seqno: '0',
      participants: others.map((p) => ({ ...p, authorized: true })),
    });
  }

  /** Asks for the video of these users, or of `'all'`; a number is the quality. */
  select(users, quality = this.quality ?? 2) {
    this.wanted = users;
    this.quality = quality;
    const list = users === 'all' ? this.roster.map((p) => p.userid).filter((u) => u !== this.userId) : users;
    this.send({
      type: 'CONFSTREAMS',
      sessid: this.options.conversation,
      dest_userid: 'SFT',
      dest_clientid: 'SFT',
      resp: false,
      mode: 'list',
      streams: list.map((userid) => ({ userid, quality })),
    });
  }

  setProps(props) {
    this.send({
      type: 'PROPSYNC',
      sessid: this.options.conversation,
      resp: false,
      dest_userid: 'sft',
      dest_clientid: 'SFT',
      props: { videosend: 'true', screensend: 'false', audiocbr: 'false', muted: 'false', ...props },
    });
  }

  hear(track, transceiver) {
    const stream = new MediaStream([track]);
    const element = document.createElement(track.kind);
    element.autoplay = true;
    element.muted = true;
    element.srcObject = stream;
    document.body.append(element);
    element.play().catch(() => {});
    if (track.kind === 'audio') {
      const analyser = context().createAnalyser();
      analyser.fftSize = 4096;
      analyser.smoothingTimeConstant = 0;
      context().createMediaStreamSource(stream).connect(analyser);
      this.analysers.set(transceiver.mid, analyser);
    }
  }

  /** Loudness in dB of each frequency, in the audio slot where it is loudest. */
  tones(frequencies) {
    const best = frequencies.map(() => -200);
    for (const analyser of this.analysers.values()) {
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      frequencies.forEach((f, i) => {
        const bin = Math.round((f / 48000) * analyser.fftSize);
        best[i] = Math.max(best[i], bins[bin - 1], bins[bin], bins[bin + 1]);
      });
    }
    return best;
  }

  /** Sends a drawn screen of this size in place of the camera, in the high layer alone, as clients do. */
  async share({ width, height }) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext('2d');
    this.drawing = setInterval(() => {
      pen.fillStyle = `hsl(${(performance.now() / 20) % 360} 80% 50%)`;
      pen.fillRect(0, 0, width, height);
    }, 100);
    const [track] = canvas.captureStream(10).getVideoTracks();
    // As with a real screen the browser then rather drops frames than makes letters unreadable.
    track.contentHint = 'detail';
    await this.sendPicture(track, true);
  }

  async unshare() {
    clearInterval(this.drawing);
    await this.sendPicture(this.local.getVideoTracks()[0], false);
  }

  async sendPicture(track, isScreen) {
    const sender = this.pc.getTransceivers().find((t) => t.mid === 'video').sender;
    const parameters = sender.getParameters();
    parameters.encodings[0].active = !isScreen;
    await sender.setParameters(parameters);
    await sender.replaceTrack(track);
    this.setProps({ screensend: String(isScreen), videosend: String(!isScreen) });
  }

  loudness(gain) {
    this.gain.gain.value = gain;
  }

  async stats() {
    const report = await this.pc.getStats();
    const all = [...report.values()];
    const pair = all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const transport = all.find((s) => s.type === 'transport');
    return {
      inbound: all
        .filter((s) => s.type === 'inbound-rtp')
        .map((s) => ({
          kind: s.kind,
          ssrc: s.ssrc,
          mid: s.mid,
          packets: s.packetsReceived,
          lost: s.packetsLost,
          nacks: s.nackCount,
          plis: s.pliCount,
          frames: s.framesDecoded,
          keyFrames: s.keyFramesDecoded,
          width: s.frameWidth,
          height: s.frameHeight,
          freezes: s.freezeCount,
          frozenSeconds: s.totalFreezesDuration,
          retransmitted: s.retransmittedPacketsReceived,
          playout: s.estimatedPlayoutTimestamp,
          concealed: s.concealedSamples,
          silentConcealed: s.silentConcealedSamples,
          samples: s.totalSamplesReceived,
          decoder: s.decoderImplementation,
        })),
      outbound: all
        .filter((s) => s.type === 'outbound-rtp')
        .map((s) => ({
          kind: s.kind,
          rid: s.rid,
          ssrc: s.ssrc,
          packets: s.packetsSent,
          frames: s.framesEncoded,
          width: s.frameWidth,
          height: s.frameHeight,
          nacks: s.nackCount,
          plis: s.pliCount,
          retransmitted: s.retransmittedPacketsSent,
          target: s.targetBitrate,
          active: s.active,
        })),
      remote: all
        .filter((s) => s.type === 'remote-inbound-rtp')
        .map((s) => ({ kind: s.kind, lost: s.packetsLost, roundTripMs: s.roundTripTime * 1000 })),
      pair: pair && {
        local: report.get(pair.localCandidateId),
        remote: report.get(pair.remoteCandidateId),
        bitrate: pair.availableOutgoingBitrate,
      },
      srtpCipher: transport?.srtpCipher,
      dtlsCipher: transport?.dtlsCipher,
      dtlsVersion: transport?.tlsVersion,
      state: this.pc.connectionState,
      sources: this.pc
        .getReceivers()
        .map((r) => ({ kind: r.track.kind, contributing: r.getContributingSources().map((c) => c.source) })),
    };
  }

  leave() {
    this.send({
      type: 'HANGUP',
      sessid: this.options.conversation,
      dest_userid: 'sft',
      dest_clientid: 'SFT',
      resp: false,
    });
    clearInterval(this.pings);
    this.pings = undefined;
  }

  close() {
    clearInterval(this.pings);
    this.pc?.close();
  }
}

window.Call = Call;
window.ready = true;
