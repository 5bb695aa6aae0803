import { FormatError } from '@conclave/bytes';
import { type ConferenceMessage, loggable, parseMessage } from '@conclave/econn';
import type { Logger } from '@conclave/service';
import type { CallerId, ConferenceHost } from './conference-host.ts';
import type { ConferenceRegistry } from './conference-registry.ts';
import type { Handover } from './handover.ts';
import type { SignallingReply, SignallingRequest } from './signalling.ts';
import type { Sisters } from './sisters.ts';

/** What {@link SisterRouting} needs. */
export interface SisterRoutingOptions {
  readonly host: ConferenceHost & Pick<ConferenceRegistry, 'hasListedParticipants'>;
  readonly sisters: Sisters;
  readonly handover: Handover;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** How often a request is passed on: from a server that was restarted to one that is about to end to its successor. */
const MAX_HOPS = 2;
/** How long an answer follows the offer to the server that made it, and for how many callers at a time. */
const ROUTE_LIFETIME_MS = 60_000;
const MAX_ROUTES = 20_000;

/**
 * Decides which requests of clients another server of the installation answers. A client is bound to the URL that its
 * call began with, whatever server its conference is at by now; so requests are passed on, and answers passed back.
 */
export class SisterRouting {
  readonly #options: SisterRoutingOptions;
  /** Where the offer came from that a caller may answer, oldest first. */
  readonly #routes = new Map<string, { readonly url: string; readonly untilMs: number }>();

  constructor(options: SisterRoutingOptions) {
    this.#options = options;
  }

  /** The reply of the server whose business the request is; undefined when it is this one's. */
  async passOn(
    caller: CallerId,
    message: ConferenceMessage,
    request: SignallingRequest,
  ): Promise<SignallingReply | undefined> {
    const hops = (request.hops ?? 0) + 1;
    if (hops > MAX_HOPS || request.body === undefined || request.method !== 'POST') return undefined;
    const { body, remoteAddress, closed } = request;
    const { host, handover, sisters, log } = this.#options;
    const passed = { conversation: caller.conversation, body, remoteAddress, hops };
    let url = await this.#serverFor(caller, message);
    if (url === undefined) return undefined;
    let reply = await sisters.pass(url, passed, closed);
    if (reply === undefined && message.type === 'CONFCONN') {
      // It is known to be silent by now, so that the choice may fall on another one.
      url = await this.#serverFor(caller, message);
      if (url === undefined) return undefined;
      reply = await sisters.pass(url, passed, closed);
    }
    const isTaken = reply !== undefined && reply.status === 200 && !isRefusal(reply.body, message);
    log.debug({ conversation: loggable(caller.conversation), to: url, isTaken }, 'request passed on');
    // Who is here already may stay here.
    if (!isTaken && host.isKnownCaller(caller.conversation, caller.userId, caller.clientId)) {
      handover.cameBack(caller.conversation);
      return undefined;
    }
    if (message.type === 'CONFCONN' && isTaken) this.#remember(caller, url);
    return reply;
  }

  async #serverFor(caller: CallerId, message: ConferenceMessage): Promise<string | undefined> {
    const { host, sisters, handover } = this.#options;
    const { conversation, userId, clientId } = caller;
    if (message.type === 'SETUP' || message.type === 'UPDATE') {
      if (!message.response) return undefined;
      const route = this.#routeOf(caller);
      if (route !== undefined) return route;
      return host.isKnownCaller(conversation, userId, clientId) ? undefined : sisters.locate(caller);
    }
    if (message.type !== 'CONFCONN' || message.response) return undefined;
    this.#routes.delete(keyOf(caller));
    const destination = await handover.destinationOf(conversation);
    if (destination !== undefined) return destination;
    // A client may ask several servers at once: what nobody joined yet is no reason not to look elsewhere.
    if (host.hasListedParticipants(conversation)) return undefined;
    const found = await sisters.locate(caller);
    if (found !== undefined) return found;
    // All servers choose the same one for a conference that was lost, so that its people meet again.
    if (host.isKnownCaller(conversation, userId, clientId)) return undefined;
    return message.update || host.draining ? sisters.ownerOf(conversation, host.draining) : undefined;
  }

  #routeOf(caller: CallerId): string | undefined {
    const route = this.#routes.get(keyOf(caller));
    return route !== undefined && route.untilMs > this.#options.now() ? route.url : undefined;
  }

  #remember(caller: CallerId, url: string): void {
    const now = this.#options.now();
    for (const [key, { untilMs }] of this.#routes) {
      if (untilMs > now && this.#routes.size < MAX_ROUTES) break;
      this.#routes.delete(key);
    }
    this.#routes.set(keyOf(caller), { url, untilMs: now + ROUTE_LIFETIME_MS });
  }
}

function keyOf({ conversation, userId, clientId }: CallerId): string {
  return `${conversation}\n${userId}\n${clientId}`;
}

/** Whether a request for an offer got none. */
function isRefusal(body: string, asked: ConferenceMessage): boolean {
  if (asked.type !== 'CONFCONN') return false;
  try {
    return parseMessage(body).type === 'CONFCONN';
  } catch (error) {
    if (error instanceof FormatError) return true;
    throw error;
  }
}
