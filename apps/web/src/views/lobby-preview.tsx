import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { MediaFault } from '../state/media-fault.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Icon } from './icon.tsx';
import { LevelBar } from './level-bar.tsx';
import { VideoPicture } from './video-picture.tsx';

/** What the others will see and hear, and what stands in the way of it. */
export function LobbyPreview(): VNode {
  const app = useApp();
  const { microphone, camera, asking } = app.media;
  const track = camera.track.value;
  const stream = useMemo(() => (track ? new MediaStream([track]) : undefined), [track]);
  const sound = microphone.track.value !== undefined && !app.muted.value;
  return (
    <>
      <div class="preview">
        <section class="preview-picture" aria-label={texts.lobby.preview}>
          {!stream && (
            <div class="preview-empty">
              <span class="preview-sign">
                <Icon name="camera-off" />
              </span>
              <p>{asking.value ? texts.lobby.asking : texts.lobby.cameraOff}</p>
              {asking.value && <p class="hint">{texts.lobby.askingHint}</p>}
            </div>
          )}
          <VideoPicture stream={stream} mirrored aspect={16 / 9} />
        </section>
        <div class="preview-bar">
          <button
            type="button"
            class={`round ${sound ? '' : 'off'}`}
            aria-pressed={sound}
            aria-label={texts.devices.microphone}
            title={sound ? texts.call.microphoneOn : texts.call.microphoneOff}
            onClick={() => void app.toggleMicrophone()}
          >
            <Icon name={sound ? 'microphone' : 'microphone-off'} />
          </button>
          <button
            type="button"
            class={`round ${track ? '' : 'off'}`}
            aria-pressed={track !== undefined}
            aria-label={texts.devices.camera}
            title={track ? texts.call.cameraOn : texts.call.cameraOff}
            onClick={() => void app.toggleCamera()}
          >
            <Icon name={track ? 'camera' : 'camera-off'} />
          </button>
          <LevelBar track={sound ? microphone.track.value : undefined} />
        </div>
      </div>
      <Faults microphone={microphone.fault.value} camera={camera.fault.value} />
    </>
  );
}

interface FaultsProps {
  readonly microphone: MediaFault | undefined;
  readonly camera: MediaFault | undefined;
}

function Faults({ microphone, camera }: FaultsProps): VNode {
  const { media } = useApp();
  const both =
    microphone !== undefined && microphone === camera ? texts.media.bothFaults[microphone] : undefined;
  if (both !== undefined) return <Fault text={both} again={() => media.openBoth()} />;
  return (
    <>
      {microphone && (
        <Fault text={texts.media.microphoneFaults[microphone]} again={() => media.openMicrophone()} />
      )}
      {camera && <Fault text={texts.media.cameraFaults[camera]} again={() => media.openCamera()} />}
    </>
  );
}

function Fault({ text, again }: { readonly text: string; readonly again: () => unknown }): VNode {
  return (
    <div class="callout" role="alert">
      <Icon name="warning" />
      <div>
        <p>{text}</p>
        <p class="hint">{texts.lobby.silentNote}</p>
      </div>
      <button type="button" class="quiet" onClick={() => void again()}>
        {texts.lobby.tryAgain}
      </button>
    </div>
  );
}
