/** What is sent as sound: the microphone, a shared screen's sound, or both mixed; and how loud the microphone is. */
export class VoiceMixer {
  #context: AudioContext | undefined;
  #microphone: MediaStreamTrack | undefined;
  #screen: MediaStreamTrack | undefined;
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
    this.#rebuild();
  }

  setScreen(track: MediaStreamTrack | undefined): void {
    this.#screen = track;
    this.#rebuild();
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
    this.#rebuild();
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
    this.#disconnect();
    this.#context?.close().catch(() => undefined);
    this.#context = undefined;
  }

  #rebuild(): void {
    this.#disconnect();
    const context = this.#microphone === undefined && this.#screen === undefined ? undefined : this.#open();
    if (context !== undefined && this.#microphone !== undefined) {
      this.#microphoneNode = context.createMediaStreamSource(new MediaStream([this.#microphone]));
      this.#analyser = context.createAnalyser();
      this.#analyser.fftSize = 1024;
      this.#microphoneNode.connect(this.#analyser);
    }
    if (context !== undefined && this.#screen !== undefined) {
      this.#mix = context.createMediaStreamDestination();
      this.#screenNode = context.createMediaStreamSource(new MediaStream([this.#screen]));
      this.#screenNode.connect(this.#mix);
      if (!this.#muted) this.#microphoneNode?.connect(this.#mix);
    }
  }

  #disconnect(): void {
    this.#microphoneNode?.disconnect();
    this.#screenNode?.disconnect();
    this.#microphoneNode = undefined;
    this.#screenNode = undefined;
    this.#analyser = undefined;
    this.#mix = undefined;
  }

  #open(): AudioContext {
    this.#context ??= new AudioContext();
    // A page that nobody has touched may not sound yet; joining by a click has done so.
    if (this.#context.state === 'suspended') this.#context.resume().catch(() => undefined);
    return this.#context;
  }
}
