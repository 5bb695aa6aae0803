import { type Signal, signal } from '@preact/signals';

/** Which colours: what the system says, or always one of them. */
export type Theme = 'system' | 'light' | 'dark';

/** What is kept on this device only when the person wants it. */
export interface Remembered {
  readonly name: string;
  readonly microphoneId?: string | undefined;
  readonly cameraId?: string | undefined;
  readonly speakerId?: string | undefined;
}

const REMEMBERED = 'conclave.remembered';
const THEME = 'conclave.theme';
const SHORTCUTS = 'conclave.shortcuts';
/** Longest name in characters. */
export const MAX_NAME_LENGTH = 60;

/** The choices that outlast a visit. A storage that refuses, as in private windows, loses them and nothing else. */
export class Preferences {
  readonly theme: Signal<Theme>;
  /** Whether single keys are commands in a call. */
  readonly shortcuts: Signal<boolean>;
  readonly #storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined;

  constructor(storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | undefined) {
    this.#storage = storage;
    const theme = this.#read(THEME);
    this.theme = signal(theme === 'light' || theme === 'dark' ? theme : 'system');
    this.shortcuts = signal(this.#read(SHORTCUTS) !== 'off');
  }

  /** Keeps the colours. `system` is the default, and leaves nothing behind. */
  setTheme(theme: Theme): void {
    this.theme.value = theme;
    this.#write(THEME, theme === 'system' ? undefined : theme);
  }

  /** Keeps whether single keys are commands. */
  setShortcuts(on: boolean): void {
    this.shortcuts.value = on;
    this.#write(SHORTCUTS, on ? undefined : 'off');
  }

  /** What was remembered with consent; undefined without. */
  recall(): Remembered | undefined {
    try {
      const value: unknown = JSON.parse(this.#read(REMEMBERED) ?? 'null');
      if (typeof value !== 'object' || value === null) return undefined;
      const { name, microphoneId, cameraId, speakerId } = value as Record<string, unknown>;
      return {
        name: cleanName(text(name) ?? ''),
        microphoneId: text(microphoneId),
        cameraId: text(cameraId),
        speakerId: text(speakerId),
      };
    } catch {
      return undefined;
    }
  }

  /** Remembers, or forgets everything for `undefined`. */
  remember(remembered: Remembered | undefined): void {
    this.#write(REMEMBERED, remembered === undefined ? undefined : JSON.stringify(remembered));
  }

  #read(key: string): string | undefined {
    try {
      return this.#storage?.getItem(key) ?? undefined;
    } catch {
      return undefined;
    }
  }

  #write(key: string, value: string | undefined): void {
    try {
      if (value === undefined) this.#storage?.removeItem(key);
      else this.#storage?.setItem(key, value);
    } catch {
      // A full or forbidden storage: the choice holds until the page is closed.
    }
  }
}

/** A name as it is shown and sent: one line, no spaces around it, {@link MAX_NAME_LENGTH} characters at most. */
export function cleanName(name: string): string {
  return [...name.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim()].slice(0, MAX_NAME_LENGTH).join('');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
