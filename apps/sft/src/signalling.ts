import type { NowMs } from '@conclave/bytes';
import {
  type ConferenceMessage,
  type ConnectMessage,
  type ConversationHash,
  connectOkMessage,
  connectRefusalMessage,
  encodeMessage,
  loggable,
  MAX_SDP_LENGTH,
  offersSimulcast,
  parseMessage,
  parseToolVersion,
  parseUserHash,
  type SetupMessage,
  setupMessage,
  type UpdateMessage,
  updateMessage,
} from '@conclave/econn';
import { errorPage, type Logger } from '@conclave/service';
import { type Admission, type AdmissionRefusal, statusOfRefusal } from './admission.ts';
import type { CallerId, ConferenceHost, ConnectOutcome, ConnectRefusal } from './conference-host.ts';
import { parseSignallingPath, type SignallingTarget, splitPath } from './signalling-path.ts';

/** An HTTP request of a client, as far as signalling looks at it. Query, headers and content type play no role. */
export interface SignallingRequest {
  readonly method: string;
  /** The path as it came, not decoded. */
  readonly path: string;
  /** Undefined when there was no body or it was not text. */
  readonly body: string | undefined;
  /** Where the request comes from, proxies resolved. */
  readonly remoteAddress: string;
  /** Aborted when the client is gone. */
  readonly closed?: AbortSignal;
  /** How often servers of the same installation passed it on. Default 0: it comes from the client. */
  readonly hops?: number;
}

/** The answer to a {@link SignallingRequest}. */
export interface SignallingReply {
  readonly status: number;
  readonly contentType: 'application/json' | 'text/html' | 'text/plain';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Why a request got no offer and no confirmation; a label of the metrics. */
export type SignallingRefusal =
  | AdmissionRefusal
  | 'bad-path'
  | 'bad-message'
  | 'bad-request'
  | 'answer-unexpected'
  | 'answer-unusable'
  | 'offer-timeout'
  | 'client-gone'
  | 'superseded'
  | 'federation-failed'
  | 'federation-silent'
  | 'internal';

/** Hears what signalling does, for the metrics. */
export interface SignallingObserver {
  /** A request was refused. */
  refused(reason: SignallingRefusal): void;
  /** A request got its offer after this time. */
  offered(durationMs: number): void;
  /** A caller's answer was taken. */
  answered(): void;
}

/** What {@link Signalling} needs. */
export interface SignallingOptions {
  readonly host: ConferenceHost;
  readonly admission: Admission;
  /** The URL announced to clients, without a slash at the end. */
  readonly url: string;
  /** Most video slots of one caller. */
  readonly maxVideoSlots: number;
  /** Milliseconds until a request for an offer is given up. */
  readonly offerTimeoutMs: number;
  readonly observer: SignallingObserver;
  /** Has another server of the installation answer a request that is that one's business. */
  readonly passOn?:
    | ((
        caller: CallerId,
        message: ConferenceMessage,
        request: SignallingRequest,
      ) => Promise<SignallingReply | undefined>)
    | undefined;
  readonly log: Logger;
  /** Monotonic clock in milliseconds. */
  readonly now: () => NowMs;
}

/**
 * The request side of the conference protocol: reads requests, has them admitted, passes calls and answers to
 * the host, and puts what comes back into messages. Every request gets an answer, whatever happens behind.
 *
 * What it refuses depends on how clients take it: a message with a status where a client has a use for it, and
 * an HTTP error, which ends the attempt at once, everywhere else.
 */
export class Signalling {
  readonly #options: SignallingOptions;
  readonly #ownPrefix: readonly string[];

  constructor(options: SignallingOptions) {
    this.#options = options;
    this.#ownPrefix = splitPath(new URL(options.url).pathname);
  }

  /** Answers one request. Does not reject. */
  async handle(request: SignallingRequest): Promise<SignallingReply> {
    let target: SignallingTarget;
    try {
      target = parseSignallingPath(request.path, this.#ownPrefix);
    } catch {
      return this.#refuse('bad-path', 400);
    }
    if (target.kind === 'status') return plain('Debug\n');
    if (target.kind === 'url') return plain(`${this.#options.url}\r\n`);
    try {
      return await this.#handleConversation(target.conversation, request);
    } catch (err) {
      this.#options.log.error({ err, conversation: loggable(target.conversation) }, 'a request failed');
      return this.#refuse('internal', 500);
    }
  }

  async #handleConversation(
    conversation: ConversationHash,
    request: SignallingRequest,
  ): Promise<SignallingReply> {
    let message: ConferenceMessage;
    let caller: CallerId;
    try {
      message = parseMessage(request.body ?? '');
      caller = {
        conversation,
        userId: parseUserHash(message.sourceUserId),
        clientId: parseUserHash(message.sourceClientId),
      };
    } catch {
      return this.#refuse('bad-message', 400);
    }
    const elsewhere = await this.#options.passOn?.(caller, message, request);
    if (elsewhere !== undefined) return elsewhere;
    const known = this.#options.host.isKnownCaller(conversation, caller.userId, caller.clientId);
    switch (message.type) {
      case 'CONFCONN':
        if (message.response || (!known && request.method !== 'POST'))
          return this.#refuse('bad-request', 400);
        return this.#connect(caller, message, known, request);
      case 'SETUP':
      case 'UPDATE':
        if (!message.response) return this.#refuse('bad-request', 400);
        // Its time for answering was over, or it never called here.
        if (!known) return this.#refuse('answer-unexpected', 400);
        return this.#answer(caller, message);
      default:
        return this.#refuse('bad-request', 400);
    }
  }

  async #connect(
    caller: CallerId,
    message: ConnectMessage,
    known: boolean,
    request: SignallingRequest,
  ): Promise<SignallingReply> {
    const { admission, host, maxVideoSlots, offerTimeoutMs, log, now, observer } = this.#options;
    const decision = known ? admission.admitKnown(message) : admission.admitNew(caller.conversation, message);
    if (!decision.admitted) return this.#refuseCaller(caller, decision.reason);

    const startedAt = now();
    const gone = new AbortController();
    const outcome = await withinTime(
      host.connect(
        {
          ...caller,
          update: message.update,
          simulcast: offersSimulcast(parseToolVersion(message.toolVersion)),
          selectiveAudio: message.selectiveAudio,
          selectiveVideo: message.selectiveVideo,
          videoSlots: message.selectiveVideo ? Math.min(message.videoStreams, maxVideoSlots) : 0,
          anchor: message.sftUrl === undefined ? undefined : { url: message.sftUrl, tuple: message.sftTuple },
          iceServers: message.iceServers,
          remoteAddress: request.remoteAddress,
          passedOn: (request.hops ?? 0) > 0,
        },
        gone.signal,
      ),
      offerTimeoutMs,
      request.closed,
      gone,
    );
    if (outcome === 'gone') return this.#refuse('client-gone', 500);
    if (outcome === 'timeout') {
      log.warn({ conversation: loggable(caller.conversation) }, 'no offer within its time');
      return this.#refuse('offer-timeout', 500);
    }
    if (outcome.kind === 'refused') return this.#refuseConnect(caller, outcome.reason);
    if (outcome.sdp.length > MAX_SDP_LENGTH) {
      log.error({ characters: outcome.sdp.length }, 'an offer is longer than clients read');
      return this.#refuse('internal', 500);
    }
    const durationMs = now() - startedAt;
    observer.offered(durationMs);
    log.info(
      {
        conversation: loggable(caller.conversation),
        user: loggable(caller.userId),
        update: outcome.update,
        known,
        durationMs: Math.round(durationMs),
      },
      'offer sent',
    );
    return json(encodeMessage(this.#offerMessage(caller, outcome)));
  }

  async #answer(caller: CallerId, message: SetupMessage | UpdateMessage): Promise<SignallingReply> {
    const { host, log, observer } = this.#options;
    const outcome = await host.answer({
      ...caller,
      type: message.type,
      sdp: message.sdp,
      props: message.props,
    });
    if (outcome.kind === 'rejected') {
      log.info(
        {
          conversation: loggable(caller.conversation),
          user: loggable(caller.userId),
          reason: outcome.reason,
          detail: outcome.detail,
        },
        'answer rejected',
      );
      if (outcome.reason === 'internal') return this.#refuse('internal', 500);
      return this.#refuse(outcome.reason === 'unusable' ? 'answer-unusable' : 'answer-unexpected', 400);
    }
    observer.answered();
    return json(encodeMessage(connectOkMessage(message.sessionId)));
  }

  #offerMessage(
    caller: CallerId,
    offer: Extract<ConnectOutcome, { kind: 'offer' }>,
  ): SetupMessage | UpdateMessage {
    const content = {
      conversation: caller.conversation,
      sdp: offer.sdp,
      url: offer.withUrl ? this.#options.url : undefined,
      sftTuple: offer.tuple,
      to: offer.withDestination ? { userId: caller.userId, clientId: caller.clientId } : undefined,
    };
    return offer.update ? updateMessage(content) : setupMessage(content);
  }

  #refuseConnect(caller: CallerId, reason: ConnectRefusal): SignallingReply {
    switch (reason) {
      case 'full':
        return this.#refuseCaller(caller, 'server-full');
      case 'draining':
        return this.#refuseCaller(caller, 'draining');
      case 'federation-silent':
        return this.#refuse(reason, 501);
      case 'superseded':
      case 'federation-failed':
      case 'internal':
        return this.#refuse(reason, 500);
    }
  }

  #refuseCaller(caller: CallerId, reason: AdmissionRefusal): SignallingReply {
    this.#options.log.info(
      { conversation: loggable(caller.conversation), user: loggable(caller.userId), reason },
      'caller refused',
    );
    if (reason === 'draining') return this.#refuse(reason, 303);
    this.#options.observer.refused(reason);
    return json(encodeMessage(connectRefusalMessage(caller.conversation, statusOfRefusal(reason))));
  }

  #refuse(reason: SignallingRefusal, status: number): SignallingReply {
    this.#options.observer.refused(reason);
    return { status, contentType: 'text/html', body: errorPage(status) };
  }
}

/**
 * The outcome, or `timeout` after `limitMs`, or `gone` as soon as `closed` is aborted. In both cases `gone` is
 * aborted, so that the host stops working for nobody.
 */
async function withinTime(
  outcome: Promise<ConnectOutcome>,
  limitMs: number,
  closed: AbortSignal | undefined,
  gone: AbortController,
): Promise<ConnectOutcome | 'timeout' | 'gone'> {
  // A host that rejects after its time must not bring the process down.
  outcome.catch(() => {});
  const end = new AbortController();
  try {
    const givenUp = new Promise<'timeout' | 'gone'>((resolve) => {
      const timer = setTimeout(() => resolve('timeout'), limitMs);
      end.signal.addEventListener('abort', () => clearTimeout(timer));
      if (closed?.aborted) resolve('gone');
      closed?.addEventListener('abort', () => resolve('gone'), { signal: end.signal });
    });
    const first = await Promise.race([outcome, givenUp]);
    if (typeof first === 'string') gone.abort();
    return first;
  } finally {
    end.abort();
  }
}

function json(body: string): SignallingReply {
  return { status: 200, contentType: 'application/json', body };
}

function plain(body: string): SignallingReply {
  return { status: 200, contentType: 'text/plain', body };
}
