import type { VNode } from 'preact';
import type { Call } from '../state/call.ts';
import { SHORTCUTS } from '../state/shortcuts.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { CopyButton } from './copy-button.tsx';
import { DeviceList } from './device-list.tsx';
import { DialogFrame } from './dialog.tsx';
import { InviteDialog } from './invite-dialog.tsx';
import { LevelBar } from './level-bar.tsx';
import { MoreDialog } from './more-dialog.tsx';

/** Whatever dialog is open during a call. */
export function CallDialogs({ call }: { readonly call: Call }): VNode | null {
  const app = useApp();
  switch (app.dialog.value) {
    case 'safety':
      return <SafetyDialog call={call} />;
    case 'invite':
      return <InviteDialog />;
    case 'devices':
      return <DevicesDialog />;
    case 'help':
      return <HelpDialog />;
    case 'more':
      return <MoreDialog call={call} />;
    default:
      return null;
  }
}

function SafetyDialog({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  return (
    <DialogFrame heading={texts.safety.heading}>
      <p>{texts.safety.body}</p>
      <p class="code">
        {call.safetyCode.split(' ').map((group, index) => (
          <span key={`${index} ${group}`}>{group} </span>
        ))}
      </p>
      <CopyButton
        text={call.safetyCode}
        label={texts.safety.copy}
        done={texts.safety.copied}
        failed={() => app.notices.say(texts.invite.copyFailed, 'warning')}
      />
      <h3>{texts.safety.howHeading}</h3>
      <ul class="explained">
        {texts.safety.how.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </DialogFrame>
  );
}

function DevicesDialog(): VNode {
  const { media } = useApp();
  return (
    <DialogFrame heading={texts.devices.heading}>
      <DeviceList />
      <LevelBar track={media.microphone.track.value} />
    </DialogFrame>
  );
}

function HelpDialog(): VNode {
  const { preferences } = useApp();
  return (
    <DialogFrame heading={texts.help.heading}>
      <dl class="keys">
        {SHORTCUTS.map(([key, command]) => (
          <div key={key}>
            <dt>
              <kbd>{texts.help.keys[key] ?? key.toUpperCase()}</kbd>
            </dt>
            <dd>{texts.commands[command]}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={preferences.shortcuts.value}
          onChange={(event) => preferences.setShortcuts(event.currentTarget.checked)}
        />
        {texts.help.switchLabel}
      </label>
    </DialogFrame>
  );
}
