/** What is sent as sound: the microphone, a shared screen's sound, or both mixed; and how loud the microphone is. */
export class VoiceMixer {
  #context: AudioContext | undefined;
  #microphone: MediaStreamTrack | undefined;
  #muted = false;
  #analyser: AnalyserNode | undefined;
  #microphoneNode: MediaStreamAudioSourceNode | undefined;
  #screenNode: MediaStreamAudioSourceNode | undefined;
  #mix: MediaStreamAudioDestinationNode | undefined;
  #samples: Float32Array<ArrayBuffer> | undefined;

  /** The track to be sent now; another one after each change. Null: nothing. */
  get track(): MediaStreamTrack | null {
    if (this.#mix !== undefined) return this.#mix.stream.getAudioTracks()[0] ?? null;
    return this.#muted ? null : (this.#microphone ?? null);
  }

  setMicrophone(track: MediaStreamTrack | undefined): void {
    this.#microphone = track;
    this.#microphoneNode?.disconnect();
    this.#microphoneNode = undefined;
    this.#analyser = undefined;
    if (track === undefined) return;
    const context = this.#open();
    const node = nodeOf(context, track);
    if (node === undefined) {
      // In a mix it would be missing: the voice goes alone then.
      this.setScreen(undefined);
      return;
    }
    this.#microphoneNode = node;
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024;
    node.connect(this.#analyser);
    this.#connectMicrophone();
  }

  setScreen(track: MediaStreamTrack | undefined): void {
    this.#screenNode?.disconnect();
    this.#screenNode = undefined;
    this.#disconnectMicrophone();
    this.#mix = undefined;
    if (track === undefined) return;
    const context = this.#open();
    const node = nodeOf(context, track);
    // Without a node for the voice a mix would silence it: then the screen goes without its sound.
    if (node === undefined || (this.#microphone !== undefined && this.#microphoneNode === undefined)) return;
    this.#screenNode = node;
    this.#mix = context.createMediaStreamDestination();
    node.connect(this.#mix);
    this.#connectMicrophone();
  }

  setMuted(muted: boolean): void {
    if (muted === this.#muted) return;
    if (muted) this.#disconnectMicrophone();
    this.#muted = muted;
    this.#connectMicrophone();
  }

  /** Loudness of the microphone's last moment as root mean square, 0 to 1; 0 while muted or not known. */
  level(): number {
    if (this.#analyser === undefined || this.#muted) return 0;
    this.#samples ??= new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / this.#samples.length));
  }

  close(): void {
    this.setScreen(undefined);
    this.setMicrophone(undefined);
    this.#context?.close().catch(() => undefined);
    this.#context = undefined;
  }

  #connectMicrophone(): void {
    if (this.#mix !== undefined && !this.#muted) this.#microphoneNode?.connect(this.#mix);
  }

  /** A node that is not connected must not be disconnected. */
  #disconnectMicrophone(): void {
    if (this.#mix !== undefined && !this.#muted) this.#microphoneNode?.disconnect(this.#mix);
  }

  #open(): AudioContext {
    this.#context ??= new AudioContext();
    // A page that nobody has touched may not sound yet; joining by a click has done so.
    if (this.#context.state === 'suspended') this.#context.resume().catch(() => undefined);
    return this.#context;
  }
}

/** Undefined where a browser takes no track of another sample rate than the context's. It can be sent nevertheless. */
function nodeOf(context: AudioContext, track: MediaStreamTrack): MediaStreamAudioSourceNode | undefined {
  try {
    return context.createMediaStreamSource(new MediaStream([track]));
  } catch {
    return undefined;
  }
}
