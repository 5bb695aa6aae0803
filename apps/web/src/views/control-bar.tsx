import type { VNode } from 'preact';
import type { Dialog } from '../state/app.ts';
import type { Call } from '../state/call.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { ControlButton } from './control-button.tsx';

/** What one can do in a call. */
export function ControlBar({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  const { muted, profile } = call.state.value;
  const camera = app.media.camera.track.value !== undefined;
  const sharing = call.screen.value !== undefined;
  const large = call.stage.value !== undefined;
  const canShare = 'getDisplayMedia' in (navigator.mediaDevices ?? {});
  const open = (dialog: Dialog) => {
    app.dialog.value = app.dialog.value === dialog ? undefined : dialog;
  };
  return (
    <footer class="controls">
      {call.talkingMuted.value && (
        <p class="talking-muted" role="status">
          {texts.call.talkingMuted}
        </p>
      )}
      <ControlButton
        icon={muted ? 'microphone-off' : 'microphone'}
        label={muted ? texts.call.unmuteLabel : texts.call.muteLabel}
        title={`${muted ? texts.call.microphoneOff : texts.call.microphoneOn} (M)`}
        tone={muted ? 'off' : undefined}
        press={() => void call.toggleMicrophone()}
      />
      <ControlButton
        icon={camera ? 'camera' : 'camera-off'}
        label={texts.call.cameraLabel}
        title={`${camera ? texts.call.cameraOn : texts.call.cameraOff} (C)`}
        tone={camera ? undefined : 'off'}
        pressed={camera}
        press={() => void call.toggleCamera()}
      />
      {canShare && (
        <ControlButton
          icon="screen"
          label={texts.call.share}
          title={`${sharing ? texts.call.shareStop : texts.call.shareStart} (S)`}
          tone={sharing ? 'lit' : undefined}
          pressed={sharing}
          press={() => void call.toggleScreen()}
        />
      )}
      <ControlButton
        icon="hand"
        label={texts.call.hand}
        title={`${profile.handRaised ? texts.call.handLower : texts.call.handRaise} (H)`}
        tone={profile.handRaised ? 'lit' : undefined}
        pressed={profile.handRaised}
        press={() => void call.toggleHand()}
      />
      <ControlButton
        class="wide-only"
        icon={large ? 'grid' : 'speaker'}
        label={large ? texts.call.viewGrid : texts.call.viewSpeaker}
        title={`${large ? texts.call.toGrid : texts.call.toSpeaker} (V)`}
        press={() => call.toggleView()}
      />
      <ControlButton
        class="wide-only"
        icon="invite"
        label={texts.call.invite}
        title={`${texts.invite.heading} (I)`}
        press={() => open('invite')}
      />
      <ControlButton
        class="wide-only"
        icon="devices"
        label={texts.call.devices}
        title={`${texts.devices.heading} (D)`}
        press={() => open('devices')}
      />
      <ControlButton
        class="narrow-only"
        icon="more"
        label={texts.call.more}
        title={texts.call.more}
        press={() => open('more')}
      />
      <ControlButton
        icon="leave"
        label={texts.call.leave}
        title={texts.call.leave}
        tone="leave"
        press={() => void app.leave()}
      />
    </footer>
  );
}
