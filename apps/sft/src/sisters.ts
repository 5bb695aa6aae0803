import { FormatError } from '@conclave/bytes';
import type { ConversationHash } from '@conclave/econn';
import type { CallerId } from './conference-host.ts';
import { rankServers } from './sister-choice.ts';
import {
  type LocateReply,
  type PassReply,
  type PassRequest,
  type PrepareRequest,
  parseLocateReply,
  parsePassReply,
  type SisterAction,
} from './sister-message.ts';
import type { SisterSeal } from './sister-seal.ts';

/** What {@link Sisters} needs. */
export interface SistersOptions {
  /** Our own URL. */
  readonly url: string;
  /** URLs of the other servers of the installation, without a slash at the end. */
  readonly urls: readonly string[];
  readonly seal: SisterSeal;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** A sister did not answer, for the log. */
  readonly onSilent?: (url: string) => void;
}

/** Header of the seal. */
export const SEAL_HEADER = 'x-conclave-sister';
/** How long a sister that did not answer is left alone. Lower: found again sooner; higher: less waiting for the dead. */
const SILENCE_MS = 2000;
/** Longest waits. A client waits ten seconds at most, and for all of these together. */
const LOCATE_TIMEOUT_MS = 1000;
const PREPARE_TIMEOUT_MS = 3000;
const PASS_TIMEOUT_MS = 6000;
const MAX_REPLY_BYTES = 1_100_000;

/** Asks the other servers of the same installation. A sister that does not answer is passed over for a while. */
export class Sisters {
  readonly #options: SistersOptions;
  readonly #silentUntil = new Map<string, number>();

  constructor(options: SistersOptions) {
    this.#options = options;
  }

  /** Sisters that are not known to be silent, in the order in which they are to hold the conference. */
  ranked(conversation: ConversationHash): string[] {
    return rankServers(conversation, this.#live());
  }

  /** Which server is to hold a conference that nobody has: a sister, or undefined for this server. */
  ownerOf(conversation: ConversationHash, isDraining: boolean): string | undefined {
    const { url } = this.#options;
    const [first] = rankServers(conversation, isDraining ? this.#live() : [url, ...this.#live()]);
    return first === url ? undefined : first;
  }

  /**
   * The sister that has the caller's call, or else its conference; undefined when none has. A sister that ends soon comes
   * after the others.
   */
  async locate(caller: CallerId): Promise<string | undefined> {
    const { conversation, userId, clientId } = caller;
    const found = await Promise.all(
      this.ranked(conversation).map(async (url) => {
        const reply = await this.#ask(url, 'locate', { conversation, userId, clientId }, LOCATE_TIMEOUT_MS);
        return { url, score: scoreOf(read(reply, parseLocateReply)) };
      }),
    );
    let best: { readonly url: string; readonly score: number } | undefined;
    for (const one of found) if (one.score > (best?.score ?? 0)) best = one;
    return best?.url;
  }

  /** Asks a sister to take a conference over; whether it will. */
  async prepare(url: string, request: PrepareRequest): Promise<boolean> {
    const reply = await this.#ask(url, 'prepare', request, PREPARE_TIMEOUT_MS);
    return reply !== undefined && reply.status === 200;
  }

  /** Passes a client's request on; undefined when the sister did not answer it. */
  async pass(url: string, request: PassRequest, closed?: AbortSignal): Promise<PassReply | undefined> {
    return read(await this.#ask(url, 'pass', request, PASS_TIMEOUT_MS, closed), parsePassReply);
  }

  #live(): string[] {
    const now = this.#options.now();
    return this.#options.urls.filter((url) => (this.#silentUntil.get(url) ?? 0) <= now);
  }

  async #ask(
    url: string,
    action: SisterAction,
    request: object,
    timeoutMs: number,
    closed?: AbortSignal,
  ): Promise<{ readonly status: number; readonly text: string } | undefined> {
    const body = Buffer.from(JSON.stringify(request));
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${url}/sister/${action}`, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          [SEAL_HEADER]: this.#options.seal.make({ to: url, action, body }),
        },
        redirect: 'error',
        signal: closed ? AbortSignal.any([timeout, closed]) : timeout,
      });
      return { status: response.status, text: await readText(response) };
    } catch {
      if (!closed?.aborted) {
        this.#silentUntil.set(url, this.#options.now() + SILENCE_MS);
        this.#options.onSilent?.(url);
      }
      return undefined;
    }
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) throw new FormatError('too-long', 'a reply without end');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function read<Value>(
  reply: { readonly status: number; readonly text: string } | undefined,
  parse: (text: string) => Value,
): Value | undefined {
  if (reply?.status !== 200) return undefined;
  try {
    return parse(reply.text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}

function scoreOf(reply: LocateReply | undefined): number {
  if (reply === undefined || !(reply.caller || reply.conference)) return 0;
  return (reply.caller ? 4 : 0) + (reply.conference ? 2 : 0) + (reply.draining ? 0 : 1);
}
