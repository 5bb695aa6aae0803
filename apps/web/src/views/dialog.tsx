import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Icon } from './icon.tsx';

/** What lies over the screen until it is closed. */
export interface DialogFrameProps {
  readonly heading: string;
  readonly children: ComponentChildren;
}

/** A dialog with a heading. Escape, the button and a click beside it close it. */
export function DialogFrame({ heading, children }: DialogFrameProps): VNode {
  const app = useApp();
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  const own = useRef(app.dialog.peek()).current;
  // A dialog's late event must not close the one that took its place.
  const close = () => {
    if (app.dialog.value === own) app.dialog.value = undefined;
  };
  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    const pressed = (event: MouseEvent) => {
      if (event.target === dialog) close();
    };
    dialog.addEventListener('click', pressed);
    dialog.addEventListener('close', close);
    return () => {
      dialog.removeEventListener('close', close);
      dialog.removeEventListener('click', pressed);
      if (dialog.open) dialog.close();
    };
  }, []);
  return (
    <dialog ref={element} class="dialog" aria-labelledby={id}>
      <div class="dialog-inside">
        <header class="dialog-head">
          <h2 id={id}>{heading}</h2>
          <button type="button" class="plain" aria-label={texts.close} onClick={close}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
