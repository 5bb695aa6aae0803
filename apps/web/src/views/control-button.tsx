import type { VNode } from 'preact';
import { Icon, type IconName } from './icon.tsx';

/** One of the buttons below a call. */
export interface ControlButtonProps {
  readonly icon: IconName;
  /** A word below the drawing where there is room. */
  readonly label: string;
  /** What it is, or does, in full. */
  readonly title: string;
  readonly tone?: 'off' | 'lit' | 'leave' | undefined;
  /** For what is on or off. */
  readonly pressed?: boolean;
  readonly press: () => void;
  readonly class?: string;
}

/** A drawing with a word below it. */
export function ControlButton(props: ControlButtonProps): VNode {
  const { icon, label, title, tone, pressed, press, class: className } = props;
  return (
    <button
      type="button"
      class={`control ${tone ? `control-${tone}` : ''} ${className ?? ''}`}
      title={title}
      aria-pressed={pressed}
      onClick={press}
    >
      <span class="control-round">
        <Icon name={icon} />
      </span>
      <span class="control-label">{label}</span>
    </button>
  );
}
