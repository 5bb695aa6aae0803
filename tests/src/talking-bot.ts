import { randomBytes } from 'node:crypto';
import { type Bot, joinMeetingAsBot } from '@conclave/bot';
import type { Meeting } from '@conclave/client';
import { parseMeetingLink } from '@conclave/e2ee';

const FRAME_MS = 20;

/** A bot that talks all the time and notes how long it did not hear each of the others. */
export class TalkingBot {
  readonly bot: Bot<Meeting>;
  /** Moments at which its connection was lost, and at which it was back; milliseconds of `performance.now()`. */
  readonly lostAtMs: number[] = [];
  readonly backAtMs: number[] = [];
  /** Longest silence of each of the others since {@link TalkingBot.forget}, in milliseconds. */
  readonly gapsMs: Map<string, number> = new Map();
  readonly #heardAtMs: Map<string, number>;
  readonly #talking: NodeJS.Timeout;

  private constructor(
    bot: Bot<Meeting>,
    heardAtMs: Map<string, number>,
    record: { note: (from: string) => void },
  ) {
    this.bot = bot;
    this.#heardAtMs = heardAtMs;
    record.note = (from) => this.#note(from);
    let status = bot.conference.state.status;
    bot.conference.subscribe((state) => {
      if (state.status === status) return;
      if (state.status === 'reconnecting') this.lostAtMs.push(performance.now());
      if (status === 'reconnecting' && state.status === 'joined') this.backAtMs.push(performance.now());
      status = state.status;
    });
    this.#talking = setInterval(() => {
      const data = randomBytes(60);
      data[0] = 0x78;
      bot.sendAudioFrame({ data });
    }, FRAME_MS);
  }

  static async join(
    link: string,
    name: string,
    servers?: readonly string[],
    standbyServers?: readonly string[],
  ): Promise<TalkingBot> {
    const record = { note: (_from: string): void => undefined };
    const bot = await joinMeetingAsBot({
      link: parseMeetingLink(link),
      profile: { name, handRaised: false },
      listener: { audio: ({ from }) => record.note(from) },
      ...(servers && { servers }),
      standbyServers,
    });
    return new TalkingBot(bot, new Map(), record);
  }

  get id(): string {
    return this.bot.conference.state.selfId;
  }

  get status(): string {
    return this.bot.conference.state.status;
  }

  /** The others, in the order of the list. */
  get others(): string[] {
    const { participants } = this.bot.conference.state;
    return [...participants].sort((a, b) => a.order - b.order).map(({ id }) => id);
  }

  /** Those of them that it has not heard within the last moment. */
  unheard(ids: readonly string[], withinMs = 300): string[] {
    const now = performance.now();
    return ids.filter((id) => id !== this.id && now - (this.#heardAtMs.get(id) ?? 0) > withinMs);
  }

  /** The longest silence of anybody since the last {@link TalkingBot.forget}, the present one included. */
  get longestGapMs(): number {
    const now = performance.now();
    const present = [...this.#heardAtMs.values()].map((at) => now - at);
    return Math.max(0, ...this.gapsMs.values(), ...present);
  }

  /** Begins to measure anew. */
  forget(): void {
    this.gapsMs.clear();
    const now = performance.now();
    for (const id of this.#heardAtMs.keys()) this.#heardAtMs.set(id, now);
  }

  async leave(): Promise<void> {
    clearInterval(this.#talking);
    await this.bot.conference.leave();
  }

  #note(from: string): void {
    const now = performance.now();
    const before = this.#heardAtMs.get(from);
    this.#heardAtMs.set(from, now);
    if (before !== undefined) this.gapsMs.set(from, Math.max(this.gapsMs.get(from) ?? 0, now - before));
  }
}
