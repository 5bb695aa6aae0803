import { FormatError, type Hmac, type NowMs, type RandomBytes } from '@conclave/bytes';
import type { CreateDtlsSession, DtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import {
  IceAgent,
  type IceCandidate,
  type IcePath,
  type IceTimings,
  type LocalCandidateOptions,
  parseCandidate,
  samePath,
} from '@conclave/ice';
import { type AssociationEvent, SecuredAssociation } from './secured-association.ts';

/** What the other side's session description says about its transport. */
export interface RemoteTransport {
  readonly ufrag: string;
  readonly pwd: string;
  /** Candidate lines as in `a=candidate`; those that cannot be read or used are skipped. */
  readonly candidates: readonly string[];
  /** SHA-256 fingerprint of the certificate it will show. */
  readonly fingerprint: string;
  /** `active`: it sends the ClientHello. */
  readonly setup: 'active' | 'passive';
  /** Largest data channel message it takes, in bytes; `Infinity` for any. Default: as large as ours. */
  readonly maxMessageSize?: number;
}

/** How one peer's transport is set up. */
export interface PeerTransportOptions {
  readonly iceRole: 'controlling' | 'controlled';
  readonly ufrag: string;
  readonly pwd: string;
  /** First four bytes of all STUN transaction ids made here, by which responses find their way back. */
  readonly transactionTag: number;
  readonly random: RandomBytes;
  readonly hmacSha1: Hmac;
  readonly createDtlsSession: CreateDtlsSession;
  readonly identity: DtlsIdentity;
  /** SRTP profiles we accept, most wanted first. */
  readonly srtpProfiles: readonly SrtpProfile[];
  readonly iceTimings?: Partial<IceTimings>;
  /** Largest data channel message in bytes, both ways; to the peer perhaps less. Default 262144. */
  readonly maxMessageSize?: number;
  /** Time from the remote description to a connected DTLS session before it fails. Default 20000. */
  readonly handshakeTimeoutMs?: number;
  /** Whether there are data channels, over SCTP. Default true. */
  readonly dataChannels?: boolean;
}

/** A datagram to send. */
export interface TransportTransmit {
  readonly path: IcePath;
  readonly bytes: Uint8Array;
}

/** What one peer's transport tells its owner. */
export type TransportEvent =
  /** The validated paths, and the one media is to be sent on. */
  | { readonly type: 'paths'; readonly valid: readonly IcePath[]; readonly sendTo: IcePath | undefined }
  | { readonly type: 'round-trip'; readonly roundTripMs: number }
  | AssociationEvent;

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 20_000;
const DEFAULT_MAX_MESSAGE_SIZE = 262_144;

/**
 * One peer's transport: ICE, then DTLS over whatever paths ICE has validated, then SCTP over DTLS, behind one loop.
 * Sans-IO: after each input, drain {@link PeerTransport.pollEvent} and {@link PeerTransport.pollTransmit}, then wait
 * until {@link PeerTransport.pollTimeout} or the next input.
 *
 * Nothing of DTLS is acted upon before the remote fingerprint is known, nor when it comes from an address that ICE
 * has not validated: a stranger's ClientHello cannot get in the peer's way. Nothing that came over DTLS is used before
 * the certificate shown has that fingerprint (RFC 8827 §6.5).
 */
export class PeerTransport {
  readonly #ice: IceAgent;
  readonly #options: PeerTransportOptions;
  readonly #events: TransportEvent[] = [];
  readonly #transmits: TransportTransmit[] = [];
  readonly #waitingChannels: string[] = [];
  #association: SecuredAssociation | undefined;
  #associationStarted = false;
  #remote: RemoteTransport | undefined;
  #deadline: NowMs | undefined;
  #ended = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
    this.#ice = new IceAgent({
      role: options.iceRole,
      localUfrag: options.ufrag,
      localPwd: options.pwd,
      transactionTag: options.transactionTag,
      random: options.random,
      hmacSha1: options.hmacSha1,
      ...(options.iceTimings ? { timings: options.iceTimings } : {}),
    });
  }

  /** Whether the peer has been authenticated and its keys handed out. */
  get secured(): boolean {
    return this.#association?.secured ?? false;
  }

  /** Whether it failed or was closed. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes waiting in the data channels. */
  get bufferedBytes(): number {
    return this.#association?.bufferedBytes ?? 0;
  }

  /** Adds an address of ours; returns the candidate for the session description. */
  addLocalCandidate(options: LocalCandidateOptions): IceCandidate {
    return this.#ice.addLocalCandidate(options);
  }

  /**
   * Takes the other side's description; only the first counts. Throws {@link FormatError} `bad-ufrag` or `bad-pwd`, and
   * takes nothing, when its credentials are not what RFC 8839 §5.4 allows.
   */
  setRemote(now: NowMs, remote: RemoteTransport): void {
    if (this.#remote || this.#ended) return;
    const candidates: IceCandidate[] = [];
    for (const line of remote.candidates) {
      try {
        candidates.push(parseCandidate(line));
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
    this.#ice.setRemote(now, { ufrag: remote.ufrag, pwd: remote.pwd, candidates });
    this.#remote = remote;
    this.#deadline = now + (this.#options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS);
    const { maxMessageSize = DEFAULT_MAX_MESSAGE_SIZE } = this.#options;
    this.#association = new SecuredAssociation({
      ...(this.#options.dataChannels === undefined ? {} : { dataChannels: this.#options.dataChannels }),
      role: remote.setup === 'active' ? 'server' : 'client',
      createDtlsSession: this.#options.createDtlsSession,
      identity: this.#options.identity,
      srtpProfiles: this.#options.srtpProfiles,
      random: this.#options.random,
      maxMessageSize,
      maxOutgoingMessageSize: Math.min(maxMessageSize, remote.maxMessageSize ?? maxMessageSize),
      objection: ({ peerFingerprint }) =>
        peerFingerprint.toUpperCase() === remote.fingerprint.toUpperCase()
          ? undefined
          : 'the certificate shown is not the one announced',
    });
    for (const label of this.#waitingChannels.splice(0)) this.#association.openChannel(now, label);
    this.#advance(now);
  }

  /** Takes a STUN message; says whether it was authentic and of use. */
  handleStun(now: NowMs, path: IcePath, bytes: Uint8Array): boolean {
    if (this.#ended) return false;
    const isAccepted = this.#ice.handlePacket(now, path, bytes);
    this.#advance(now);
    return isAccepted;
  }

  /** Takes a DTLS datagram. From a path that is not validated, or not any more, it is dropped: the peer repeats it. */
  handleDtls(now: NowMs, path: IcePath, bytes: Uint8Array): void {
    if (this.#ended || !this.#association) return;
    if (!this.#ice.validPaths.some((valid) => samePath(valid, path))) return;
    this.#association.handlePacket(now, bytes);
    this.#advance(now);
  }

  /** Takes the end of a TCP connection. */
  handlePathClosed(now: NowMs, socket: number): void {
    if (this.#ended) return;
    this.#ice.handlePathClosed(now, socket);
    this.#advance(now);
  }

  /** Runs whatever timer is due. */
  handleTimeout(now: NowMs): void {
    if (this.#ended) return;
    if (this.#deadline !== undefined && now >= this.#deadline) {
      this.#fail(
        `no DTLS connection within ${this.#options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS} ms`,
      );
      return;
    }
    this.#ice.handleTimeout(now);
    this.#association?.handleTimeout(now);
    this.#advance(now);
  }

  /** When {@link PeerTransport.handleTimeout} wants to be called, if at all. */
  pollTimeout(): NowMs | undefined {
    if (this.#ended) return undefined;
    let earliest = this.#deadline;
    for (const at of [this.#ice.pollTimeout(), this.#association?.pollTimeout()]) {
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  /** The next datagram to send. */
  pollTransmit(): TransportTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): TransportEvent | undefined {
    return this.#events.shift();
  }

  /** Opens a reliable, ordered data channel as soon as there is an association; never after the end. */
  openChannel(now: NowMs, label: string): void {
    if (this.#ended) return;
    if (!this.#association) {
      this.#waitingChannels.push(label);
      return;
    }
    this.#association.openChannel(now, label);
    this.#advance(now);
  }

  /**
   * Queues a message. False, and nothing queued, when the peer does not keep up, takes no message as large, or is gone.
   */
  send(now: NowMs, streamId: number, data: string | Uint8Array): boolean {
    if (this.#ended || !this.#association) return false;
    const queued = this.#association.send(now, streamId, data);
    this.#advance(now);
    return queued;
  }

  /** Closes a data channel; what is queued on it still goes out, and media goes on. */
  closeChannel(now: NowMs, streamId: number): void {
    if (this.#ended || !this.#association) return;
    this.#association.closeChannel(now, streamId);
    this.#advance(now);
  }

  /** Ends everything: SCTP abort and close_notify go out, no event comes any more. */
  close(now: NowMs): void {
    if (this.#ended) return;
    this.#association?.close(now);
    this.#flush();
    this.#ended = true;
    this.#deadline = undefined;
    this.#events.length = 0;
  }

  #fail(reason: string): void {
    if (this.#ended) return;
    this.#association?.fail(reason);
    this.#flush();
    this.#ended = true;
    this.#deadline = undefined;
    this.#events.push({ type: 'failed', reason });
  }

  #advance(now: NowMs): void {
    this.#advanceIce();
    if (!this.#ended) this.#advanceAssociation(now);
  }

  #advanceIce(): void {
    for (let transmit = this.#ice.pollTransmit(); transmit; transmit = this.#ice.pollTransmit()) {
      this.#transmits.push(transmit);
    }
    for (let event = this.#ice.pollEvent(); event; event = this.#ice.pollEvent()) {
      if (event.type === 'paths-changed') {
        this.#events.push({ type: 'paths', valid: event.valid, sendTo: event.selected ?? event.valid[0] });
      } else if (event.type === 'round-trip') {
        this.#events.push(event);
      } else if (event.state === 'failed') {
        this.#fail('ICE found no path, or consent expired');
      }
    }
  }

  #advanceAssociation(now: NowMs): void {
    const association = this.#association;
    if (!association) return;
    // A client's first flight would be lost, and with it the time until the next, while there is no way to send it.
    if (!this.#associationStarted && (this.#remote?.setup === 'active' || this.#sendPath())) {
      this.#associationStarted = true;
      association.start(now);
    }
    this.#flush();
    for (let event = association.pollEvent(); event; event = association.pollEvent()) {
      if (event.type === 'secured') this.#deadline = undefined;
      if (event.type === 'failed') {
        this.#ended = true;
        this.#deadline = undefined;
      }
      this.#events.push(event);
    }
  }

  #flush(): void {
    for (let bytes = this.#association?.pollTransmit(); bytes; bytes = this.#association?.pollTransmit()) {
      const path = this.#sendPath();
      if (path) this.#transmits.push({ path, bytes });
    }
  }

  /** DTLS goes where media goes, and nowhere without the peer's consent (RFC 7675 §5). */
  #sendPath(): IcePath | undefined {
    return this.#ice.selectedPath ?? this.#ice.validPaths[0];
  }
}
