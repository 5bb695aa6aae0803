import type { VNode } from 'preact';

/** Drawn on 24 by 24, in strokes of the text's colour. */
const drawings = {
  microphone:
    'M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21M9 21h6',
  'microphone-off':
    'M15 10.5V6a3 3 0 0 0-5.8-1.1M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11a6.5 6.5 0 0 0 10 5.5M18.5 11a6.4 6.4 0 0 1-.9 3.3M12 17.5V21M9 21h6M4 4l16 16',
  camera:
    'M4.5 6.5h9a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-9a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2zM15.5 10.8l5.2-3v8.4l-5.2-3',
  'camera-off':
    'M9.5 6.5h4a2 2 0 0 1 2 2v4M15.3 16.3a2 2 0 0 1-1.8 1.2h-9a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2H5.5M15.5 10.8l5.2-3v8.4l-3-1.7M4 4l16 16',
  screen:
    'M4.5 4.5h15a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-15a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2zM8.5 20.5h7M12 13.5v-6M9.3 9.8L12 7.2l2.7 2.6',
  hand: 'M8 12.5V6.2a1.4 1.4 0 0 1 2.8 0V11M10.8 10.5V4.4a1.4 1.4 0 0 1 2.8 0v6.1M13.6 10.5V5.4a1.4 1.4 0 0 1 2.8 0v7M16.4 9.2a1.4 1.4 0 0 1 2.8 0v5.3a6.5 6.5 0 0 1-6.5 6.5c-2.6 0-4.1-1-5.4-3l-2.9-4.6c-.9-1.5 1-2.8 2.2-1.6L8 13.5',
  grid: 'M4 4.5h7v6.5H4zM13.5 4.5h7v6.5h-7zM4 13.5h7V20H4zM13.5 13.5h7V20h-7z',
  speaker: 'M3.5 4.5h17v10h-17zM3.5 17.5h4.5v2.5H3.5zM9.8 17.5h4.5v2.5H9.8zM16 17.5h4.5v2.5H16z',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.8 2.8-6 6.5-6s6.5 2.2 6.5 6M15.5 4.4a3.5 3.5 0 0 1 0 6.4M17.5 14.4c2.5.7 4 2.7 4 5.6',
  invite:
    'M10 13.8a4 4 0 0 0 5.7 0l3.5-3.5a4 4 0 1 0-5.7-5.7l-1.3 1.3M14 10.2a4 4 0 0 0-5.7 0l-3.5 3.5a4 4 0 1 0 5.7 5.7l1.3-1.3',
  devices: 'M4 7h9M17 7h3M4 12h3M11 12h9M4 17h7M15 17h5M15 5v4M9 10v4M13 15v4',
  leave: 'M3.2 14.8c4.7-4.9 12.9-4.9 17.6 0l-2.2 2.7-3.6-1.7v-2.4a10.6 10.6 0 0 0-6 0v2.4l-3.6 1.7z',
  more: 'M5.4 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M11.4 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0M17.4 12a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0',
  lock: 'M6.5 10.5h11a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.5v2',
  'lock-open':
    'M6.5 10.5h11a1.5 1.5 0 0 1 1.5 1.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V8a4 4 0 0 1 7.6-1.7',
  warning: 'M12 4l9 16H3zM12 10v4.5M12 17.3v.01',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10.5v11.5H9zM6 15H4.5V3.5H15V6',
  send: 'M12 15.5V4M7.5 8L12 3.5 16.5 8M5 13v7h14v-7',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  pin: 'M9 3.5h6l-.7 6 3.2 3.5h-11l3.2-3.5zM12 13v7.5',
  next: 'M9.5 5.5L16 12l-6.5 6.5',
  previous: 'M14.5 5.5L8 12l6.5 6.5',
  sound: 'M4 9.5v5h3.5l5 4v-13l-5 4zM15.8 9a4.2 4.2 0 0 1 0 6M18.3 6.5a7.8 7.8 0 0 1 0 11',
  help: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.7 2.2c-.8.5-1.2 1-1.2 1.9M12 16.7v.01',
  light:
    'M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  dark: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z',
  system: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 3v18M12 8.5h8M12 13h8.8M12 17h7',
  eye: 'M2.5 12c2.2-4 5.5-6 9.5-6s7.3 2 9.5 6c-2.2 4-5.5 6-9.5 6s-7.3-2-9.5-6zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
} as const;

/** Name of a drawing. */
export type IconName = keyof typeof drawings;

/** A drawing beside or instead of a word. Whoever uses it says what it means; it is hidden from readers of the page. */
export function Icon({
  name,
  class: className,
}: {
  readonly name: IconName;
  readonly class?: string;
}): VNode {
  return (
    <svg class={`icon ${className ?? ''}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={drawings[name]} />
    </svg>
  );
}

/** The mark of the product: a key in a speech bubble. */
export function Mark(): VNode {
  return (
    <svg class="mark" viewBox="0 0 64 64" aria-hidden="true" focusable="false">
      <path
        class="mark-bubble"
        d="M18 4h28c7.7 0 14 6.3 14 14v18c0 7.7-6.3 14-14 14H32.5L20.2 60.3c-1.6 1.3-4.2.2-4.2-1.9V49.9C9.2 48.9 4 43 4 36V18C4 10.3 10.3 4 18 4z"
      />
      <g class="mark-key">
        <circle cx="22" cy="27" r="7.6" />
        <path d="M29.6 27H50M42.5 27v7M50 27v5" />
      </g>
    </svg>
  );
}
