import { FormatError } from '@conclave/bytes';
import { type ConferenceMessage, ConnectStatus, parseMessage } from '@conclave/econn';
import { ClientError, type ClientErrorCode } from './client-error.ts';
import type { ConferencePlatform } from './conference-platform.ts';

/** Servers that are asked at once at most. */
export const MAX_SERVERS = 3;

/** Servers that are asked one after the other at most, when one does not serve any more. */
export const MAX_STANDBY_SERVERS = 8;

/** Reason with which a request is aborted because all that belongs to joining takes too long. */
export const JOIN_TIMEOUT = 'join-timeout';

/** An offer of a server. */
export interface ServerOffer {
  /** Where further requests go. */
  readonly server: string;
  /** `SETUP` for a new call, `UPDATE` for one that is moved; the answer has the same type. */
  readonly type: 'SETUP' | 'UPDATE';
  readonly sdp: string;
}

/** What asking needs to know. */
export interface OfferRequest {
  readonly conferenceId: string;
  /** The CONFCONN's text. */
  readonly body: string;
  readonly signal: AbortSignal;
  /** After so many milliseconds without an offer the servers count as unreachable. Default: no such limit. */
  readonly patienceMs?: number | undefined;
}

/**
 * Asks all these servers at once. The first offer wins; the other requests are aborted, and what their servers had made
 * for us they drop by themselves after ten seconds without an answer. Rejects with the `ClientError` that says most when
 * none offers anything.
 */
export async function requestOffer(
  platform: ConferencePlatform,
  servers: readonly string[],
  request: OfferRequest,
): Promise<ServerOffer> {
  const losers = new AbortController();
  const signal = AbortSignal.any([request.signal, losers.signal]);
  let isTooLate = false;
  const stop =
    request.patienceMs === undefined
      ? undefined
      : platform.after(request.patienceMs, () => {
          isTooLate = true;
          losers.abort();
        });
  try {
    return await Promise.any(servers.map((server) => askOne(platform, server, { ...request, signal })));
  } catch (error) {
    if (request.signal.aborted) {
      throw new ClientError(request.signal.reason === JOIN_TIMEOUT ? 'server-unreachable' : 'aborted');
    }
    if (isTooLate) throw new ClientError('server-unreachable');
    const failures = error instanceof AggregateError ? error.errors : [error];
    throw mostTelling(failures.map(asClientError));
  } finally {
    stop?.();
    losers.abort();
  }
}

/** Sends the answer to an offer. Rejects with `ClientError`. */
export async function postAnswer(
  platform: ConferencePlatform,
  server: string,
  request: OfferRequest,
): Promise<void> {
  const reply = await post(platform, server, request);
  if (reply.status < 200 || reply.status > 299) throw refusalOf(reply.status);
}

/** Where the requests about a conference go. */
export function signallingUrl(server: string, conferenceId: string): string {
  return `${server}${server.endsWith('/') ? '' : '/'}sft/${encodeURIComponent(conferenceId)}`;
}

/** Whether the text is the address of a server: `http:` or `https:`, without credentials, query and fragment. */
export function isServerUrl(text: string): boolean {
  return /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/i.test(text);
}

async function askOne(
  platform: ConferencePlatform,
  server: string,
  request: OfferRequest,
): Promise<ServerOffer> {
  const reply = await post(platform, server, request);
  if (reply.status < 200 || reply.status > 299) throw refusalOf(reply.status);
  const message = readReply(reply.body);
  if (message.type === 'CONFCONN') throw new ClientError(codeOfStatus(message.status));
  if ((message.type !== 'SETUP' && message.type !== 'UPDATE') || message.response) {
    throw new ClientError('bad-response', { detail: 'no offer' });
  }
  if (message.sessionId.toLowerCase() !== request.conferenceId.toLowerCase()) {
    throw new ClientError('bad-response', { detail: 'another conference' });
  }
  if (message.url !== undefined && !isServerUrl(message.url)) {
    throw new ClientError('bad-response', { detail: 'not a URL' });
  }
  return { server: message.url ?? server, type: message.type, sdp: message.sdp };
}

async function post(platform: ConferencePlatform, server: string, request: OfferRequest) {
  try {
    return await platform.post(signallingUrl(server, request.conferenceId), request.body, request.signal);
  } catch (cause) {
    throw new ClientError(request.signal.aborted ? 'aborted' : 'server-unreachable', { cause });
  }
}

function readReply(body: string): ConferenceMessage {
  try {
    return parseMessage(body);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new ClientError('bad-response', { detail: error.code });
  }
}

function refusalOf(status: number): ClientError {
  if (status === 303) return new ClientError('server-draining');
  // What a proxy says when there is nobody behind it.
  if (status >= 502 && status <= 504)
    return new ClientError('server-unreachable', { detail: `HTTP ${status}` });
  if (status === 429) return new ClientError('rate-limited');
  return new ClientError('bad-response', { detail: `HTTP ${status}` });
}

function codeOfStatus(status: number): ClientErrorCode {
  switch (status) {
    case ConnectStatus.versionBlacklisted:
      return 'client-outdated';
    case ConnectStatus.authInvalid:
      return 'access-denied';
    case ConnectStatus.authExpired:
      return 'access-expired';
    case ConnectStatus.authLimit:
      return 'server-full';
    case ConnectStatus.mayNotStart:
      return 'may-not-start';
    default:
      return 'bad-response';
  }
}

function asClientError(error: unknown): ClientError {
  return error instanceof ClientError ? error : new ClientError('internal', { cause: error });
}

/** A server that answers says more than one that does not, and a verdict more than nonsense. */
function mostTelling(errors: readonly ClientError[]): ClientError {
  const vague: readonly ClientErrorCode[] = ['bad-response', 'server-unreachable', 'internal', 'aborted'];
  const rank = (error: ClientError) => vague.indexOf(error.code);
  return errors.reduce((best, error) => (rank(error) < rank(best) ? error : best));
}
