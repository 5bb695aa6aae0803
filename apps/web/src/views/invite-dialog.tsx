import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { DialogFrame } from './dialog.tsx';
import { LinkBox } from './link-box.tsx';

/** The link to send, and a new one. */
export function InviteDialog(): VNode {
  const [renewing, setRenewing] = useState(false);
  const app = useApp();
  return (
    <DialogFrame heading={texts.invite.heading}>
      <p>{texts.invite.body}</p>
      <LinkBox />
      {renewing ? (
        <div class="renew" role="alert">
          <p>{texts.invite.renewBody}</p>
          <div class="buttons">
            <button type="button" class="danger" onClick={() => app.renewLink()}>
              {texts.invite.renewConfirm}
            </button>
            <button type="button" class="quiet" onClick={() => setRenewing(false)}>
              {texts.invite.cancel}
            </button>
          </div>
        </div>
      ) : (
        <button type="button" class="link" onClick={() => setRenewing(true)}>
          {texts.invite.renew} …
        </button>
      )}
    </DialogFrame>
  );
}
