import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

/** How long a button says that it has copied, in milliseconds. */
const DONE_MS = 2500;

/** A text to put on the clipboard. */
export interface CopyButtonProps {
  readonly text: string;
  readonly label: string;
  /** Said afterwards. */
  readonly done: string;
  /** The browser does not allow it. */
  readonly failed: () => void;
}

/** Puts a text on the clipboard and says so. */
export function CopyButton({ text, label, done, failed }: CopyButtonProps): VNode {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), DONE_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      failed();
    }
  };
  return (
    <button type="button" class={`copy ${copied ? 'copied' : ''}`} onClick={() => void copy()}>
      <Icon name={copied ? 'check' : 'copy'} />
      <span aria-live="polite">{copied ? done : label}</span>
    </button>
  );
}
