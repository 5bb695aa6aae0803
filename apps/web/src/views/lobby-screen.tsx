import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { MAX_NAME_LENGTH } from '../state/preferences.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { DeviceList } from './device-list.tsx';
import { Frame } from './frame.tsx';
import { LinkBox } from './link-box.tsx';
import { LobbyPreview } from './lobby-preview.tsx';

/** The door of a meeting: how one looks and sounds, under which name, and then in. */
export function LobbyScreen(): VNode {
  const app = useApp();
  const fresh = app.fresh.value;
  return (
    <Frame class="lobby">
      <h1 tabIndex={-1}>{fresh ? texts.lobby.headingNew : texts.lobby.heading}</h1>
      <div class="lobby-columns">
        <div class="lobby-left">
          <LobbyPreview />
        </div>
        <div class="lobby-right">
          {fresh && <LinkBox />}
          <EntranceForm />
          <details class="lobby-devices">
            <summary>{texts.devices.heading}</summary>
            <DeviceList />
          </details>
        </div>
      </div>
    </Frame>
  );
}

function EntranceForm(): VNode {
  const app = useApp();
  const [name, setName] = useState(app.name.value);
  const [remember, setRemember] = useState(app.preferences.recall() !== undefined);
  const [passphrase, setPassphrase] = useState('');
  const joining = app.joining.value;
  return (
    <form
      class="entrance"
      onSubmit={(event) => {
        event.preventDefault();
        void app.join({ name, remember, passphrase });
      }}
    >
      <div class="field">
        <label for="name">{texts.lobby.name}</label>
        <input
          id="name"
          type="text"
          autocomplete="nickname"
          maxLength={MAX_NAME_LENGTH}
          placeholder={texts.lobby.namePlaceholder}
          value={name}
          disabled={joining}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={remember}
          disabled={joining}
          onChange={(event) => setRemember(event.currentTarget.checked)}
        />
        {texts.lobby.remember}
      </label>
      {app.passphraseMissing && (
        <div class="field">
          <label for="passphrase">{texts.lobby.passphrase}</label>
          <input
            id="passphrase"
            type="password"
            autocomplete="off"
            required
            maxLength={200}
            aria-describedby="passphrase-hint"
            value={passphrase}
            disabled={joining}
            onInput={(event) => setPassphrase(event.currentTarget.value)}
          />
          <p class="hint" id="passphrase-hint">
            {texts.lobby.passphraseHint}
          </p>
        </div>
      )}
      <div class="entrance-buttons">
        <button type="submit" class="primary large" disabled={joining} aria-busy={joining}>
          {joining && <span class="spinner" />}
          {joining ? texts.lobby.joining : texts.lobby.join}
        </button>
        {joining && (
          <button type="button" class="quiet large" onClick={() => app.cancelJoin()}>
            {texts.lobby.cancel}
          </button>
        )}
      </div>
    </form>
  );
}
