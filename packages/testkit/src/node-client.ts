import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { FormatError } from '@conclave/bytes';
import {
  createDtlsSession,
  type DtlsIdentity,
  generateDtlsIdentity,
  SrtpProfile,
  SrtpReceiver,
  SrtpSender,
} from '@conclave/forwarder';
import { formatCandidate, type IcePath } from '@conclave/ice';
import { parseRtcp } from '@conclave/rtp';
import { PeerTransport } from '@conclave/transport';
import { type ClientSocket, type OpenClientSocket, openUdpSocket } from './client-socket.ts';
import {
  attribute,
  attributes,
  extensionIdOf,
  type OfferLines,
  payloadTypeOf,
  readOffer,
  writeAnswer,
} from './offer-lines.ts';
import type { ReceivedStream } from './received-stream.ts';
import { RtpPacketFactory } from './rtp-packet-factory.ts';

/** How a test client calls. */
export interface NodeClientOptions {
  readonly sft: string;
  readonly conversation: string;
  readonly userId?: string;
  readonly clientId?: string;
  /** Address of its own to bind. Default 127.0.0.1. */
  readonly address?: string;
  readonly video?: 'simulcast' | 'single';
  readonly videoSlots?: number;
  readonly srtpProfiles?: readonly SrtpProfile[];
  /** Extra fields of the CONFCONN. */
  readonly request?: Readonly<Record<string, unknown>>;
  /** Shared by many clients of one process, since making one costs time. */
  readonly identity?: DtlsIdentity;
  /** Fingerprint in the answer, where it is not to be the one of the certificate that is shown. */
  readonly announcedFingerprint?: string;
  /** Is given every RTP packet that arrives, after SRTP was taken off. */
  readonly onPacket?: (packet: Uint8Array) => void;
  /** Is given every datagram that arrives, as it came. */
  readonly onDatagram?: (datagram: Uint8Array) => void;
  /** Opens its socket. Default: a UDP socket of Node's. */
  readonly openSocket?: OpenClientSocket;
}

/** One entry of the participant list. */
export interface ListedParticipant {
  readonly userid: string;
  readonly clientid: string;
  readonly ssrc_audio: string;
  readonly ssrc_video: string;
  readonly timestamp: number;
  readonly muted?: boolean;
}

/** A message as it came. */
export type Message = Record<string, unknown> & { readonly type: string };

const OWN_SOCKET = 1;
const OPUS = 111;
const GENERIC_FRAME_DESCRIPTOR = 'http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00';

/**
 * A conference client without a browser: the whole protocol over a UDP socket of its own, with real ICE, DTLS, SRTP
 * and SCTP and made-up media. Cheap enough to start by the hundred.
 */
export class NodeClient {
  readonly userId: string;
  readonly clientId: string;
  readonly audioSsrc: number = randomInt(1, 2 ** 32);
  readonly videoSsrc: number = randomInt(1, 2 ** 32);
  readonly messages: Message[] = [];
  readonly received: Map<number, ReceivedStream> = new Map();
  /** Packets that failed SRTP, by error code. */
  readonly rejected: Map<string, number> = new Map();
  roster: readonly ListedParticipant[] = [];
  /** The server's message with its last offer. */
  setup: Message | undefined;
  /** Whether it answers every participant list by authorising everyone in it. */
  authorises = true;
  channelOpen = false;
  failure: string | undefined;
  offer: OfferLines = { session: [], sections: [] };
  readonly #options: NodeClientOptions;
  readonly #identity: DtlsIdentity;
  readonly #waiters = new Set<() => void>();
  #socket: ClientSocket | undefined;
  #transport: PeerTransport | undefined;
  #path: IcePath | undefined;
  #channel: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sender: SrtpSender | undefined;
  #receiver: SrtpReceiver | undefined;
  #audioSequence = randomInt(0x10000);
  #audioTimestamp = randomInt(2 ** 31);
  #video: RtpPacketFactory | undefined;

  constructor(options: NodeClientOptions) {
    this.#options = options;
    this.userId = options.userId ?? randomBytes(16).toString('hex');
    this.clientId = options.clientId ?? '_';
    this.#identity = options.identity ?? generateDtlsIdentity();
  }

  /** The local address its packets come from. */
  get localPort(): number {
    return this.#socket?.port ?? 0;
  }

  /** The server's media address it talks to, once there is one. */
  get path(): IcePath | undefined {
    return this.#path;
  }

  /** Whether its DTLS session is up. */
  get secured(): boolean {
    return this.#transport?.secured ?? false;
  }

  /** The first media address in the server's offer. */
  get serverAddress(): { readonly address: string; readonly port: number } {
    const [, , , , address = '', port = '0'] =
      attribute(this.offer.sections[0]?.lines ?? [], 'candidate')?.split(' ') ?? [];
    return { address, port: Number(port) };
  }

  /** Packets received in all slots. */
  get heard(): number {
    let packets = 0;
    for (const stream of this.received.values()) packets += stream.packets;
    return packets;
  }

  /** Packets of one sender received in all slots, by the contributing source that stands for it. */
  heardFrom(source: number): number {
    let packets = 0;
    for (const { sources } of this.received.values()) packets += sources.get(source) ?? 0;
    return packets;
  }

  /** Calls, and resolves when the signalling channel is open and the first participant list has come. */
  async join(update = false): Promise<void> {
    const answer = await this.prepare(update);
    await this.sendAnswer(answer.type, answer.sdp);
    await this.until('the participant list', () => this.channelOpen && this.roster.length > 0);
  }

  /** Gets the offer and starts a transport, but does not answer yet. Returns the answer to send. */
  async prepare(update = false): Promise<{ readonly type: string; readonly sdp: string }> {
    const reply = await this.request({
      type: 'CONFCONN',
      resp: false,
      dest_userid: 'SFT',
      dest_clientid: '_',
      update,
      tool: 'testkit',
      toolver: '10.0.0',
      status: 0,
      selective_audio: true,
      selective_video: true,
      vstreams: this.#options.videoSlots ?? 2,
      ...this.#options.request,
    });
    if (reply.type === 'CONFCONN') throw new Error(`refused with status ${String(reply.status)}`);
    this.setup = reply;
    const sdp = await this.#openTransport(String(reply.sdp));
    return { type: reply.type, sdp };
  }

  /** Answers, which starts the connection. */
  async sendAnswer(type: string, sdp: string): Promise<void> {
    await this.request({
      type,
      resp: true,
      dest_userid: 'sft',
      dest_clientid: 'SFT',
      sdp,
      props: {
        videosend: String(Boolean(this.#options.video)),
        screensend: 'false',
        audiocbr: 'false',
        muted: 'false',
      },
    });
  }

  /** Posts one message and returns the reply. */
  async request(fields: Record<string, unknown>): Promise<Message> {
    const response = await fetch(`${this.#options.sft}/sft/${this.#options.conversation}`, {
      method: 'POST',
      body: JSON.stringify(this.#envelope({ sessid: this.#options.conversation, ...fields })),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (await response.json()) as Message;
  }

  /** Sends a message on the signalling channel. */
  send(fields: Record<string, unknown>): void {
    this.sendText(JSON.stringify(this.#envelope({ sessid: this.#options.conversation, ...fields })));
  }

  /** Sends any text on the signalling channel. */
  sendText(text: string): void {
    if (this.#channel === undefined || !this.#transport) throw new Error('the channel is not open');
    this.#transport.send(performance.now(), this.#channel, text);
    this.#drain();
  }

  /** Sends `count` packets of audio of the given level (0 loudest, 127 silence). */
  sendAudio(level: number, count = 1): void {
    for (let i = 0; i < count; i++) this.sendRaw(this.protectAudio(level));
  }

  /** The next packet of audio of the given level, encrypted, to be sent by {@link NodeClient.sendRaw}. */
  protectAudio(level: number): Uint8Array {
    this.#audioSequence = (this.#audioSequence + 1) & 0xffff;
    this.#audioTimestamp = (this.#audioTimestamp + 960) >>> 0;
    const packet = Buffer.alloc(12 + 8 + 40);
    packet[0] = 0x90;
    packet[1] = 111;
    packet.writeUInt16BE(this.#audioSequence, 2);
    packet.writeUInt32BE(this.#audioTimestamp, 4);
    packet.writeUInt32BE(this.audioSsrc, 8);
    packet.writeUInt32BE(0xbede0001, 12);
    packet[16] = 0x10;
    packet[17] = 0x80 | level;
    return this.#sender?.protectRtp(packet) ?? new Uint8Array(0);
  }

  /** Sends one packet of video, which is a whole frame. Only with `video: 'single'`. */
  sendVideo(frame: 'key' | 'delta'): void {
    const section = this.offer.sections.find(({ mid }) => mid === 'video');
    if (!section) throw new Error('no video section was offered');
    this.#video ??= new RtpPacketFactory({
      ssrc: this.videoSsrc,
      payloadType: payloadTypeOf(section, 'VP8') ?? 0,
      extensions: { genericFrameDescriptor: extensionIdOf(section, GENERIC_FRAME_DESCRIPTOR) ?? 0 },
    });
    this.sendRtp(this.#video.next({ frame, ticks: 3000, marker: true }));
  }

  /** Asks for the video of these users, in this order of slots. */
  watch(...userIds: readonly string[]): void {
    const streams = userIds.map((userid) => ({ userid, quality: 2 }));
    this.send({ type: 'CONFSTREAMS', resp: false, mode: 'list', streams });
  }

  /** Encrypts and sends one RTP packet. */
  sendRtp(packet: Uint8Array): void {
    if (this.#sender) this.sendRaw(this.#sender.protectRtp(packet));
  }

  /** Sends any datagram from the client's address to the server's: the one it talks to, or the first one offered. */
  sendRaw(bytes: Uint8Array): void {
    const { address, port } = this.#path ?? this.serverAddress;
    this.#socket?.send(bytes, port, address);
  }

  /**
   * Authorises those of the list whom `accepts` accepts, and nobody else. Unless {@link NodeClient.authorises} is false,
   * the next list changes that again.
   */
  authorise(accepts: (participant: ListedParticipant) => boolean): void {
    const others = this.roster.filter((p) => p.userid !== this.userId || p.clientid !== this.clientId);
    this.send({
      type: 'CONFPART',
      sessid: '',
      resp: true,
      should_start: false,
      timestamp: '0',
      seqno: '0',
      participants: others.map((p) => ({ ...p, authorized: accepts(p) })),
    });
  }

  /**
   * Asks whether the server is there and waits for the answer. All that the client told it before has taken effect by
   * then, as far as the conference is concerned.
   */
  async ping(): Promise<void> {
    const pings = (): number => this.messages.filter((message) => message.type === 'PING').length;
    const before = pings();
    this.send({ type: 'PING', resp: false, dest_userid: 'sft', dest_clientid: 'SFT' });
    await this.until('an answer to the ping', () => pings() > before);
  }

  /** Says goodbye and waits for the answer, but keeps its socket and its keys. */
  async hangUp(): Promise<void> {
    this.send({ type: 'HANGUP', resp: false, dest_userid: 'sft', dest_clientid: 'SFT' });
    await this.until('the goodbye', () => this.messages.some((m) => m.type === 'HANGUP'));
  }

  /** Waits until something holds; looked at whenever anything arrives. Fails after `timeoutMs`. */
  async until(what: string, holds: () => boolean, timeoutMs = 10_000): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(look);
        reject(new Error(`${what}: not within ${timeoutMs} ms${this.failure ? ` (${this.failure})` : ''}`));
      }, timeoutMs);
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
    });
  }

  /** Says goodbye, waits for the answer, and closes. */
  async leave(): Promise<void> {
    await this.hangUp();
    this.close();
  }

  /** Falls silent: nothing is sent any more, nothing is told to anybody. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#transport = undefined;
    this.#socket?.close();
    this.#socket = undefined;
  }

  #envelope(fields: Record<string, unknown>): Record<string, unknown> {
    return { version: '3.0', src_userid: this.userId, src_clientid: this.clientId, ...fields };
  }

  async #openTransport(sdp: string): Promise<string> {
    this.close();
    this.channelOpen = false;
    this.roster = [];
    const offer = readOffer(sdp);
    this.offer = offer;
    const first = offer.sections[0]!;
    const address = this.#options.address ?? '127.0.0.1';
    const open = this.#options.openSocket ?? openUdpSocket;
    const socket = await open(address, (bytes, from, port) => {
      if (this.#socket === socket) this.#receive(bytes, from, port);
    });
    this.#socket = socket;
    const ufrag = randomBytes(4).toString('hex');
    const pwd = randomBytes(12).toString('hex');
    const transport = new PeerTransport({
      iceRole: 'controlled',
      ufrag,
      pwd,
      transactionTag: randomInt(2 ** 32),
      random: (size) => randomBytes(size),
      hmacSha1: (key, data) => createHmac('sha1', key).update(data).digest(),
      createDtlsSession,
      identity: this.#identity,
      srtpProfiles: this.#options.srtpProfiles ?? [SrtpProfile.aeadAes128Gcm],
    });
    this.#transport = transport;
    const candidate = transport.addLocalCandidate({
      socket: OWN_SOCKET,
      address,
      advertisedAddress: address,
      port: socket.port,
      transport: 'udp',
    });
    transport.setRemote(performance.now(), {
      ufrag: attribute(first.lines, 'ice-ufrag') ?? '',
      pwd: attribute(first.lines, 'ice-pwd') ?? '',
      candidates: attributes(first.lines, 'candidate'),
      fingerprint: (attribute(first.lines, 'fingerprint') ?? '').replace(/^sha-256 /i, ''),
      setup: 'passive',
    });
    this.#drain();
    return writeAnswer(offer, {
      ufrag,
      pwd,
      fingerprint: this.#options.announcedFingerprint ?? this.#identity.fingerprint,
      candidates: [formatCandidate(candidate)],
      audioSsrc: this.audioSsrc,
      ...(this.#options.video === 'simulcast' ? { video: 'simulcast' as const } : {}),
      ...(this.#options.video === 'single' ? { video: { ssrc: this.videoSsrc } } : {}),
    });
  }

  #receive(bytes: Uint8Array, address: string, port: number): void {
    this.#options.onDatagram?.(bytes);
    const path: IcePath = { socket: OWN_SOCKET, address, port, transport: 'udp' };
    const first = bytes[0] ?? 0;
    const now = performance.now();
    if (first < 4) this.#transport?.handleStun(now, path, bytes);
    else if (first >= 20 && first < 64) this.#transport?.handleDtls(now, path, bytes);
    else if (first >= 128 && first < 192) this.#receiveMedia(bytes);
    this.#drain();
  }

  #receiveMedia(bytes: Uint8Array): void {
    const payloadType = (bytes[1] ?? 0) & 0x7f;
    if (!this.#receiver) return;
    try {
      if (payloadType >= 64 && payloadType < 96) {
        this.#receiveReports(this.#receiver.unprotectRtcp(bytes));
        return;
      }
      const packet = Buffer.from(this.#receiver.unprotectRtp(bytes));
      this.#options.onPacket?.(packet);
      const ssrc = packet.readUInt32BE(8);
      const sequence = packet.readUInt16BE(2);
      let stream = this.received.get(ssrc);
      if (!stream) {
        stream = {
          packets: 0,
          sources: new Map(),
          lastSequence: (sequence - 1) & 0xffff,
          lastTimestamp: 0,
          lastArrivalMs: 0,
          report: undefined,
          clockRate: payloadType === OPUS ? 48_000 : 90_000,
          gaps: 0,
        };
        this.received.set(ssrc, stream);
      }
      if (((stream.lastSequence + 1) & 0xffff) !== sequence) stream.gaps += 1;
      stream.packets += 1;
      stream.lastSequence = sequence;
      stream.lastTimestamp = packet.readUInt32BE(4);
      stream.lastArrivalMs = performance.now();
      if ((packet[0]! & 15) > 0) {
        const source = packet.readUInt32BE(12);
        stream.sources.set(source, (stream.sources.get(source) ?? 0) + 1);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.rejected.set(error.code, (this.rejected.get(error.code) ?? 0) + 1);
    }
  }

  #receiveReports(bytes: Uint8Array): void {
    for (const packet of parseRtcp(bytes)) {
      if (packet.type !== 'sender-report') continue;
      const stream = this.received.get(packet.ssrc);
      if (stream) stream.report = packet;
    }
  }

  #drain(): void {
    const transport = this.#transport;
    if (!transport) return;
    for (let event = transport.pollEvent(); event; event = transport.pollEvent()) {
      if (event.type === 'paths') this.#path = event.sendTo;
      else if (event.type === 'secured') {
        const { profile, sendKey, sendSalt, receiveKey, receiveSalt } = event.srtpKeys;
        this.#sender = new SrtpSender(profile, sendKey, sendSalt);
        this.#receiver = new SrtpReceiver(profile, receiveKey, receiveSalt, 64);
        this.#socket?.secured?.(event.srtpKeys);
      } else if (event.type === 'channel-open') {
        this.#channel = event.streamId;
        this.channelOpen = true;
      } else if (event.type === 'message' && typeof event.data === 'string') this.#handleMessage(event.data);
      else if (event.type === 'failed') this.failure = event.reason;
    }
    const socket = this.#socket;
    for (let t = transport.pollTransmit(); t && socket; t = transport.pollTransmit()) {
      socket.send(t.bytes, t.path.port, t.path.address);
    }
    clearTimeout(this.#timer);
    const at = transport.pollTimeout();
    if (at !== undefined) {
      this.#timer = setTimeout(
        () => {
          transport.handleTimeout(performance.now());
          if (this.#transport === transport) this.#drain();
        },
        Math.max(0, at - performance.now()),
      );
    }
    for (const look of [...this.#waiters]) look();
  }

  #handleMessage(text: string): void {
    const message = JSON.parse(text) as Message;
    this.messages.push(message);
    if (message.type !== 'CONFPART') return;
    this.roster = message.participants as ListedParticipant[];
    if (this.authorises) this.authorise(() => true);
  }
}
