import { type Signal, signal } from '@preact/signals';

/** A short message that goes away by itself. */
export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly tone: 'plain' | 'warning';
}

/** How long a notice stays, in milliseconds. Shorter is calmer; longer can be read by slow readers too. */
const SHOWN_MS = 5000;
/** Most notices at a time; older ones go first. */
const MAX_NOTICES = 3;

/** The short messages on screen, which are also read out to those who listen to the page. */
export class Notices {
  readonly shown: Signal<readonly Notice[]> = signal([]);
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #next = 1;

  /** Shows a message for a while. */
  say(text: string, tone: Notice['tone'] = 'plain'): void {
    const notice: Notice = { key: this.#next++, text, tone };
    // Whoever speaks because something changed does not speak again because this has.
    const others = this.shown.peek().filter((other) => other.text !== text);
    this.shown.value = [...others, notice].slice(-MAX_NOTICES);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.shown.value = this.shown.value.filter((other) => other !== notice);
    }, SHOWN_MS);
    this.#timers.add(timer);
  }

  /** Takes all away. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.shown.value = [];
  }
}
