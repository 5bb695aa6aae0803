import type { VNode } from 'preact';
import type { Dialog } from '../state/app.ts';
import type { Call } from '../state/call.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { DialogFrame } from './dialog.tsx';
import { Icon, type IconName } from './icon.tsx';
import { ThemeSwitch } from './theme-switch.tsx';

/** On narrow screens, what has no room below the call. */
export function MoreDialog({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  const large = call.stage.value !== undefined;
  const open = (dialog: Dialog) => () => {
    app.dialog.value = dialog;
  };
  return (
    <DialogFrame heading={texts.call.more}>
      <div class="menu">
        <Entry
          icon={large ? 'grid' : 'speaker'}
          label={large ? texts.call.toGrid : texts.call.toSpeaker}
          press={() => {
            call.toggleView();
            app.dialog.value = undefined;
          }}
        />
        <Entry icon="invite" label={texts.invite.heading} press={open('invite')} />
        <Entry icon="people" label={texts.people.heading} press={open('people')} />
        <Entry icon="devices" label={texts.devices.heading} press={open('devices')} />
        <Entry icon="lock" label={texts.safety.heading} press={open('safety')} />
        <Entry icon="help" label={texts.help.heading} press={open('help')} />
      </div>
      <ThemeSwitch />
    </DialogFrame>
  );
}

interface EntryProps {
  readonly icon: IconName;
  readonly label: string;
  readonly press: () => void;
}

function Entry({ icon, label, press }: EntryProps): VNode {
  return (
    <button type="button" class="menu-entry" onClick={press}>
      <Icon name={icon} />
      {label}
    </button>
  );
}
