import { randomBytes } from 'node:crypto';
import { FormatError, type NowMs, toBase64 } from '@conclave/bytes';
import { encodeLinkMessage, type LinkMessage, parseLinkMessage } from '@conclave/econn';
import type { ExtensionIds, Forwarder, Path, PeerId } from '@conclave/forwarder';
import { PollTimer } from '@conclave/service';
import { LinkTransport, type LinkTransportOptions } from '@conclave/transport';

/** Header extensions between servers, which agree on them by the version of their messages. */
export const LINK_EXTENSIONS: ExtensionIds = {
  audioLevel: 1,
  absSendTime: 2,
  genericFrameDescriptor: 11,
  dependencyDescriptor: 12,
};
/** Payload types between servers. */
export const LINK_PAYLOAD_TYPES = { audio: 111, video: 100, rtx: 101 } as const;
/** Streams of a few thousand participants, repairs included. */
const MAX_LINK_SSRCS = 16_384;

/** What a link needs of the server around it. */
export interface FederationLinkSurroundings {
  readonly forwarder: Forwarder;
  readonly now: () => NowMs;
}

/** What a link tells its owner. */
export interface FederationLinkListener {
  /** Messages can be sent from now on. Comes once. */
  opened(link: FederationLink): void;
  message(link: FederationLink, message: LinkMessage): void;
  /** It is over, for a reason fit for the log. Not told of one that its owner closed. */
  failed(link: FederationLink, reason: string): void;
}

/** How a link is made. */
export interface FederationLinkOptions {
  /** Its number among the forwarder's peers. */
  readonly peer: PeerId;
  readonly thread: number;
  readonly path: Path;
  readonly transport: Omit<LinkTransportOptions, 'random'>;
}

/**
 * One connection to another server: its transport, and the peer that stands for it in the flow table. Any number of
 * conferences of one thread share it.
 */
export class FederationLink {
  readonly peer: PeerId;
  readonly thread: number;
  readonly path: Path;
  readonly role: 'server' | 'client';
  /** The other server's certificate (DER), once it has proved to hold it. */
  certificateDer: Uint8Array | undefined;
  /** It carries messages. */
  open = false;
  /** What to call when the link is over, for each conference that uses it. */
  readonly #users = new Map<object, () => void>();
  readonly #surroundings: FederationLinkSurroundings;
  readonly #listener: FederationLinkListener;
  readonly #transport: LinkTransport;
  readonly #timer: PollTimer;
  readonly #ssrcs = new Set<number>([0]);
  #closed = false;

  constructor(
    surroundings: FederationLinkSurroundings,
    options: FederationLinkOptions,
    listener: FederationLinkListener,
  ) {
    this.#surroundings = surroundings;
    this.#listener = listener;
    this.peer = options.peer;
    this.thread = options.thread;
    this.path = options.path;
    this.role = options.transport.role;
    const { forwarder, now } = surroundings;
    forwarder.addPeer(this.peer, {
      thread: options.thread,
      feedbackSsrc: this.drawSsrc(),
      cname: toBase64(randomBytes(9)),
      extensions: LINK_EXTENSIONS,
      transportFeedback: false,
      maxSsrcs: MAX_LINK_SSRCS,
    });
    forwarder.setPaths(this.peer, [options.path], options.path);
    this.#transport = new LinkTransport(now(), {
      ...options.transport,
      random: (size) => randomBytes(size),
      objection: (connected) => {
        const objection = options.transport.objection(connected);
        if (objection === undefined) this.certificateDer = connected.peerCertificateDer;
        return objection;
      },
    });
    this.#timer = new PollTimer(now, () => {
      this.#transport.handleTimeout(now());
      this.#drain();
    });
    this.#drain();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Conferences that use the link. */
  get users(): number {
    return this.#users.size;
  }

  /** A conference uses the link from now on; it hears when that is over. */
  attach(user: object, lost: () => void): void {
    this.#users.set(user, lost);
  }

  /** A conference does not use the link any more. */
  detach(user: object): void {
    this.#users.delete(user);
  }

  /** Tells all conferences that the link is over. */
  detachAll(): void {
    const users = [...this.#users.values()];
    this.#users.clear();
    for (const lost of users) lost();
  }

  /** An SSRC that nothing else we send over this link has. */
  drawSsrc(): number {
    for (;;) {
      const ssrc = randomBytes(4).readUInt32BE();
      if (this.#ssrcs.has(ssrc)) continue;
      this.#ssrcs.add(ssrc);
      return ssrc;
    }
  }

  /** The SSRC is free again. */
  releaseSsrc(ssrc: number | undefined): void {
    if (ssrc !== undefined) this.#ssrcs.delete(ssrc);
  }

  /** Sends a message; a server that does not keep up with them has its link closed. */
  send(message: LinkMessage): void {
    if (this.#closed) return;
    if (this.#transport.send(this.#surroundings.now(), encodeLinkMessage(message))) this.#drain();
    else this.#fail('the other server does not keep up');
  }

  /** Takes an answer to a request of the transport. */
  handleStun(bytes: Uint8Array): void {
    this.#transport.handleStun(this.#surroundings.now(), bytes);
    this.#drain();
  }

  /** The other server has shown anew that it is there. */
  handleKeepalive(): void {
    this.#transport.handleKeepalive(this.#surroundings.now());
  }

  /** Takes a DTLS datagram of the link's path. */
  handleDtls(bytes: Uint8Array): void {
    this.#transport.handleDtls(this.#surroundings.now(), bytes);
    this.#drain();
  }

  /** Ends the link. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#transport.close(this.#surroundings.now());
    this.#release();
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#listener.failed(this, reason);
  }

  #release(): void {
    this.#closed = true;
    this.#timer.stop();
    this.#transmit();
    this.#surroundings.forwarder.removePeer(this.peer);
  }

  #transmit(): void {
    for (let bytes = this.#transport.pollTransmit(); bytes; bytes = this.#transport.pollTransmit())
      this.#surroundings.forwarder.send(this.path, bytes);
  }

  #drain(): void {
    if (this.#closed) return;
    this.#transmit();
    for (
      let event = this.#transport.pollEvent();
      event && !this.#closed;
      event = this.#transport.pollEvent()
    ) {
      switch (event.type) {
        case 'secured':
          this.#surroundings.forwarder.setSrtpKeys(this.peer, event.srtpKeys);
          break;
        case 'channel-open':
          this.open = true;
          this.#listener.opened(this);
          break;
        case 'message':
          this.#receive(event.data);
          break;
        case 'failed':
          this.#fail(event.reason);
          return;
        case 'channel-closed':
          break;
      }
    }
    if (!this.#closed) this.#timer.arm(this.#transport.pollTimeout());
  }

  #receive(data: string | Uint8Array): void {
    let message: LinkMessage;
    try {
      if (typeof data !== 'string') throw new FormatError('bad-message', 'not text');
      message = parseLinkMessage(data);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#fail(`it sent what is no message: ${error.message}`);
      return;
    }
    this.#listener.message(this, message);
  }
}
