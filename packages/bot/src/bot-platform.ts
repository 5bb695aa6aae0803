import { randomBytes, webcrypto } from 'node:crypto';
import type { Cancel, ConferenceMedia, ConferencePlatform, HttpReply, MediaEvents } from '@conclave/client';
import { MediaCrypto } from '@conclave/e2ee';
import { BotMedia, type BotMediaOptions } from './bot-media.ts';

/** Longest answer of a server that is read, in bytes. */
const MAX_REPLY_BYTES = 512 * 1024;

/** What a conference needs of Node. One platform serves one join. */
export class BotPlatform implements ConferencePlatform {
  readonly crypto: MediaCrypto = new MediaCrypto(webcrypto.subtle);
  readonly #options: BotMediaOptions;
  #media: BotMedia | undefined;

  constructor(options: BotMediaOptions = {}) {
    this.#options = options;
  }

  /** The media of the join, once it has begun. */
  get media(): BotMedia | undefined {
    return this.#media;
  }

  now(): number {
    return performance.now();
  }

  random(length: number): Uint8Array {
    return new Uint8Array(randomBytes(length));
  }

  after(delayMs: number, run: () => void): Cancel {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  }

  async post(url: string, body: string, signal: AbortSignal): Promise<HttpReply> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    const decoder = new TextDecoder();
    let text = '';
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > MAX_REPLY_BYTES) throw new RangeError('the answer of the server is too long');
      text += decoder.decode(chunk, { stream: true });
    }
    return { status: response.status, body: text + decoder.decode() };
  }

  openMedia(events: MediaEvents): ConferenceMedia {
    this.#media = new BotMedia(this.crypto, events, this.#options);
    return this.#media;
  }
}
