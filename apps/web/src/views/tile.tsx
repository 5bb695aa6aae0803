import type { Participant } from '@conclave/client';
import type { VNode } from 'preact';
import { type Call, nameOf } from '../state/call.ts';
import type { PlacedTile } from '../state/tile-arrangement.ts';
import { texts } from '../texts.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';
import { QualityBars } from './quality-bars.tsx';
import { boxStyle } from './tile-style.ts';
import { VideoPicture } from './video-picture.tsx';

/** Somebody else in the call. */
export interface TileProps {
  readonly call: Call;
  readonly participant: Participant;
  readonly tile: PlacedTile;
}

/** One of the others: picture or initials, name, and how it stands with sound, encryption and connection. */
export function Tile({ call, participant, tile }: TileProps): VNode {
  const name = nameOf(participant);
  const { box, place } = tile;
  const { encryption, muted, quality, video } = participant;
  const pinned = call.pinned.value === participant.id;
  const hand = participant.profile?.handRaised === true;
  const small = box.width < 190;
  const title = video === 'screen' && place === 'stage' ? texts.tile.screenOf(name) : name;
  return (
    <li
      class={`tile tile-${place} ${participant.speaking ? 'speaking' : ''} ${video}`}
      style={boxStyle(box)}
      onDblClick={() => call.togglePin(participant.id)}
    >
      <Avatar name={name} size={avatarSize(box)} />
      {video !== 'off' && (
        <VideoPicture
          stream={participant.videoStream}
          whole={video === 'screen'}
          aspect={box.width / box.height}
        />
      )}
      {encryption === 'failing' && (
        <p class="tile-failing">
          <Icon name="warning" />
          {texts.tile.failingShort}
        </p>
      )}
      {hand && (
        <span class="tile-hand">
          <Icon name="hand" />
        </span>
      )}
      <div class="tile-corner">
        <button
          type="button"
          class={`tile-badge tile-pin ${pinned ? 'pinned' : ''}`}
          aria-label={pinned ? texts.tile.unpin(name) : texts.tile.pin(name)}
          title={pinned ? texts.tile.unpin(name) : texts.tile.pin(name)}
          aria-pressed={pinned}
          onClick={() => call.togglePin(participant.id)}
        >
          <Icon name="pin" />
        </button>
        {quality && quality !== 'good' && (
          <span class="tile-badge" title={texts.qualities[quality]}>
            <QualityBars quality={quality} />
          </span>
        )}
      </div>
      <p class="tile-name">
        {muted && <Icon name="microphone-off" class="warn" />}
        <span class="tile-name-text">{title}</span>
        {encryption === 'encrypted' && !small && <Icon name="lock" class="sealed" />}
        <span class="hidden">{describe(participant)}</span>
      </p>
    </li>
  );
}

/** How large initials are in a tile. */
export function avatarSize(box: { readonly width: number; readonly height: number }): number {
  return Math.min(140, Math.max(36, Math.min(box.width, box.height) * 0.36));
}

/** What the signs on a tile say, in words. */
export function describe(participant: Participant): string {
  const { encryption, muted, profile, quality, speaking, video } = participant;
  const picture = { off: texts.tile.cameraOff, camera: texts.tile.cameraOn, screen: texts.tile.screen }[
    video
  ];
  return [
    '',
    muted ? texts.tile.muted : texts.tile.unmuted,
    picture,
    profile?.handRaised && texts.tile.hand,
    speaking && texts.tile.speaking,
    texts.tile.encryption[encryption],
    quality && texts.qualities[quality],
  ]
    .filter((word) => word !== false && word !== undefined)
    .join(', ');
}
