import { ClientError } from './client-error.ts';
import type { ConferenceMedia, ConferencePeer, ConferencePlatform } from './conference-platform.ts';
import { JOIN_TIMEOUT, type OfferRequest, postAnswer, requestOffer } from './offer-request.ts';
import type { SessionTimings } from './session-timings.ts';

/** How a connection is made. */
export interface ConnectionOptions {
  readonly platform: ConferencePlatform;
  readonly media: ConferenceMedia;
  readonly timings: SessionTimings;
  readonly servers: readonly string[];
  readonly request: OfferRequest;
  /** Text of the answer to an offer of this type. */
  readonly answer: (type: 'SETUP' | 'UPDATE', sdp: string) => string;
}

/** What a connection tells its owner. */
export interface ConnectionListener {
  message(text: string): void;
  failed(): void;
}

/** A connection to a server with an open channel. */
export class Connection {
  /** Where requests about it go. */
  readonly server: string;
  readonly #peer: ConferencePeer;
  readonly #inbox: Inbox;

  private constructor(server: string, peer: ConferencePeer, inbox: Inbox) {
    this.server = server;
    this.#peer = peer;
    this.#inbox = inbox;
  }

  /** Asks servers, answers the first offer and waits for the channel. Rejects with `ClientError`; leaves nothing behind then. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const { platform, media, request, timings } = options;
    const offer = await requestOffer(platform, options.servers, request);
    const inbox = new Inbox();
    const peer = media.createPeer(inbox);
    const abort = (): void => {
      if (request.signal.reason === JOIN_TIMEOUT) inbox.failed('timeout');
      else inbox.fail(new ClientError('aborted'));
    };
    request.signal.addEventListener('abort', abort);
    const stop = platform.after(timings.mediaTimeoutMs, () => inbox.failed('timeout'));
    try {
      if (request.signal.aborted) abort();
      const sdp = await inbox.unlessFailed(takeOffer(peer, offer.sdp));
      const body = options.answer(offer.type, sdp);
      // The channel opens after the server has our answer, which is as good as its reply.
      const posted = postAnswer(platform, offer.server, { ...request, body });
      await Promise.race([posted, inbox.open]);
      await inbox.open;
      return new Connection(offer.server, peer, inbox);
    } catch (error) {
      peer.close();
      throw error instanceof ClientError ? error : new ClientError('internal', { cause: error });
    } finally {
      stop();
      request.signal.removeEventListener('abort', abort);
    }
  }

  /** Plays this connection's media, and hands over what came and what comes. */
  start(listener: ConnectionListener): void {
    this.#peer.activate();
    this.#inbox.start(listener);
  }

  /** False if the channel is not open any more. */
  send(text: string): boolean {
    return this.#peer.send(text);
  }

  close(): void {
    this.#inbox.close();
    this.#peer.close();
  }
}

/** Keeps what a peer says until somebody listens. */
class Inbox {
  /** Resolves when the channel is open, rejects if that comes to nothing. */
  readonly open: Promise<void>;
  readonly #early: string[] = [];
  #settle: { resolve(): void; reject(error: ClientError): void } | undefined;
  #listener: ConnectionListener | undefined;
  #hasFailed = false;

  constructor() {
    this.open = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.open.catch(() => undefined);
  }

  readonly opened = (): void => this.#settle?.resolve();

  readonly message = (text: string): void => {
    if (this.#listener === undefined) this.#early.push(text);
    else this.#listener.message(text);
  };

  readonly failed = (reason: string): void => {
    this.fail(new ClientError('media-unreachable', { detail: reason }));
  };

  fail(error: ClientError): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#settle?.reject(error);
    this.#listener?.failed();
  }

  /** The promise's outcome, or the failure that comes before it. */
  async unlessFailed<Value>(promise: Promise<Value>): Promise<Value> {
    return Promise.race([promise, this.open.then(() => promise)]);
  }

  start(listener: ConnectionListener): void {
    this.#listener = listener;
    for (const text of this.#early.splice(0)) this.#listener?.message(text);
    if (this.#hasFailed) this.#listener?.failed();
  }

  close(): void {
    this.#listener = undefined;
    this.#early.length = 0;
  }
}

async function takeOffer(peer: ConferencePeer, sdp: string): Promise<string> {
  try {
    return await peer.answer(sdp);
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    throw new ClientError('bad-response', { detail: 'the offer cannot be taken', cause });
  }
}
