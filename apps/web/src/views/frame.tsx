import type { ComponentChildren, VNode } from 'preact';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Mark } from './icon.tsx';
import { ThemeSwitch } from './theme-switch.tsx';

/** What surrounds every screen but the call: the name of the product above, the choice of colours beside it. */
export function Frame({
  children,
  class: className,
}: {
  readonly children: ComponentChildren;
  readonly class?: string;
}): VNode {
  const app = useApp();
  return (
    <div class={`frame ${className ?? ''}`}>
      <header class="frame-head">
        <button type="button" class="brand" onClick={() => app.goHome()}>
          <Mark />
          <span>{texts.product}</span>
        </button>
        <ThemeSwitch />
      </header>
      <main class="frame-main">{children}</main>
    </div>
  );
}
