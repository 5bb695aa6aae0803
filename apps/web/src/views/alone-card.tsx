import type { VNode } from 'preact';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { LinkBox } from './link-box.tsx';

/** What is to be seen while nobody else is there. */
export function AloneCard(): VNode {
  const app = useApp();
  return (
    <section class="alone">
      <h2>{texts.call.aloneHeading}</h2>
      <p>{texts.call.aloneBody}</p>
      <LinkBox />
      {app.link.value?.passphrase && <p class="hint">{texts.call.alonePassphrase}</p>}
    </section>
  );
}
