import { createHmac, randomBytes } from 'node:crypto';
import { FormatError, randomUint32 } from '@conclave/bytes';
import { ClientError, type ConferencePeer, type PeerEvents } from '@conclave/client';
import { createDtlsSession, type DtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import { formatCandidate, type IcePath, parseCandidate } from '@conclave/ice';
import { isRtpOrRtcp } from '@conclave/rtp';
import { PeerTransport } from '@conclave/transport';
import { type ConferenceOffer, readConferenceOffer, writeConferenceAnswer } from './conference-offer.ts';
import { type DatagramSocket, localAddressTowards, type OpenDatagramSocket } from './datagram-socket.ts';
import { MediaConnection, type MediaConnectionEvent } from './media-connection.ts';

/** What a peer needs besides its events. */
export interface BotPeerOptions {
  readonly identity: DtlsIdentity;
  readonly openSocket: OpenDatagramSocket;
  /** Address to bind; default: the one by which each address of the server is reached. */
  readonly localAddress: string | undefined;
  readonly audioPatienceMs: number;
  readonly videoPatienceMs: number;
  readonly videoPaceBps: number;
  /** Media events, also of a peer that is not in use. */
  readonly onMedia: (peer: BotPeer, event: MediaConnectionEvent) => void;
  readonly onActivate: (peer: BotPeer) => void;
  readonly onClose: (peer: BotPeer) => void;
}

/** Sockets at most: one for each of our addresses that leads to the server. */
const MAX_SOCKETS = 4;
const CNAME_BYTES = 8;
const SRTP_PROFILES = [SrtpProfile.aeadAes128Gcm, SrtpProfile.aeadAes256Gcm, SrtpProfile.aes128CmSha1_80];
const CHANNEL_LABEL = 'calling-3.0';

/** One connection of a bot to a server: UDP sockets, ICE as the controlled side, DTLS, SCTP and SRTP of its own. */
export class BotPeer implements ConferencePeer {
  readonly #events: PeerEvents;
  readonly #options: BotPeerOptions;
  readonly #sockets: DatagramSocket[] = [];
  #transport: PeerTransport | undefined;
  #media: MediaConnection | undefined;
  #path: IcePath | undefined;
  #channel: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #failed = false;

  constructor(events: PeerEvents, options: BotPeerOptions) {
    this.#events = events;
    this.#options = options;
  }

  /** The media of the connection, from the answer on until it is closed. */
  get media(): MediaConnection | undefined {
    return this.#closed ? undefined : this.#media;
  }

  /** Whether media has a way to the server. */
  get connected(): boolean {
    return !this.#closed && this.#path !== undefined && (this.#transport?.secured ?? false);
  }

  async answer(offerSdp: string): Promise<string> {
    const offer = readOffer(offerSdp);
    const sockets = await this.#openSockets(offer);
    if (this.#closed) {
      for (const socket of sockets) socket.close();
      throw new ClientError('aborted');
    }
    this.#sockets.push(...sockets);
    if (sockets.length === 0)
      throw new ClientError('media-unreachable', { detail: 'no UDP candidate can be reached' });
    const ufrag = randomBytes(4).toString('hex');
    const pwd = randomBytes(12).toString('hex');
    const transport = new PeerTransport({
      iceRole: 'controlled',
      ufrag,
      pwd,
      transactionTag: randomUint32(randomBytes),
      random: randomBytes,
      hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      createDtlsSession,
      identity: this.#options.identity,
      srtpProfiles: SRTP_PROFILES,
    });
    const candidates = sockets.map(({ address, port }, at) =>
      formatCandidate(
        transport.addLocalCandidate({
          socket: at,
          address,
          advertisedAddress: address,
          port,
          transport: 'udp',
        }),
      ),
    );
    const cname = randomBytes(CNAME_BYTES).toString('hex');
    const { audioPatienceMs, videoPatienceMs, videoPaceBps } = this.#options;
    const media = new MediaConnection({
      offer,
      random: randomBytes,
      cname,
      audioPatienceMs,
      videoPatienceMs,
      videoPaceBps,
    });
    this.#transport = transport;
    this.#media = media;
    const { ice, fingerprint } = offer;
    try {
      transport.setRemote(performance.now(), { ...ice, fingerprint, setup: 'passive' });
    } catch (error) {
      throw badOffer(error);
    }
    this.#advance();
    const video = media.video && { ssrc: media.video.ssrc, rtxSsrc: media.videoRtxSsrc };
    const audioSsrc = media.audio.ssrc;
    const { fingerprint: ownFingerprint } = this.#options.identity;
    const own = { ufrag, pwd, fingerprint: ownFingerprint, candidates, cname, audioSsrc, video };
    return writeConferenceAnswer(offer, own);
  }

  activate(): void {
    if (!this.#closed) this.#options.onActivate(this);
  }

  send(text: string): boolean {
    if (this.#closed || this.#channel === undefined || this.#transport === undefined) return false;
    const queued = this.#transport.send(performance.now(), this.#channel, text);
    this.#advance();
    return queued;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#transport?.close(performance.now());
    this.#flush();
    for (const socket of this.#sockets) socket.close();
    this.#options.onClose(this);
  }

  /** Lets the media do something, sends what comes of it, and sets the timer anew. */
  drive(action: (media: MediaConnection, now: number) => void): void {
    if (this.#closed || this.#media === undefined) return;
    action(this.#media, performance.now());
    this.#advance();
  }

  async #openSockets(offer: ConferenceOffer): Promise<DatagramSocket[]> {
    const { localAddress, openSocket } = this.#options;
    const addresses = new Set<string>();
    if (localAddress !== undefined) addresses.add(localAddress);
    else {
      for (const { address, port } of offer.ice.candidates.flatMap(udpTargetOf).slice(0, 4 * MAX_SOCKETS)) {
        const local = await localAddressTowards(address, port);
        if (local !== undefined && addresses.size < MAX_SOCKETS) addresses.add(local);
      }
    }
    const sockets: DatagramSocket[] = [];
    for (const address of addresses) {
      const at = sockets.length;
      const opened = openSocket(address, (bytes, from, port) => this.#receive(at, bytes, from, port));
      // An address that is gone again is as good as none.
      const socket = await opened.catch(() => undefined);
      if (socket !== undefined) sockets.push(socket);
    }
    return sockets;
  }

  #receive(socket: number, bytes: Uint8Array, address: string, port: number): void {
    const transport = this.#transport;
    if (this.#closed || transport === undefined) return;
    const path: IcePath = { socket, address, port, transport: 'udp' };
    const now = performance.now();
    const first = bytes[0] ?? 0;
    if (first < 4) transport.handleStun(now, path, bytes);
    else if (first >= 20 && first < 64) transport.handleDtls(now, path, bytes);
    else if (isRtpOrRtcp(bytes)) this.#media?.handlePacket(now, Date.now(), bytes);
    this.#advance();
  }

  #advance(): void {
    this.#handleTransportEvents();
    this.#handleMediaEvents();
    if (this.#closed) return;
    this.#flush();
    this.#setTimer();
  }

  #handleTransportEvents(): void {
    const transport = this.#transport;
    if (transport === undefined) return;
    for (let event = transport.pollEvent(); event && !this.#closed; event = transport.pollEvent()) {
      if (event.type === 'paths') this.#path = event.sendTo;
      else if (event.type === 'secured') this.#media?.secure(performance.now(), event.srtpKeys);
      else if (
        event.type === 'channel-open' &&
        event.label === CHANNEL_LABEL &&
        this.#channel === undefined
      ) {
        this.#channel = event.streamId;
        this.#events.opened();
      } else if (event.type === 'message' && event.streamId === this.#channel) {
        const { data } = event;
        this.#events.message(typeof data === 'string' ? data : new TextDecoder().decode(data));
      } else if (event.type === 'channel-closed' && event.streamId === this.#channel) {
        // Media goes on: the server wants another connection, and this one serves until that is up.
        this.#fail('the server closed the channel');
      } else if (event.type === 'failed') {
        this.#path = undefined;
        this.#fail(event.reason);
      }
    }
  }

  #handleMediaEvents(): void {
    const media = this.#media;
    if (media === undefined) return;
    for (let event = media.pollEvent(); event && !this.#closed; event = media.pollEvent()) {
      this.#options.onMedia(this, event);
    }
  }

  #fail(reason: string): void {
    this.#channel = undefined;
    if (this.#failed) return;
    this.#failed = true;
    this.#events.failed(reason);
  }

  #flush(): void {
    const transport = this.#transport;
    for (let t = transport?.pollTransmit(); t; t = transport?.pollTransmit()) {
      this.#sockets[t.path.socket]?.send(t.bytes, t.path.port, t.path.address);
    }
    const path = this.#path;
    for (let bytes = this.#media?.pollTransmit(); bytes; bytes = this.#media?.pollTransmit()) {
      if (path !== undefined) this.#sockets[path.socket]?.send(bytes, path.port, path.address);
    }
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const times = [this.#transport?.pollTimeout(), this.#media?.pollTimeout()];
    const earliest = Math.min(...times.map((at) => at ?? Number.POSITIVE_INFINITY));
    if (earliest === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        const now = performance.now();
        this.#transport?.handleTimeout(now);
        this.#media?.handleTimeout(now, Date.now());
        this.#advance();
      },
      Math.max(1, earliest - performance.now()),
    );
  }
}

function readOffer(offerSdp: string): ConferenceOffer {
  try {
    return readConferenceOffer(offerSdp);
  } catch (error) {
    throw badOffer(error);
  }
}

function badOffer(error: unknown): unknown {
  if (!(error instanceof FormatError)) return error;
  return new ClientError('bad-response', { detail: `offer: ${error.code}`, cause: error });
}

function udpTargetOf(line: string): readonly { readonly address: string; readonly port: number }[] {
  try {
    const { address, port, transport } = parseCandidate(line);
    return transport === 'udp' ? [{ address, port }] : [];
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [];
  }
}
