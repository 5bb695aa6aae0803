import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { CopyButton } from './copy-button.tsx';
import { Icon } from './icon.tsx';

/** The link of the meeting, and ways to send it to others. */
export function LinkBox(): VNode {
  const app = useApp();
  const field = useRef<HTMLInputElement>(null);
  const { url } = app;
  const canShare = 'share' in navigator;
  return (
    <div class="link-box">
      <div class="joined-field">
        <input
          ref={field}
          type="text"
          readOnly
          aria-label={texts.invite.label}
          value={url}
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyButton
          text={url}
          label={texts.invite.copy}
          done={texts.invite.copied}
          failed={() => {
            field.current?.select();
            app.notices.say(texts.invite.copyFailed, 'warning');
          }}
        />
      </div>
      {canShare && (
        <button
          type="button"
          class="quiet send"
          onClick={() => void navigator.share({ url }).catch(() => undefined)}
        >
          <Icon name="send" />
          {texts.invite.share}
        </button>
      )}
      <p class="hint key-hint">
        <Icon name="lock" />
        <span>
          {texts.invite.isKey}
          {app.link.value?.passphrase && ` ${texts.invite.withPassphrase}`}
        </span>
      </p>
    </div>
  );
}
