import type { VNode } from 'preact';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Frame } from './frame.tsx';

/** Between a reload of the page and the call. */
export function ReturningScreen(): VNode {
  const app = useApp();
  return (
    <Frame class="message">
      <div class="message-card" role="status">
        <span class="spinner large" />
        <h1 tabIndex={-1}>{texts.returning.heading}</h1>
        <button type="button" class="quiet" onClick={() => app.cancelJoin()}>
          {texts.lobby.cancel}
        </button>
      </div>
    </Frame>
  );
}
