import type { Participant } from '@conclave/client';
import type { VNode } from 'preact';
import { type Call, nameOf } from '../state/call.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';
import { QualityBars } from './quality-bars.tsx';
import { describe } from './tile.tsx';

/** Everybody in the call in a list, raised hands first. */
export function PeoplePanel({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  const { participants, profile, muted } = call.state.value;
  const hands = participants.filter((participant) => participant.profile?.handRaised);
  const rest = participants.filter((participant) => !participant.profile?.handRaised);
  return (
    <aside class="panel" aria-label={texts.people.heading}>
      <header class="panel-head">
        <h2>{texts.people.heading}</h2>
        <span class="count">{texts.people.count(participants.length + 1)}</span>
        <button
          type="button"
          class="plain"
          aria-label={texts.close}
          onClick={() => {
            app.dialog.value = undefined;
          }}
        >
          <Icon name="close" />
        </button>
      </header>
      <ul class="people">
        <li class="person">
          <Avatar name={profile.name || texts.guest} size={36} />
          <span class="person-name">{texts.tile.self(profile.name || texts.guest)}</span>
          <span class="person-signs">
            {profile.handRaised && <Icon name="hand" class="hand" />}
            <Icon name={muted ? 'microphone-off' : 'microphone'} class={muted ? 'warn' : ''} />
          </span>
          <span class="hidden">{muted ? texts.tile.muted : texts.tile.unmuted}</span>
        </li>
        {[...hands, ...rest].map((participant) => (
          <Person key={participant.id} call={call} participant={participant} />
        ))}
      </ul>
      <footer class="panel-foot">
        <button
          type="button"
          class="quiet"
          onClick={() => {
            app.dialog.value = 'invite';
          }}
        >
          <Icon name="invite" />
          {texts.invite.heading}
        </button>
      </footer>
    </aside>
  );
}

function Person({ call, participant }: { readonly call: Call; readonly participant: Participant }): VNode {
  const name = nameOf(participant);
  const { encryption, muted, quality, video } = participant;
  const lock = encryption === 'failing' ? 'warning' : encryption === 'encrypted' ? 'lock' : 'lock-open';
  const pinned = call.pinned.value === participant.id;
  return (
    <li class={`person ${participant.speaking ? 'speaking' : ''}`}>
      <Avatar name={name} size={36} />
      <span class="person-name">{name}</span>
      <span class="person-signs" title={describe(participant).slice(2)}>
        {participant.profile?.handRaised && <Icon name="hand" class="hand" />}
        {video === 'screen' && <Icon name="screen" />}
        {video === 'off' && <Icon name="camera-off" class="faint" />}
        <Icon name={muted ? 'microphone-off' : 'microphone'} class={muted ? 'warn' : ''} />
        <Icon name={lock} class={encryption} />
        {quality && <QualityBars quality={quality} />}
      </span>
      <span class="hidden">{describe(participant)}</span>
      <button
        type="button"
        class={`plain pin ${pinned ? 'pinned' : ''}`}
        aria-pressed={pinned}
        aria-label={pinned ? texts.tile.unpin(name) : texts.tile.pin(name)}
        title={pinned ? texts.tile.unpin(name) : texts.tile.pin(name)}
        onClick={() => call.togglePin(participant.id)}
      >
        <Icon name="pin" />
      </button>
    </li>
  );
}
