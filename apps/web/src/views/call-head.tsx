import type { VNode } from 'preact';
import type { Call } from '../state/call.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Icon } from './icon.tsx';
import { QualityBars } from './quality-bars.tsx';

/** The line above a call: whether it is encrypted, how it is connected, who is there. */
export function CallHead({ call }: { readonly call: Call }): VNode {
  const app = useApp();
  const { sealing, status, quality, participants } = call.state.value;
  const people = app.dialog.value === 'people';
  const count = participants.length + 1;
  return (
    <header class="call-head">
      <h1 class="hidden" tabIndex={-1}>
        {texts.call.heading}
      </h1>
      <button
        type="button"
        class={`chip ${sealing === 'sealed' ? 'sealed' : ''}`}
        title={texts.safety.heading}
        onClick={() => {
          app.dialog.value = 'safety';
        }}
      >
        <Icon name={sealing === 'sealed' ? 'lock' : 'lock-open'} />
        <span class="wide-only">{sealing === 'sealed' ? texts.call.encrypted : texts.call.sealingWaits}</span>
        <span class="narrow-only">
          {sealing === 'sealed' ? texts.call.encryptedShort : texts.call.sealingWaits}
        </span>
      </button>
      {status === 'reconnecting' && (
        <p class="chip status">
          <span class="spinner" />
          {texts.call.reconnecting}
        </p>
      )}
      <span class="call-head-space" />
      <span class="own-quality" title={texts.call.ownQuality(quality)}>
        <QualityBars quality={quality} />
        <span class="hidden">{texts.call.ownQuality(quality)}</span>
      </span>
      <button
        type="button"
        class="chip"
        aria-expanded={people}
        aria-label={`${texts.people.heading}: ${count}`}
        onClick={() => {
          app.dialog.value = people ? undefined : 'people';
        }}
      >
        <Icon name="people" />
        {count}
      </button>
      <button
        type="button"
        class="chip wide-only"
        aria-label={texts.call.help}
        title={texts.call.help}
        onClick={() => {
          app.dialog.value = 'help';
        }}
      >
        <Icon name="help" />
      </button>
    </header>
  );
}
