import { FormatError } from '@conclave/bytes';
import type { HttpReply, HttpRequest } from '@conclave/service';
import type { CallerId } from './conference-host.ts';
import type { SignallingReply, SignallingRequest } from './signalling.ts';
import { splitPath } from './signalling-path.ts';
import {
  type LocateReply,
  type PrepareRequest,
  parseLocateRequest,
  parsePassRequest,
  parsePrepareRequest,
  SISTER_ACTIONS,
  type SisterAction,
} from './sister-message.ts';
import type { SisterSeal } from './sister-seal.ts';
import { SEAL_HEADER } from './sisters.ts';

/** What {@link SisterRequests} needs. */
export interface SisterRequestsOptions {
  /** Our own URL: what seals have to be for. */
  readonly url: string;
  readonly seal: SisterSeal;
  /** Makes ready to take a conference over; false if this server cannot. */
  readonly prepare: (request: PrepareRequest) => boolean;
  /** What this server has of the caller and its conference. */
  readonly locate: (caller: CallerId) => LocateReply;
  /** Answers a client's request that was passed on. */
  readonly handle: (request: SignallingRequest) => Promise<SignallingReply>;
}

/** Answers what other servers of the same installation ask under `/sister/`; to everybody else it is not there. */
export class SisterRequests {
  readonly #options: SisterRequestsOptions;
  readonly #ownPrefix: readonly string[];

  constructor(options: SisterRequestsOptions) {
    this.#options = options;
    this.#ownPrefix = splitPath(new URL(options.url).pathname);
  }

  /** The reply, or undefined for a request that is not a sister's. */
  async answer(request: HttpRequest): Promise<HttpReply | undefined> {
    const seal = request.headers[SEAL_HEADER];
    if (typeof seal !== 'string' || request.method !== 'POST') return undefined;
    const action = this.#actionOf(request.target);
    if (action === undefined) return undefined;
    if (!this.#options.seal.accepts({ to: this.#options.url, action, body: request.body }, seal))
      return undefined;
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(request.body);
      return await this.#perform(action, text, request.closed);
    } catch (error) {
      if (error instanceof FormatError || error instanceof TypeError) return plain(400, 'not understood\n');
      throw error;
    }
  }

  async #perform(action: SisterAction, text: string, closed: AbortSignal): Promise<HttpReply> {
    switch (action) {
      case 'prepare':
        return this.#options.prepare(parsePrepareRequest(text)) ? json({}) : plain(503, 'not possible\n');
      case 'locate':
        return json(this.#options.locate(parseLocateRequest(text)));
      case 'pass': {
        const { conversation, body, remoteAddress, hops } = parsePassRequest(text);
        const path = `/sft/${encodeURIComponent(conversation)}`;
        const reply = await this.#options.handle({ method: 'POST', path, body, remoteAddress, closed, hops });
        return json({ status: reply.status, contentType: reply.contentType, body: reply.body });
      }
    }
  }

  #actionOf(target: string): SisterAction | undefined {
    const path = splitPath(target.split(/[?#]/, 1)[0] ?? '');
    const own = this.#ownPrefix;
    const rest = own.length > 0 && own.every((part, i) => path[i] === part) ? path.slice(own.length) : path;
    if (rest.length !== 2 || rest[0] !== 'sister') return undefined;
    return SISTER_ACTIONS.find((action) => action === rest[1]);
  }
}

function json(value: object): HttpReply {
  return { status: 200, contentType: 'application/json', body: JSON.stringify(value) };
}

function plain(status: number, body: string): HttpReply {
  return { status, contentType: 'text/plain', body };
}
