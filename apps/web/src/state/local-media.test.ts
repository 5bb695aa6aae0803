import { describe, expect, it } from 'vitest';
import { LocalMedia } from './local-media.ts';

class FakeTrack extends EventTarget {
  readonly kind: string;
  stopped = false;
  constructor(kind: string) {
    super();
    this.kind = kind;
  }
  stop(): void {
    this.stopped = true;
  }
}

/** Devices that answer when the test says so. */
class FakeDevices extends EventTarget {
  readonly questions: {
    readonly constraints: MediaStreamConstraints;
    allow(): FakeTrack[];
    refuse(name: string): void;
  }[] = [];
  getUserMedia(constraints: MediaStreamConstraints): Promise<MediaStream> {
    return new Promise((resolve, reject) => {
      this.questions.push({
        constraints,
        allow: () => {
          const kinds = [...(constraints.audio ? ['audio'] : []), ...(constraints.video ? ['video'] : [])];
          const tracks = kinds.map((kind) => new FakeTrack(kind));
          resolve({ getTracks: () => tracks } as unknown as MediaStream);
          return tracks;
        },
        refuse: (name) => reject(Object.assign(new Error(name), { name })),
      });
    });
  }
  async enumerateDevices(): Promise<MediaDeviceInfo[]> {
    return [{ kind: 'audiooutput', deviceId: 's', label: 'Speaker' } as MediaDeviceInfo];
  }
}

function start() {
  const devices = new FakeDevices();
  return { devices, media: new LocalMedia(devices as unknown as MediaDevices) };
}

async function asked(devices: FakeDevices, count: number): Promise<void> {
  while (devices.questions.length < count) await Promise.resolve();
}

describe('local media', () => {
  it('asks once for both and lists what there is', async () => {
    const { devices, media } = start();
    const opening = media.openBoth();
    expect(media.asking.value).toBe(true);
    const [audio, video] = devices.questions[0]!.allow();
    await opening;
    expect(media.asking.value).toBe(false);
    expect(media.microphone.track.value).toBe(audio);
    expect(media.camera.track.value).toBe(video);
    expect(media.choices.value.speakers).toEqual([{ id: 's', label: 'Speaker' }]);
  });

  it('has the microphone when only the camera is missing', async () => {
    const { devices, media } = start();
    const opening = media.openBoth();
    devices.questions[0]!.refuse('NotFoundError');
    await asked(devices, 2);
    devices.questions[1]!.allow();
    await asked(devices, 3);
    devices.questions[2]!.refuse('NotFoundError');
    await opening;
    expect(media.microphone.track.value).toBeDefined();
    expect(media.microphone.fault.value).toBeUndefined();
    expect(media.camera.fault.value).toBe('absent');
  });

  it('frees the device that was replaced, and one that comes after it is no longer wanted', async () => {
    const { devices, media } = start();
    const first = media.openCamera('a');
    const second = media.openCamera('b');
    const [newer] = devices.questions[1]!.allow();
    const [older] = devices.questions[0]!.allow();
    await Promise.all([first, second]);
    expect(media.camera.track.value).toBe(newer);
    expect(older!.stopped).toBe(true);
    const third = media.openCamera('c');
    devices.questions[2]!.allow();
    await third;
    expect(newer!.stopped).toBe(true);
    const late = media.openCamera('d');
    media.closeCamera();
    const [unwanted] = devices.questions[3]!.allow();
    await late;
    expect(unwanted!.stopped).toBe(true);
    expect(media.camera.track.value).toBeUndefined();
  });

  it('says in which way a device cannot be had', async () => {
    for (const [name, fault] of [
      ['NotAllowedError', 'denied'],
      ['NotReadableError', 'busy'],
      ['OverconstrainedError', 'absent'],
      ['TypeError', 'failed'],
    ] as const) {
      const { devices, media } = start();
      const opening = media.openMicrophone();
      devices.questions[0]!.refuse(name);
      expect(await opening).toBe(false);
      expect(media.microphone.fault.value).toBe(fault);
    }
  });

  it('says that a page without HTTPS gets no devices', async () => {
    const media = new LocalMedia(undefined);
    await media.openBoth();
    expect(media.microphone.fault.value).toBe('insecure');
    expect(media.camera.fault.value).toBe('insecure');
  });

  it('notices a device that was unplugged', async () => {
    const { devices, media } = start();
    const opening = media.openMicrophone();
    const [track] = devices.questions[0]!.allow();
    await opening;
    track!.dispatchEvent(new Event('ended'));
    expect(media.microphone.track.value).toBeUndefined();
    expect(media.microphone.fault.value).toBe('lost');
  });
});
