import type { NowMs } from '@conclave/bytes';

/** Characters of a message that cost one token; every begun further piece costs another one. */
const CHARACTERS_PER_TOKEN = 4096;

/** A token bucket for the messages of one leg. */
export class MessageBudget {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: NowMs;

  constructor(now: NowMs, messagesPerSecond: number, burst: number) {
    this.#perMs = messagesPerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = now;
  }

  /** Pays for a message of that many characters; false when the budget is used up. */
  spend(now: NowMs, length: number): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, now - this.#filledAtMs) * this.#perMs);
    this.#filledAtMs = now;
    this.#tokens -= 1 + Math.floor(length / CHARACTERS_PER_TOKEN);
    return this.#tokens >= 0;
  }
}
