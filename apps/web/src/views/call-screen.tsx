import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import type { App } from '../state/app.ts';
import type { Call } from '../state/call.ts';
import { type Command, commandOf } from '../state/shortcuts.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { CallDialogs } from './call-dialogs.tsx';
import { CallHead } from './call-head.tsx';
import { ControlBar } from './control-bar.tsx';
import { PeoplePanel } from './people-panel.tsx';
import { Sound } from './sound.tsx';
import { TileArea } from './tile-area.tsx';
import { useWakeLock } from './wake-lock.ts';

/** A running call. */
export function CallScreen({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  useShortcuts(app, call);
  useWakeLock();
  const people = app.dialog.value === 'people';
  return (
    <div class={`call ${people ? 'with-panel' : ''}`}>
      <CallHead call={call} />
      <main class="call-main">
        <Banners call={call} />
        <TileArea call={call} />
      </main>
      {people && <PeoplePanel call={call} />}
      <ControlBar call={call} />
      <Sound call={call} />
      <CallDialogs call={call} />
    </div>
  );
}

function Banners({ call }: { readonly call: Call }): VNode {
  return (
    <>
      {call.soundBlocked.value && (
        <div class="banner" role="alert">
          <p>{texts.call.soundBlocked}</p>
          <button
            type="button"
            class="primary"
            onClick={() => {
              call.soundBlocked.value = false;
            }}
          >
            {texts.call.soundOn}
          </button>
        </div>
      )}
      {call.screen.value && (
        <div class="banner">
          <p>{texts.call.sharingSelf}</p>
          <button type="button" class="quiet" onClick={() => void call.toggleScreen()}>
            {texts.call.shareStop}
          </button>
        </div>
      )}
    </>
  );
}

function useShortcuts(app: App, call: Call): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const modal = document.querySelector('dialog[open]') !== null;
      if (!app.preferences.shortcuts.value || modal) return;
      const command = commandOf(event, isWriting(event.target));
      if (!command) return;
      event.preventDefault();
      obey(command, app, call);
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [app, call]);
}

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null
  );
}

function obey(command: Command, app: App, call: Call): void {
  switch (command) {
    case 'microphone':
      void call.toggleMicrophone();
      break;
    case 'camera':
      void call.toggleCamera();
      break;
    case 'share':
      void call.toggleScreen();
      break;
    case 'hand':
      void call.toggleHand();
      break;
    case 'view':
      call.toggleView();
      break;
    case 'next-page':
      call.turnPage(1);
      break;
    case 'previous-page':
      call.turnPage(-1);
      break;
    case 'unpin':
      if (app.dialog.value === 'people') app.dialog.value = undefined;
      else call.pinned.value = undefined;
      break;
    default:
      app.dialog.value = app.dialog.value === command ? undefined : command;
  }
}
