import { type Signal, signal } from '@preact/signals';
import { faultOfError, type MediaFault } from './media-fault.ts';

/** A microphone, camera or loudspeaker to choose. */
export interface DeviceChoice {
  readonly id: string;
  /** As the system names it; empty until the person allowed the use of one. */
  readonly label: string;
}

/** All there are to choose from. */
export interface DeviceChoices {
  readonly microphones: readonly DeviceChoice[];
  readonly cameras: readonly DeviceChoice[];
  readonly speakers: readonly DeviceChoice[];
}

/** One device that is open or not. */
export interface LocalDevice {
  readonly track: Signal<MediaStreamTrack | undefined>;
  readonly fault: Signal<MediaFault | undefined>;
  /** Which one is wished for; undefined: the system's choice. */
  readonly wished: Signal<string | undefined>;
}

type Kind = 'microphone' | 'camera';

/** Height that is asked of a camera. Higher shows more on large stages; lower saves battery and heat. */
const CAMERA_HEIGHT_PX = 720;

/** Microphone, camera and loudspeaker of this device. Owns the tracks until {@link LocalMedia.close}. */
export class LocalMedia {
  readonly microphone: LocalDevice = device();
  readonly camera: LocalDevice = device();
  readonly speakerId: Signal<string | undefined> = signal(undefined);
  readonly choices: Signal<DeviceChoices> = signal({ microphones: [], cameras: [], speakers: [] });
  /** The browser is asking the person for leave, or opening a device. */
  readonly asking: Signal<boolean> = signal(false);
  readonly #media: MediaDevices | undefined;
  readonly #latest: Record<Kind, number> = { microphone: 0, camera: 0 };
  readonly #listChanged = (): void => void this.#list();
  #opening = 0;

  constructor(media: MediaDevices | undefined) {
    this.#media = media;
    media?.addEventListener('devicechange', this.#listChanged);
  }

  /** Opens both with one question to the person; what cannot be had on its own is left with its fault. */
  async openBoth(): Promise<void> {
    const turns = { microphone: ++this.#latest.microphone, camera: ++this.#latest.camera };
    const stream = await this.#ask({ audio: this.#audio(), video: this.#video() }).catch(() => undefined);
    if (!stream) {
      await this.openMicrophone();
      await this.openCamera();
      return;
    }
    for (const track of stream.getTracks()) {
      const kind = track.kind === 'audio' ? 'microphone' : 'camera';
      this.#take(kind, turns[kind], track);
    }
    await this.#list();
  }

  /** Opens the wished microphone, or another one. Resolves with whether there is one now. */
  openMicrophone(id: string | undefined = this.microphone.wished.value): Promise<boolean> {
    this.microphone.wished.value = id;
    return this.#open('microphone', { audio: this.#audio() });
  }

  /** Opens the wished camera, or another one. Resolves with whether there is one now. */
  openCamera(id: string | undefined = this.camera.wished.value): Promise<boolean> {
    this.camera.wished.value = id;
    return this.#open('camera', { video: this.#video() });
  }

  /** Frees the camera, so that its light goes out. */
  closeCamera(): void {
    this.#drop('camera');
  }

  /** Frees both devices. They can be opened again. */
  closeBoth(): void {
    this.#drop('microphone');
    this.#drop('camera');
  }

  /** Frees everything for good. */
  close(): void {
    this.#media?.removeEventListener('devicechange', this.#listChanged);
    this.closeBoth();
  }

  async #open(kind: Kind, constraints: MediaStreamConstraints): Promise<boolean> {
    const turn = ++this.#latest[kind];
    try {
      const stream = await this.#ask(constraints);
      this.#take(kind, turn, stream.getTracks()[0]!);
    } catch (error) {
      if (turn !== this.#latest[kind]) return false;
      this.#replace(kind, undefined);
      this[kind].fault.value = this.#media ? faultOfError(error) : 'insecure';
    }
    await this.#list();
    return this[kind].track.value !== undefined;
  }

  async #ask(constraints: MediaStreamConstraints): Promise<MediaStream> {
    if (!this.#media) throw new TypeError('no devices without a secure page');
    this.#opening += 1;
    this.asking.value = true;
    try {
      return await this.#media.getUserMedia(constraints);
    } finally {
      this.#opening -= 1;
      this.asking.value = this.#opening > 0;
    }
  }

  #take(kind: Kind, turn: number, track: MediaStreamTrack): void {
    if (turn !== this.#latest[kind]) {
      track.stop();
      return;
    }
    track.addEventListener('ended', () => {
      if (this[kind].track.value !== track) return;
      this.#replace(kind, undefined);
      this[kind].fault.value = 'lost';
    });
    this.#replace(kind, track);
    this[kind].fault.value = undefined;
  }

  #drop(kind: Kind): void {
    this.#latest[kind] += 1;
    this.#replace(kind, undefined);
  }

  #replace(kind: Kind, track: MediaStreamTrack | undefined): void {
    const old = this[kind].track.value;
    this[kind].track.value = track;
    if (old !== track) old?.stop();
  }

  #audio(): MediaTrackConstraints {
    const id = this.microphone.wished.value;
    return {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(id ? { deviceId: id } : {}),
    };
  }

  #video(): MediaTrackConstraints {
    const id = this.camera.wished.value;
    return {
      height: { ideal: CAMERA_HEIGHT_PX },
      width: { ideal: (CAMERA_HEIGHT_PX * 16) / 9 },
      frameRate: { ideal: 30, max: 30 },
      ...(id ? { deviceId: id } : {}),
    };
  }

  async #list(): Promise<void> {
    const all = (await this.#media?.enumerateDevices().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind): DeviceChoice[] =>
      all
        .filter((info) => info.kind === kind && info.deviceId !== '')
        .map((info) => ({ id: info.deviceId, label: info.label }));
    this.choices.value = {
      microphones: of('audioinput'),
      cameras: of('videoinput'),
      speakers: of('audiooutput'),
    };
  }
}

function device(): LocalDevice {
  return { track: signal(undefined), fault: signal(undefined), wished: signal(undefined) };
}
