import type { VNode } from 'preact';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { DeviceSelect } from './device-choice.tsx';
import { playTestSound } from './test-sound.ts';

/** Chooses microphone, camera and loudspeaker, at the door and during a call. */
export function DeviceList(): VNode {
  const app = useApp();
  const { media } = app;
  const { microphones, cameras, speakers } = media.choices.value;
  const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;
  const used = (track: MediaStreamTrack | undefined, wished: string | undefined) =>
    wished ?? track?.getSettings().deviceId;
  return (
    <div class="devices">
      <DeviceSelect
        icon="microphone"
        label={texts.devices.microphone}
        choices={microphones}
        chosen={used(media.microphone.track.value, media.microphone.wished.value)}
        choose={(id) => void media.openMicrophone(id).then(() => app.rememberDevices())}
      />
      <DeviceSelect
        icon="camera"
        label={texts.devices.camera}
        choices={cameras}
        chosen={used(media.camera.track.value, media.camera.wished.value)}
        choose={(id) => {
          media.camera.wished.value = id;
          if (media.camera.track.value) void media.openCamera(id).then(() => app.rememberDevices());
          else app.rememberDevices();
        }}
      />
      {canChooseSpeaker ? (
        <DeviceSelect
          icon="sound"
          label={texts.devices.speaker}
          choices={speakers}
          chosen={media.speakerId.value}
          choose={(id) => {
            media.speakerId.value = id;
            app.rememberDevices();
          }}
        />
      ) : (
        <p class="hint">{texts.devices.noSpeakerChoice}</p>
      )}
      <button type="button" class="quiet" onClick={() => void playTestSound(media.speakerId.value)}>
        {texts.devices.testSound}
      </button>
    </div>
  );
}
