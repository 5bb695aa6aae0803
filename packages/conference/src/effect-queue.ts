import type { ConferenceEffect } from './conference-effect.ts';

/** First-in, first-out queue of effects that gives its memory back whenever it runs empty. */
export class EffectQueue {
  #items: ConferenceEffect[] = [];
  #next = 0;

  /** Appends the effect. */
  push(effect: ConferenceEffect): void {
    this.#items.push(effect);
  }

  /** Removes and returns the oldest effect. */
  shift(): ConferenceEffect | undefined {
    const effect = this.#items[this.#next++];
    if (effect === undefined) {
      this.#items = [];
      this.#next = 0;
    }
    return effect;
  }
}
