import type { NowMs, RandomBytes } from '@conclave/bytes';
import type {
  CreateDtlsSession,
  DtlsEvent,
  DtlsIdentity,
  DtlsSession,
  SrtpKeys,
  SrtpProfile,
} from '@conclave/forwarder';
import { SctpAssociation } from '@conclave/sctp';

/** How a secured association is set up. */
export interface SecuredAssociationOptions {
  readonly role: 'server' | 'client';
  readonly createDtlsSession: CreateDtlsSession;
  readonly identity: DtlsIdentity;
  readonly srtpProfiles: readonly SrtpProfile[];
  readonly random: RandomBytes;
  /** Largest message taken, and sent, in bytes. */
  readonly maxMessageSize: number;
  readonly maxOutgoingMessageSize: number;
  /** Whether there are data channels, over SCTP. Default true. */
  readonly dataChannels?: boolean;
  /** What is wrong with the peer that proved to hold this certificate; undefined when it is the right one. */
  readonly objection: (connected: ConnectedPeer) => string | undefined;
}

/** A peer that has proved to hold the key of its certificate. */
export type ConnectedPeer = Extract<DtlsEvent, { type: 'connected' }>;

/** What a secured association tells its owner. */
export type AssociationEvent =
  /** The peer is the right one; its SRTP keys. Comes once. */
  | { readonly type: 'secured'; readonly srtpKeys: SrtpKeys }
  | { readonly type: 'channel-open'; readonly streamId: number; readonly label: string }
  | { readonly type: 'message'; readonly streamId: number; readonly data: string | Uint8Array }
  | { readonly type: 'channel-closed'; readonly streamId: number }
  /** Nothing more will come or go. */
  | { readonly type: 'failed'; readonly reason: string };

/** What a DTLS session takes at a time. */
const MAX_DTLS_DATA_BYTES = 1100;

/**
 * DTLS, and SCTP over it, on whatever way its owner has for datagrams. Nothing that came over DTLS is used before the
 * peer was found to be the right one (RFC 8827 §6.5).
 */
export class SecuredAssociation {
  readonly #options: SecuredAssociationOptions;
  readonly #dtls: DtlsSession;
  readonly #events: AssociationEvent[] = [];
  readonly #datagrams: Uint8Array[] = [];
  readonly #waitingChannels: string[] = [];
  #sctp: SctpAssociation | undefined;
  #started = false;
  #secured = false;
  #ended = false;

  constructor(options: SecuredAssociationOptions) {
    this.#options = options;
    this.#dtls = options.createDtlsSession({
      identity: options.identity,
      role: options.role,
      srtpProfiles: options.srtpProfiles,
    });
  }

  /** Whether the peer has been authenticated and its keys handed out. */
  get secured(): boolean {
    return this.#secured;
  }

  /** Bytes waiting in the data channels. */
  get bufferedBytes(): number {
    return this.#sctp?.bufferedBytes ?? 0;
  }

  /** Begins; before, nothing is sent or taken. A second call does nothing. */
  start(now: NowMs): void {
    if (this.#started || this.#ended) return;
    this.#started = true;
    this.#dtls.start(now);
    this.#advance(now);
  }

  /** Takes a DTLS datagram. */
  handlePacket(now: NowMs, bytes: Uint8Array): void {
    if (!this.#started || this.#ended) return;
    this.#dtls.handlePacket(now, bytes);
    this.#advance(now);
  }

  /** Runs whatever timer is due. */
  handleTimeout(now: NowMs): void {
    if (this.#ended) return;
    this.#dtls.handleTimeout(now);
    this.#sctp?.handleTimeout(now);
    this.#advance(now);
  }

  /** When {@link SecuredAssociation.handleTimeout} wants to be called, if at all. */
  pollTimeout(): NowMs | undefined {
    if (this.#ended) return undefined;
    const dtls = this.#dtls.pollTimeout();
    const sctp = this.#sctp?.pollTimeout();
    return dtls === undefined || sctp === undefined ? (dtls ?? sctp) : Math.min(dtls, sctp);
  }

  /** The next datagram to send, in order. */
  pollTransmit(): Uint8Array | undefined {
    return this.#datagrams.shift();
  }

  pollEvent(): AssociationEvent | undefined {
    return this.#events.shift();
  }

  /** Opens a reliable, ordered data channel as soon as there is an association; never after the end. */
  openChannel(now: NowMs, label: string): void {
    if (this.#ended) return;
    if (!this.#sctp) {
      this.#waitingChannels.push(label);
      return;
    }
    this.#sctp.openChannel({ label });
    this.#advance(now);
  }

  /**
   * Queues a message. False, and nothing queued, when the peer does not keep up, takes no message as large, or is gone.
   */
  send(now: NowMs, streamId: number, data: string | Uint8Array): boolean {
    if (this.#ended || !this.#sctp) return false;
    const queued = this.#sctp.send(now, streamId, data);
    this.#advance(now);
    return queued;
  }

  /** Closes a channel; what is queued on it still goes out, and everything else goes on. */
  closeChannel(now: NowMs, streamId: number): void {
    if (this.#ended || !this.#sctp) return;
    this.#sctp.closeChannel(streamId);
    this.#advance(now);
  }

  /** Ends everything: SCTP abort and close_notify can still be polled, no event comes any more. */
  close(now: NowMs): void {
    if (this.#ended) return;
    this.#sctp?.abort(now);
    this.#flushSctp();
    this.#dtls.close();
    this.#flushDtls();
    this.#ended = true;
    this.#events.length = 0;
  }

  /** Ends everything with this reason, unless it has ended. */
  fail(reason: string): void {
    if (this.#ended) return;
    this.#dtls.close();
    this.#flushDtls();
    this.#ended = true;
    this.#events.push({ type: 'failed', reason });
  }

  #advance(now: NowMs): void {
    for (let event = this.#dtls.pollEvent(); event; event = this.#dtls.pollEvent()) {
      if (event.type === 'data') {
        if (this.#secured) this.#sctp?.handlePacket(now, event.bytes);
      } else if (event.type === 'closed') {
        this.fail(`DTLS closed: ${event.reason}`);
        return;
      } else {
        const objection = this.#options.objection(event);
        if (objection !== undefined) this.fail(objection);
        else if (!event.srtpKeys) this.fail('no SRTP profile in common');
        else this.#secure(now, event.srtpKeys);
        if (this.#ended) return;
      }
    }
    this.#flushDtls();
    this.#advanceSctp();
  }

  #secure(now: NowMs, srtpKeys: SrtpKeys): void {
    this.#secured = true;
    this.#events.push({ type: 'secured', srtpKeys });
    if (this.#options.dataChannels === false) return;
    this.#sctp = new SctpAssociation({
      role: this.#options.role,
      random: this.#options.random,
      mtu: MAX_DTLS_DATA_BYTES,
      maxMessageSize: this.#options.maxMessageSize,
      maxOutgoingMessageSize: this.#options.maxOutgoingMessageSize,
    });
    for (const label of this.#waitingChannels.splice(0)) this.#sctp.openChannel({ label });
    this.#sctp.connect(now);
  }

  #advanceSctp(): void {
    const sctp = this.#sctp;
    if (!sctp) return;
    for (let event = sctp.pollEvent(); event; event = sctp.pollEvent()) {
      if (event.type === 'closed') {
        this.#flushSctp();
        this.fail(`SCTP closed: ${event.reason}`);
        return;
      }
      if (event.type !== 'connected') this.#events.push(event);
    }
    this.#flushSctp();
  }

  #flushSctp(): void {
    const sctp = this.#sctp;
    if (!sctp || this.#ended) return;
    for (let bytes = sctp.pollTransmit(); bytes; bytes = sctp.pollTransmit()) {
      if (bytes.length > MAX_DTLS_DATA_BYTES) {
        // Only the peer's own cookie, which goes back to it whole, can be as large.
        this.fail('SCTP: the cookie of the peer exceeds a datagram');
        return;
      }
      this.#dtls.send(bytes);
    }
    this.#flushDtls();
  }

  #flushDtls(): void {
    for (let bytes = this.#dtls.pollTransmit(); bytes; bytes = this.#dtls.pollTransmit())
      this.#datagrams.push(bytes);
  }
}
