import { FormatError, type NowMs, type RandomBytes } from '@conclave/bytes';
import type { CreateDtlsSession, DtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import { linkRequest, readLinkReply } from './link-path.ts';
import { type AssociationEvent, type ConnectedPeer, SecuredAssociation } from './secured-association.ts';

/** How a link's transport is set up. */
export interface LinkTransportOptions {
  /** `client`: it connects to an address; `server`: it serves one that a `LinkPathValidator` has found to be real. */
  readonly role: 'server' | 'client';
  readonly createDtlsSession: CreateDtlsSession;
  /** With certificate and authorities: whoever has none of those is refused. */
  readonly identity: DtlsIdentity;
  readonly srtpProfiles: readonly SrtpProfile[];
  readonly random: RandomBytes;
  /** What is wrong with the server that this certificate is for; undefined when it is the right one. */
  readonly objection: (connected: ConnectedPeer) => string | undefined;
}

/** Label of the channel that the connecting server opens. */
export const LINK_CHANNEL_LABEL = 'conclave-link';
/** Largest message in bytes, both ways: a list of two thousand people. */
export const MAX_LINK_MESSAGE_BYTES = 1_048_576;

/** Spacing of requests until the path works. */
const CONNECT_INTERVAL_MS = 500;
/** Spacing of requests afterwards. Lower: a dead link shows sooner and address translators keep it open; higher: less to send. */
const KEEPALIVE_INTERVAL_MS = 3000;
/** Silence after which the link counts as broken. Lower: sooner mended; higher: longer losses are survived. */
const SILENCE_MS = 10_000;
/** From the beginning to an open channel. */
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * The connection of two servers over one path: the connecting one shows with STUN that it gets what is sent to it, then
 * DTLS with certificates of both, then a reliable channel. Sans-IO: after each input drain {@link LinkTransport.pollEvent}
 * and {@link LinkTransport.pollTransmit}.
 */
export class LinkTransport {
  readonly #options: LinkTransportOptions;
  readonly #association: SecuredAssociation;
  readonly #events: AssociationEvent[] = [];
  readonly #datagrams: Uint8Array[] = [];
  #transaction: Uint8Array | undefined;
  #nonce: Uint8Array | undefined;
  #validated: boolean;
  #channel: number | undefined;
  #requestAt: NowMs | undefined;
  #silentAt: NowMs;
  #deadline: NowMs | undefined;
  #ended = false;

  constructor(now: NowMs, options: LinkTransportOptions) {
    this.#options = options;
    this.#association = new SecuredAssociation({
      ...options,
      maxMessageSize: MAX_LINK_MESSAGE_BYTES,
      maxOutgoingMessageSize: MAX_LINK_MESSAGE_BYTES,
    });
    this.#validated = options.role === 'server';
    this.#deadline = now + CONNECT_TIMEOUT_MS;
    this.#silentAt = now + SILENCE_MS;
    if (options.role === 'server') {
      this.#association.start(now);
    } else {
      this.#association.openChannel(now, LINK_CHANNEL_LABEL);
      this.#request(now);
    }
    this.#advance();
  }

  /** Whether it failed or was closed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes an answer to a request of ours (client). Anything else is ignored. */
  handleStun(now: NowMs, bytes: Uint8Array): void {
    if (this.#ended || this.#transaction === undefined) return;
    let reply: ReturnType<typeof readLinkReply>;
    try {
      reply = readLinkReply(bytes, this.#transaction);
    } catch (error) {
      if (error instanceof FormatError) return;
      throw error;
    }
    if (reply === undefined) return;
    this.#transaction = undefined;
    if (reply.type === 'challenge') {
      const first = this.#nonce === undefined;
      this.#nonce = reply.nonce;
      // A nonce that is over is renewed at once, one that is never good not more often than any request.
      if (first) this.#request(now);
      else this.#requestAt = now + CONNECT_INTERVAL_MS;
      return;
    }
    this.#silentAt = now + SILENCE_MS;
    this.#requestAt = now + KEEPALIVE_INTERVAL_MS;
    if (!this.#validated) {
      this.#validated = true;
      this.#association.start(now);
      this.#advance();
    }
  }

  /** The other server has shown anew that it is there (server). */
  handleKeepalive(now: NowMs): void {
    this.#silentAt = now + SILENCE_MS;
  }

  /** Takes a DTLS datagram from the link's path. */
  handleDtls(now: NowMs, bytes: Uint8Array): void {
    if (this.#ended || !this.#validated) return;
    this.#association.handlePacket(now, bytes);
    this.#advance();
  }

  /** Runs whatever timer is due. */
  handleTimeout(now: NowMs): void {
    if (this.#ended) return;
    if (this.#deadline !== undefined && now >= this.#deadline) {
      this.#fail(`no link within ${CONNECT_TIMEOUT_MS} ms`);
      return;
    }
    if (now >= this.#silentAt) {
      this.#fail(`nothing heard for ${SILENCE_MS} ms`);
      return;
    }
    if (this.#requestAt !== undefined && now >= this.#requestAt) this.#request(now);
    this.#association.handleTimeout(now);
    this.#advance();
  }

  /** When {@link LinkTransport.handleTimeout} wants to be called, if at all. */
  pollTimeout(): NowMs | undefined {
    if (this.#ended) return undefined;
    let earliest = this.#silentAt;
    for (const at of [this.#deadline, this.#requestAt, this.#association.pollTimeout()])
      if (at !== undefined && at < earliest) earliest = at;
    return earliest;
  }

  /** The next datagram to send on the path. */
  pollTransmit(): Uint8Array | undefined {
    return this.#datagrams.shift();
  }

  /** `secured`, then `channel-open` once, then `message`s; `failed` at any time. */
  pollEvent(): AssociationEvent | undefined {
    return this.#events.shift();
  }

  /** Queues a message on the channel; false when it is not open or the other server does not keep up. */
  send(now: NowMs, text: string): boolean {
    if (this.#ended || this.#channel === undefined) return false;
    const queued = this.#association.send(now, this.#channel, text);
    this.#advance();
    return queued;
  }

  /** Ends everything; a last datagram says so. No event comes any more. */
  close(now: NowMs): void {
    if (this.#ended) return;
    this.#association.close(now);
    this.#flush();
    this.#ended = true;
    this.#events.length = 0;
  }

  #request(now: NowMs): void {
    this.#transaction = this.#options.random(12);
    this.#datagrams.push(linkRequest(this.#transaction, this.#nonce));
    this.#requestAt = now + (this.#validated ? KEEPALIVE_INTERVAL_MS : CONNECT_INTERVAL_MS);
  }

  #fail(reason: string): void {
    this.#association.fail(reason);
    this.#advance();
  }

  #flush(): void {
    for (let bytes = this.#association.pollTransmit(); bytes; bytes = this.#association.pollTransmit())
      this.#datagrams.push(bytes);
  }

  #advance(): void {
    this.#flush();
    for (let event = this.#association.pollEvent(); event; event = this.#association.pollEvent()) {
      if (event.type === 'channel-open') {
        if (this.#channel !== undefined || event.label !== LINK_CHANNEL_LABEL) continue;
        this.#channel = event.streamId;
        this.#deadline = undefined;
      } else if (event.type === 'failed') {
        this.#ended = true;
      } else if (event.type === 'channel-closed' && event.streamId === this.#channel) {
        this.#association.fail('the other server closed the channel');
        continue;
      } else if (event.type !== 'secured' && event.streamId !== this.#channel) {
        continue;
      }
      this.#events.push(event);
    }
  }
}
