import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Call } from '../state/call.ts';
import type { PlacedTile } from '../state/tile-arrangement.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';
import { avatarSize } from './tile.tsx';
import { boxStyle } from './tile-style.ts';
import { VideoPicture } from './video-picture.tsx';

/** The own picture, as in a mirror. */
export function OwnTile({ call, tile }: { readonly call: Call; readonly tile: PlacedTile }): VNode {
  const { media } = useApp();
  const { box, place } = tile;
  const { muted, profile, selfId, speakers } = call.state.value;
  const camera = media.camera.track.value;
  const stream = useMemo(() => (camera ? new MediaStream([camera]) : undefined), [camera]);
  const name = profile.name || texts.guest;
  const sharing = call.screen.value !== undefined;
  const speaking = speakers.includes(selfId) && !muted;
  return (
    <li class={`tile own tile-${place} ${speaking ? 'speaking' : ''}`} style={boxStyle(box)}>
      <Avatar name={name} size={avatarSize(box)} />
      {stream && <VideoPicture stream={stream} mirrored aspect={box.width / box.height} />}
      {profile.handRaised && (
        <span class="tile-hand">
          <Icon name="hand" />
        </span>
      )}
      {sharing && (
        <div class="tile-corner">
          <span class="tile-badge" title={texts.call.sharingSelf}>
            <Icon name="screen" />
          </span>
        </div>
      )}
      <p class="tile-name">
        {muted && <Icon name="microphone-off" class="warn" />}
        <span class="tile-name-text">{texts.you}</span>
        <span class="hidden">
          {`, ${muted ? texts.tile.muted : texts.tile.unmuted}, ${camera ? texts.tile.cameraOn : texts.tile.cameraOff}`}
        </span>
      </p>
    </li>
  );
}
