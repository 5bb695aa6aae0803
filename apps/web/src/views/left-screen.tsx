import type { VNode } from 'preact';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Frame } from './frame.tsx';
import { Mark } from './icon.tsx';

/** After leaving. */
export function LeftScreen(): VNode {
  const app = useApp();
  return (
    <Frame class="message">
      <div class="message-card">
        <Mark />
        <h1 tabIndex={-1}>{texts.left.heading}</h1>
        <p class="lead">{texts.left.body}</p>
        <div class="buttons">
          <button type="button" class="primary large" onClick={() => void app.rejoin()}>
            {texts.left.rejoin}
          </button>
          <button type="button" class="quiet large" onClick={() => app.goHome()}>
            {texts.left.home}
          </button>
        </div>
      </div>
    </Frame>
  );
}
