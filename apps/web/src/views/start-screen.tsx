import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Frame } from './frame.tsx';
import { Icon, type IconName } from './icon.tsx';
import { StartPicture } from './start-picture.tsx';

const pointIcons: readonly IconName[] = ['invite', 'eye', 'lock'];

/** Where a meeting begins: make one, or open a link. */
export function StartScreen(): VNode {
  const app = useApp();
  return (
    <Frame class="start">
      <div class="start-columns">
        <section class="start-text">
          <h1 tabIndex={-1}>{texts.start.headline}</h1>
          <p class="lead">{texts.start.lead}</p>
          <NewMeeting />
          <p class="divider">
            <span>{texts.start.or}</span>
          </p>
          <OpenLink />
        </section>
        <StartPicture />
      </div>
      <ul class="points">
        {texts.start.points.map(([title, body], index) => (
          <li key={title}>
            <Icon name={pointIcons[index]!} />
            <div>
              <h2>{title}</h2>
              <p>{body}</p>
            </div>
          </li>
        ))}
      </ul>
      <p class="foot">
        <button type="button" class="link" onClick={() => app.goDiagnosis()}>
          {texts.start.diagnose}
        </button>
      </p>
    </Frame>
  );
}

function NewMeeting(): VNode {
  const app = useApp();
  const [protect, setProtect] = useState(false);
  const [passphrase, setPassphrase] = useState('');
  return (
    <form
      class="new-meeting"
      onSubmit={(event) => {
        event.preventDefault();
        app.newMeeting(protect ? passphrase : '');
      }}
    >
      {protect && (
        <div class="field">
          <label for="new-passphrase">{texts.start.passphrase}</label>
          <input
            id="new-passphrase"
            type="text"
            autocomplete="off"
            spellcheck={false}
            required
            maxLength={200}
            aria-describedby="new-passphrase-hint"
            value={passphrase}
            onInput={(event) => setPassphrase(event.currentTarget.value)}
          />
          <p class="hint" id="new-passphrase-hint">
            {texts.start.passphraseHint}
          </p>
        </div>
      )}
      <button type="submit" class="primary large">
        <Icon name="camera" />
        {texts.start.create}
      </button>
      <label class="check">
        <input
          type="checkbox"
          checked={protect}
          onChange={(event) => setProtect(event.currentTarget.checked)}
        />
        {texts.start.protect}
      </label>
    </form>
  );
}

function OpenLink(): VNode {
  const app = useApp();
  const [text, setText] = useState('');
  const [fault, setFault] = useState<string | undefined>(undefined);
  return (
    <form
      class="open-link"
      onSubmit={(event) => {
        event.preventDefault();
        const found = app.openText(text);
        setFault(found && texts.linkFaults[found]);
      }}
    >
      <label class="hidden" for="link">
        {texts.start.linkLabel}
      </label>
      <div class="joined-field">
        <input
          id="link"
          type="text"
          inputMode="url"
          autocomplete="off"
          spellcheck={false}
          placeholder={texts.start.linkPlaceholder}
          aria-invalid={fault !== undefined}
          aria-describedby="link-fault"
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setFault(undefined);
          }}
        />
        <button type="submit">{texts.start.join}</button>
      </div>
      <p class="fault" id="link-fault" role="alert">
        {fault}
      </p>
    </form>
  );
}
