import { randomBytes } from 'node:crypto';
import { FormatError } from '@conclave/bytes';
import {
  ClientError,
  type ConferenceMedia,
  type ConferencePeer,
  type MediaEvents,
  type MediaStatistics,
  type ParticipantId,
  type PeerEvents,
  type ReceivedAudio,
  type ReceivedVideo,
  type SentVideo,
} from '@conclave/client';
import {
  type EncodedFrame,
  FrameTransform,
  type FrameTransformCommand,
  type MediaCrypto,
  parseFrameHeader,
  type Sender,
} from '@conclave/e2ee';
import { generateDtlsIdentity } from '@conclave/forwarder';
import { BotPeer } from './bot-peer.ts';
import { type OpenDatagramSocket, openUdpSocket } from './datagram-socket.ts';
import type { FrameListener, OutgoingAudioFrame, OutgoingVideoFrame } from './encoded-frame.ts';
import { MAX_FRAME_BYTES, type SealedFrame } from './frame-assembler.ts';
import { LevelMeter } from './level-meter.ts';
import type { MediaConnectionEvent, MediaConnectionTotals } from './media-connection.ts';
import { opusDurationTicks } from './opus-duration.ts';
import { OutgoingClock } from './outgoing-clock.ts';
import { ReceivedSlot } from './received-slot.ts';
import { TaskLine } from './task-line.ts';
import { isVp8KeyFrame, vp8PictureSize } from './vp8-descriptor.ts';

/** How a bot's media reach the server, and how patient it is. */
export interface BotMediaOptions {
  /** Pictures to be watched at a time at most, 0 to 32. Default 4. More cost about 1 kB each in joining. */
  readonly videoSlots?: number | undefined;
  /** Address to send from. Default: whichever leads to the server. */
  readonly localAddress?: string | undefined;
  /** Where sockets come from; for tests and for networks that need more than UDP. Default: the operating system. */
  readonly openSocket?: OpenDatagramSocket | undefined;
  /**
   * How long sound that follows a lost packet is held back in case it is only late, in milliseconds. Default 60. Lower: less
   * delay; higher: fewer losses where packets overtake each other.
   */
  readonly audioPatienceMs?: number | undefined;
  /**
   * The same for pictures, whose packets are asked for again. Default 500. Lower: losses are told sooner, and a key
   * frame, which costs much, is asked for sooner; higher: more repairs come in time.
   */
  readonly videoPatienceMs?: number | undefined;
  /**
   * Bits per second at which packets of the picture go out at most, at least 100,000. Default 20,000,000. Lower: a key
   * frame is spread over a longer time and arrives later; higher: it may overflow the queues of slow networks. What is handed
   * in faster for long is dropped.
   */
  readonly videoPaceBps?: number | undefined;
  /** Hears of frames from the first one on. */
  readonly listener?: FrameListener | undefined;
}

const DEFAULT_VIDEO_SLOTS = 4;
const DEFAULT_AUDIO_PATIENCE_MS = 60;
const DEFAULT_VIDEO_PATIENCE_MS = 500;
const DEFAULT_VIDEO_PACE_BPS = 20_000_000;
/** Frames of one kind that wait to be sealed, or in one slot to be opened; more are dropped. */
const MAX_WAITING_FRAMES = 256;
const SPEECH_LEVEL_DBOV = 30;
const SILENCE_LEVEL_DBOV = 127;
/** What Opus makes of silence (RFC 6716 §2.1.9) has no more bytes. */
const MAX_SILENCE_BYTES = 2;
const VIDEO_TICKS_PER_MS = 90;

interface SlotLine {
  readonly received: ReceivedSlot;
  readonly line: TaskLine;
}

/** The media of one join of a bot: encoded frames in and out, encrypted, over whichever connection is in use. */
export class BotMedia implements ConferenceMedia {
  readonly videoSlots: number;
  readonly audioStreams: readonly MediaStream[] = [];
  readonly #events: MediaEvents;
  readonly #options: BotMediaOptions;
  readonly #transform: FrameTransform;
  readonly #identity = generateDtlsIdentity();
  readonly #listeners = new Set<FrameListener>();
  readonly #peers = new Set<BotPeer>();
  readonly #sending = {
    audio: new TaskLine(MAX_WAITING_FRAMES),
    video: new TaskLine(MAX_WAITING_FRAMES),
  };
  readonly #audioClock = new OutgoingClock();
  #slots: { readonly audio: SlotLine[]; readonly video: SlotLine[] } = { audio: [], video: [] };
  #owners = { audio: new Map<number, ParticipantId>(), video: new Map<number, ParticipantId>() };
  #active: BotPeer | undefined;
  #muted = false;
  #sent: SentVideo = 'off';
  readonly #sentLevel = new LevelMeter();
  #counted: { readonly atMs: number; readonly totals: MediaConnectionTotals } | undefined;
  #closed = false;
  #unsent = 0;

  constructor(crypto: MediaCrypto, events: MediaEvents, options: BotMediaOptions) {
    this.#events = events;
    this.#options = options;
    this.#transform = new FrameTransform(crypto, randomBytes);
    this.videoSlots = options.videoSlots ?? DEFAULT_VIDEO_SLOTS;
    if (options.listener !== undefined) this.listen(options.listener);
  }

  get receivedVideo(): readonly ReceivedVideo[] {
    return this.#slots.video.map(({ received }) => ({ stream: undefined, source: received.source }));
  }

  /** Figures of the connection in use; undefined if there is none. */
  get totals(): MediaConnectionTotals | undefined {
    return this.#active?.media?.totals();
  }

  /** Frames that were handed in and not sent: nothing to seal them with, no connection, or too many at a time. */
  get unsentFrames(): number {
    return this.#unsent;
  }

  /** Adds a listener; returns what removes it. */
  listen(listener: FrameListener): () => void {
    // An object of its own, so that one listener can be there twice.
    const entry = { ...listener };
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  receivedAudio(): readonly ReceivedAudio[] {
    const now = performance.now();
    return this.#slots.audio.map(({ received }) => ({
      source: received.source,
      level: received.level.amplitude(now),
    }));
  }

  sentAudioLevel(): number {
    return this.#muted ? 0 : this.#sentLevel.amplitude(performance.now());
  }

  command(command: FrameTransformCommand): void {
    if (command.type === 'senders') this.#setOwners(command.senders);
    this.#transform.handleCommand(command).then(
      () => this.#report(),
      () => {
        if (!this.#closed) this.#events.report({ type: 'refused', command: command.type });
      },
    );
  }

  createPeer(events: PeerEvents): ConferencePeer {
    const { localAddress, openSocket, audioPatienceMs, videoPatienceMs, videoPaceBps } = this.#options;
    const peer = new BotPeer(events, {
      identity: this.#identity,
      openSocket: openSocket ?? openUdpSocket,
      localAddress,
      audioPatienceMs: audioPatienceMs ?? DEFAULT_AUDIO_PATIENCE_MS,
      videoPatienceMs: videoPatienceMs ?? DEFAULT_VIDEO_PATIENCE_MS,
      videoPaceBps: videoPaceBps ?? DEFAULT_VIDEO_PACE_BPS,
      onMedia: (from, event) => {
        if (from === this.#active) this.#handleMedia(event);
      },
      onActivate: (activated) => this.#activate(activated),
      onClose: (closed) => {
        this.#peers.delete(closed);
        if (this.#active === closed) this.#active = undefined;
      },
    });
    this.#peers.add(peer);
    return peer;
  }

  async setMicrophone(track: MediaStreamTrack | undefined): Promise<void> {
    if (track !== undefined) throw new ClientError('bad-track', { detail: 'bots send frames' });
  }

  async setCamera(track: MediaStreamTrack | undefined): Promise<void> {
    if (track !== undefined) throw new ClientError('bad-track', { detail: 'bots send frames' });
    if (this.#sent === 'camera') this.setSending('off');
  }

  async setScreen(stream: MediaStream | undefined): Promise<void> {
    if (stream !== undefined) throw new ClientError('bad-track', { detail: 'bots send frames' });
    if (this.#sent === 'screen') this.setSending('off');
  }

  setMuted(muted: boolean): void {
    this.#muted = muted;
  }

  /** Tells the others what the frames of {@link BotMedia.sendVideoFrame} show. `off`: none are sent. */
  setSending(sending: SentVideo): void {
    if (this.#closed || this.#sent === sending) return;
    this.#sent = sending;
    this.#events.sendingChanged(sending);
  }

  /** Sends one packet of Opus. False if it cannot be: muted, not connected, or more than can be sealed. Throws `FormatError` `not-opus`. */
  sendAudioFrame(frame: OutgoingAudioFrame): boolean {
    const durationTicks = opusDurationTicks(frame.data);
    const now = performance.now();
    const { timestampTicks, marker } = this.#audioClock.next(now, durationTicks, frame.timestampTicks);
    if (this.#muted || !this.#canSend()) return false;
    const isSilence = frame.data.length <= MAX_SILENCE_BYTES;
    const wanted = frame.levelDbov ?? (isSilence ? SILENCE_LEVEL_DBOV : SPEECH_LEVEL_DBOV);
    const level = Math.min(127, Math.max(0, Math.round(wanted)));
    this.#sentLevel.take(now, level);
    return this.#seal('audio', frame.data, (peer, data) => {
      peer.drive((media, at) => media.sendAudio(at, { data, timestampTicks, level, marker }));
    });
  }

  /**
   * Sends one frame of VP8; the others are told of a camera if it is the first. False if it cannot be: not connected, or
   * more than can be sealed. Throws `RangeError` for a frame that is empty or longer than 4 MiB.
   */
  sendVideoFrame(frame: OutgoingVideoFrame): boolean {
    if (frame.data.length === 0 || frame.data.length > MAX_FRAME_BYTES) {
      throw new RangeError(`a frame has 1 to ${MAX_FRAME_BYTES} bytes`);
    }
    if (!this.#canSend()) return false;
    if (this.#sent === 'off') this.setSending('camera');
    const ticks = frame.timestampTicks ?? Math.round(performance.now() * VIDEO_TICKS_PER_MS);
    const timestampTicks = ticks >>> 0;
    const isKeyFrame = isVp8KeyFrame(frame.data);
    const size = vp8PictureSize(frame.data);
    return this.#seal('video', frame.data, (peer, data) => {
      peer.drive((media, at) => media.sendVideo(at, { data, timestampTicks, isKeyFrame, size }));
    });
  }

  /** Asks a participant who is watched for a key frame; nothing if nothing of it arrives. */
  requestKeyFrame(from: ParticipantId): void {
    this.#slots.video.forEach(({ received }, slot) => {
      if (received.source === from) this.#active?.drive((media, at) => media.requestKeyFrame(at, slot));
    });
  }

  async statistics(): Promise<MediaStatistics | undefined> {
    const totals = this.totals;
    if (totals === undefined) return undefined;
    const atMs = performance.now();
    const before = this.#counted;
    this.#counted = { atMs, totals };
    const elapsedMs = before === undefined ? 0 : atMs - before.atMs;
    const since = (figure: 'sentBytes' | 'receivedBytes' | 'receivedPackets' | 'lostPackets'): number =>
      totals[figure] - (before?.totals[figure] ?? 0);
    const rateBps = (bytes: number): number => (elapsedMs > 0 ? (bytes * 8000) / elapsedMs : 0);
    const lost = since('lostPackets');
    const expected = since('receivedPackets') + lost;
    return {
      roundTripMs: totals.roundTripMs,
      lossSent: totals.lossSent,
      lossReceived: expected > 0 ? lost / expected : undefined,
      sentBps: rateBps(since('sentBytes')),
      receivedBps: rateBps(since('receivedBytes')),
      path: 'udp',
      video: this.#slots.video.map(({ received }) => received.takeFigures(elapsedMs)),
    };
  }

  close(): void {
    this.#closed = true;
    for (const peer of [...this.#peers]) peer.close();
    this.#listeners.clear();
  }

  #canSend(): boolean {
    const can = !this.#closed && (this.#active?.connected ?? false);
    if (!can) this.#unsent++;
    return can;
  }

  /** Seals a copy of the frame and hands it to the connection in use by then. */
  #seal(
    kind: 'audio' | 'video',
    data: Uint8Array,
    send: (peer: BotPeer, sealed: Uint8Array) => void,
  ): boolean {
    // A copy made by the constructor is one even of a `Buffer`, whose `slice` is none.
    // Pictures that need others are marked in clear for receivers without frame descriptors.
    const type = kind === 'video' && !isVp8KeyFrame(data) ? 'delta' : 'key';
    const frame: EncodedFrame = { data: new Uint8Array(data).buffer, type, getMetadata: () => ({}) };
    const accepted = this.#sending[kind].add(async () => {
      const sealed = await this.#transform.transform({ direction: 'send', kind }, frame);
      this.#report();
      const peer = this.#active;
      if (sealed && peer !== undefined) send(peer, new Uint8Array(frame.data));
      else this.#unsent++;
    });
    if (!accepted) this.#unsent++;
    return accepted;
  }

  #activate(peer: BotPeer): void {
    this.#active = peer;
    const totals = this.totals;
    this.#counted = totals && { atMs: performance.now(), totals };
    this.#slots = { audio: [], video: [] };
    if (!this.#closed) this.#events.receivedChanged();
  }

  #handleMedia(event: MediaConnectionEvent): void {
    if (this.#closed) return;
    if (event.type === 'key-frame-wanted') {
      for (const listener of [...this.#listeners]) listener.keyFrameWanted?.();
      return;
    }
    const { kind, slot, media } = event;
    const entry = this.#slotOf(kind, slot);
    const accepted = entry.line.add(async () => {
      if (media.type === 'lost') this.#handleLoss(kind, slot, entry, media.packets);
      else await this.#open(kind, slot, entry, media);
    });
    // Here the machine does not keep up, which for a decoder is the same as a loss.
    if (!accepted) this.#handleLoss(kind, slot, entry, 1);
  }

  async #open(kind: 'audio' | 'video', slot: number, entry: SlotLine, sealed: SealedFrame): Promise<void> {
    const contributingSources = sealed.source === undefined ? [] : [sealed.source];
    const frame: EncodedFrame = {
      data: new Uint8Array(sealed.data).buffer,
      getMetadata: () => ({ contributingSources }),
    };
    const from = this.#owners[kind].get(streamIdOf(sealed) ?? -1);
    const opened = await this.#transform.transform({ direction: 'receive', kind }, frame);
    if (this.#closed) return;
    this.#report();
    if (!opened || from === undefined) {
      if (kind === 'video') this.#awaitKeyFrame(slot, entry);
      return;
    }
    this.#hand(kind, slot, entry, { from, data: new Uint8Array(frame.data), sealed });
  }

  #hand(
    kind: 'audio' | 'video',
    slot: number,
    { received }: SlotLine,
    opened: { readonly from: ParticipantId; readonly data: Uint8Array; readonly sealed: SealedFrame },
  ): void {
    const { from, data, sealed } = opened;
    const { timestampTicks } = sealed;
    const levelByte = sealed.audioLevel?.[0];
    const levelDbov = levelByte === undefined ? undefined : levelByte & 0x7f;
    const size = kind === 'video' ? vp8PictureSize(data) : undefined;
    if (kind === 'video') received.count(data.length, size);
    if (levelDbov !== undefined) received.level.take(performance.now(), levelDbov);
    if (received.source !== from) {
      received.source = from;
      this.#events.receivedChanged();
    }
    if (kind === 'audio') {
      const frame = { from, data, timestampTicks, levelDbov, slot };
      for (const listener of [...this.#listeners]) listener.audio?.(frame);
      return;
    }
    const isKeyFrame = isVp8KeyFrame(data);
    if (isKeyFrame) received.awaitsKeyFrame = false;
    const decodable = !received.awaitsKeyFrame;
    if (!decodable) this.#active?.drive((media, at) => media.requestKeyFrame(at, slot));
    const frame = { from, data, timestampTicks, isKeyFrame, size, decodable, slot };
    for (const listener of [...this.#listeners]) listener.video?.(frame);
  }

  #handleLoss(kind: 'audio' | 'video', slot: number, entry: SlotLine, packets: number): void {
    if (this.#closed) return;
    if (kind === 'video') this.#awaitKeyFrame(slot, entry);
    const loss = { kind, slot, packets, from: entry.received.source };
    for (const listener of [...this.#listeners]) listener.lost?.(loss);
  }

  #awaitKeyFrame(slot: number, { received }: SlotLine): void {
    received.awaitsKeyFrame = true;
    this.#active?.drive((media, at) => media.requestKeyFrame(at, slot));
  }

  #slotOf(kind: 'audio' | 'video', slot: number): SlotLine {
    const slots = this.#slots[kind];
    while (slots.length <= slot)
      slots.push({ received: new ReceivedSlot(), line: new TaskLine(MAX_WAITING_FRAMES) });
    return slots[slot]!;
  }

  #setOwners(senders: readonly Sender[]): void {
    const owners = { audio: new Map<number, ParticipantId>(), video: new Map<number, ParticipantId>() };
    for (const { userHash, audioSsrc, videoSsrc } of senders) {
      // As the frame encryption has it: the first one keeps an id that two claim.
      if (!owners.audio.has(audioSsrc)) owners.audio.set(audioSsrc, userHash);
      if (!owners.video.has(videoSsrc)) owners.video.set(videoSsrc, userHash);
    }
    this.#owners = owners;
    const present = new Set(senders.map(({ userHash }) => userHash));
    for (const { received } of [...this.#slots.audio, ...this.#slots.video]) {
      if (received.source !== undefined && !present.has(received.source)) received.source = undefined;
    }
  }

  #report(): void {
    for (let report = this.#transform.pollReport(); report; report = this.#transform.pollReport()) {
      if (!this.#closed) this.#events.report(report);
    }
  }
}

/** The stream that a sealed frame says to be of: by its header, else by its packets. */
function streamIdOf(sealed: SealedFrame): number | undefined {
  try {
    return parseFrameHeader(sealed.data).streamId ?? sealed.source;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return undefined;
  }
}
