import { FormatError, type NowMs, type RandomBytes, randomUint32 } from '@conclave/bytes';
import { type SrtpKeys, SrtpReceiver, SrtpSender } from '@conclave/forwarder';
import {
  CNAME_ITEM,
  decapsulateRtx,
  encodeAudioLevel,
  encodeGenericFrameDescriptor,
  encodeRtcp,
  isRtcp,
  middleNtp,
  ntpFromUnixMs,
  parseRtcp,
  parseRtpPacket,
  type ReportBlock,
  type RtcpPacket,
  roundTripMsFrom,
} from '@conclave/rtp';
import type { ConferenceOffer, OfferedSlot } from './conference-offer.ts';
import { type AssembledMedia, FrameAssembler } from './frame-assembler.ts';
import { PacketPacer } from './packet-pacer.ts';
import { RtpReceiveStream } from './rtp-receive-stream.ts';
import { type OutgoingPart, RtpSendStream } from './rtp-send-stream.ts';
import { encodeVp8Descriptor, type PictureSize } from './vp8-descriptor.ts';

/** What a connection's media tell their owner. */
export type MediaConnectionEvent =
  /** Something of a slot: a sealed frame, or that packets are lost. Slots count from 0, audio and video each. */
  | {
      readonly type: 'media';
      readonly kind: 'audio' | 'video';
      readonly slot: number;
      readonly media: AssembledMedia;
    }
  /** Somebody who watches needs a key frame of what is sent. */
  | { readonly type: 'key-frame-wanted' };

/** Settings of a {@link MediaConnection}. */
export interface MediaConnectionOptions {
  readonly offer: ConferenceOffer;
  readonly random: RandomBytes;
  readonly cname: string;
  /** How long what follows a lost packet is held back for its repair. See `RtpReceiveStreamOptions.patienceMs`. */
  readonly audioPatienceMs: number;
  readonly videoPatienceMs: number;
  /** Bits per second at which packets of the picture go out at most. */
  readonly videoPaceBps: number;
}

/** Figures since the connection began. */
export interface MediaConnectionTotals {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly lostPackets: number;
  /** Share of what was sent that got lost lately, as the server says, 0 to 1. */
  readonly lossSent: number | undefined;
  readonly roundTripMs: number | undefined;
  /** Incoming packets that were not authentic, not well-formed or of no slot. */
  readonly refusedPackets: number;
  readonly repeatedPackets: number;
  readonly repairedPackets: number;
  readonly requestedPackets: number;
}

/** Largest part of a frame in one packet: with all headers, tags and what a server may add it stays below 1200 bytes. */
export const MAX_PART_BYTES = 1100;

const VIDEO_CLOCK_RATE = 90_000;
const AUDIO_CLOCK_RATE = 48_000;
const REPORT_INTERVAL_MS = 1000;
const MIN_KEY_FRAME_REQUEST_INTERVAL_MS = 300;
/** Datagrams and events that wait to be polled; the rest is dropped. The owner polls after every call. */
const MAX_QUEUED = 8192;
const ASSUMED_ROUND_TRIP_MS = 100;

interface Slot {
  readonly offered: OfferedSlot;
  readonly index: number;
  readonly stream: RtpReceiveStream;
  readonly assembler: FrameAssembler;
  lost: number;
  keyFrameAskedMs: NowMs;
  firSequence: number;
}

/**
 * The media of one connection: frames go out in packets, packets come in and become frames; losses are repaired both
 * ways, reports are exchanged. Frames are sealed before and opened after. Sans-IO: after each call drain
 * {@link MediaConnection.pollTransmit} and {@link MediaConnection.pollEvent}.
 */
export class MediaConnection {
  readonly #options: MediaConnectionOptions;
  readonly #slots = new Map<number, Slot>();
  readonly #repairs = new Map<number, Slot>();
  readonly #events: MediaConnectionEvent[] = [];
  readonly #transmits: Uint8Array[] = [];
  readonly #pacer: PacketPacer;
  readonly audio: RtpSendStream;
  readonly video: RtpSendStream | undefined;
  /** SSRC of the repair stream of the video. */
  readonly videoRtxSsrc: number;
  #sender: SrtpSender | undefined;
  #receiver: SrtpReceiver | undefined;
  #nextReportMs: NowMs | undefined;
  #roundTripMs: number | undefined;
  #lossSent: number | undefined;
  #frameId = 0;
  #sentBytes = 0;
  #receivedBytes = 0;
  #refused = 0;
  #repaired = 0;
  #requested = 0;

  constructor(options: MediaConnectionOptions) {
    this.#options = options;
    this.#pacer = new PacketPacer(options.videoPaceBps);
    const { offer, random } = options;
    const sequence = (): number => randomUint32(random) & 0x7fff;
    const ssrc = (): number => randomUint32(random) || 1;
    this.videoRtxSsrc = ssrc();
    this.audio = new RtpSendStream({
      ssrc: ssrc(),
      payloadType: offer.audio.payloadType,
      clockRate: AUDIO_CLOCK_RATE,
      absSendTimeId: offer.audio.extensions.absSendTime,
      firstSequence: sequence(),
      firstRtxSequence: sequence(),
    });
    this.video =
      offer.video &&
      new RtpSendStream({
        ssrc: ssrc(),
        payloadType: offer.video.payloadType,
        rtxSsrc: this.videoRtxSsrc,
        rtxPayloadType: offer.video.rtxPayloadType,
        clockRate: VIDEO_CLOCK_RATE,
        absSendTimeId: offer.video.extensions.absSendTime,
        firstSequence: sequence(),
        firstRtxSequence: sequence(),
      });
    for (const kind of ['audio', 'video'] as const) {
      offer.slots
        .filter((slot) => slot.kind === kind)
        .forEach((slot, index) => {
          this.#addSlot(slot, index);
        });
    }
  }

  /** Starts to send and accept packets. */
  secure(now: NowMs, keys: SrtpKeys): void {
    this.#sender = new SrtpSender(keys.profile, keys.sendKey, keys.sendSalt);
    this.#receiver = new SrtpReceiver(
      keys.profile,
      keys.receiveKey,
      keys.receiveSalt,
      2 * this.#slots.size + 8,
    );
    this.#nextReportMs = now + REPORT_INTERVAL_MS;
  }

  /** Sends a sealed frame of the voice. `level` in −dBov, 0 loudest, 127 silence; `marker`: the first after a silence. */
  sendAudio(
    now: NowMs,
    frame: {
      readonly data: Uint8Array;
      readonly timestampTicks: number;
      readonly level: number;
      readonly marker: boolean;
    },
  ): void {
    const id = this.#options.offer.audio.extensions.audioLevel;
    const level = encodeAudioLevel({ voice: frame.level < 127, level: frame.level });
    const extensions = id === undefined ? [] : [{ id, value: level }];
    const parts = [{ payload: frame.data, extensions }];
    this.#send(
      this.audio.packetise(now, { timestampTicks: frame.timestampTicks, marker: frame.marker, parts }),
    );
  }

  /** Sends a sealed frame of the picture. Only if the server takes video. */
  sendVideo(
    now: NowMs,
    frame: {
      readonly data: Uint8Array;
      readonly timestampTicks: number;
      readonly isKeyFrame: boolean;
      readonly size: PictureSize | undefined;
    },
  ): void {
    if (this.video === undefined) return;
    const parts: OutgoingPart[] = [];
    const count = Math.max(1, Math.ceil(frame.data.length / MAX_PART_BYTES));
    // Parts of about equal size, so that none is tiny.
    const partLength = Math.ceil(frame.data.length / count);
    for (let at = 0; at < count; at++) {
      const part = frame.data.subarray(at * partLength, (at + 1) * partLength);
      const payload = new Uint8Array(1 + part.length);
      payload.set(encodeVp8Descriptor(at === 0));
      payload.set(part, 1);
      parts.push({ payload, extensions: this.#descriptorExtension(frame, at === 0, at === count - 1) });
    }
    this.#frameId = (this.#frameId + 1) & 0xffff;
    const packets = this.video.packetise(now, { timestampTicks: frame.timestampTicks, marker: true, parts });
    if (this.#sender === undefined) return;
    for (const packet of packets) this.#pacer.add(this.#sender.protectRtp(packet));
    this.#releasePaced(now);
  }

  /** Takes a datagram that is RTP or RTCP. */
  handlePacket(now: NowMs, unixMs: number, bytes: Uint8Array): void {
    if (this.#receiver === undefined) return;
    try {
      if (isRtcp(bytes)) this.#handleRtcp(now, unixMs, this.#receiver.unprotectRtcp(bytes));
      else this.#handleRtp(now, this.#receiver.unprotectRtp(bytes));
      this.#receivedBytes += bytes.length;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#refused++;
    }
  }

  /** Runs what is due: requests for missing packets, giving up on them, reports. */
  handleTimeout(now: NowMs, unixMs: number): void {
    this.#releasePaced(now);
    for (const slot of this.#slots.values()) {
      slot.stream.handleTimeout(now);
      this.#drain(now, slot);
    }
    if (this.#nextReportMs !== undefined && now >= this.#nextReportMs) {
      this.#nextReportMs = now + REPORT_INTERVAL_MS;
      this.#sendReports(now, unixMs);
    }
  }

  /** When to call {@link MediaConnection.handleTimeout}. */
  pollTimeout(): NowMs | undefined {
    if (this.#receiver === undefined) return undefined;
    let earliest = this.#nextReportMs;
    const streams = [...this.#slots.values()].map(({ stream }) => stream);
    for (const owner of [this.#pacer, ...streams]) {
      const at = owner.pollTimeout();
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  /** The next datagram to send. */
  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  /** The next event. */
  pollEvent(): MediaConnectionEvent | undefined {
    return this.#events.shift();
  }

  /** Asks the sender in a video slot for a key frame; not more often than every 300 ms. */
  requestKeyFrame(now: NowMs, slotIndex: number): void {
    for (const slot of this.#slots.values()) {
      if (slot.offered.kind !== 'video' || slot.index !== slotIndex) continue;
      if (now < slot.keyFrameAskedMs + MIN_KEY_FRAME_REQUEST_INTERVAL_MS) return;
      slot.keyFrameAskedMs = now;
      const senderSsrc = this.audio.ssrc;
      const { ssrc, media } = slot.offered;
      if (media.feedback.pli) this.#sendRtcp([{ type: 'picture-loss', senderSsrc, mediaSsrc: ssrc }]);
      else if (media.feedback.fir) {
        slot.firSequence = (slot.firSequence + 1) & 0xff;
        this.#sendRtcp([
          { type: 'full-intra-request', senderSsrc, requests: [{ ssrc, sequence: slot.firSequence }] },
        ]);
      }
    }
  }

  /** Figures so far. */
  totals(): MediaConnectionTotals {
    const slots = [...this.#slots.values()];
    return {
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      receivedPackets: slots.reduce((sum, { stream }) => sum + stream.packets, 0),
      lostPackets: slots.reduce((sum, { lost }) => sum + lost, 0),
      lossSent: this.#lossSent,
      roundTripMs: this.#roundTripMs,
      refusedPackets: this.#refused,
      repeatedPackets: this.video?.repeatedPackets ?? 0,
      repairedPackets: this.#repaired,
      requestedPackets: this.#requested,
    };
  }

  #addSlot(offered: OfferedSlot, index: number): void {
    const { audioPatienceMs, videoPatienceMs } = this.#options;
    const slot: Slot = {
      offered,
      index,
      stream: new RtpReceiveStream({
        ssrc: offered.ssrc,
        clockRate: offered.kind === 'audio' ? AUDIO_CLOCK_RATE : VIDEO_CLOCK_RATE,
        nack: offered.media.feedback.nack,
        patienceMs: offered.kind === 'audio' ? audioPatienceMs : videoPatienceMs,
      }),
      assembler: new FrameAssembler(offered.kind, offered.media.extensions.audioLevel),
      lost: 0,
      keyFrameAskedMs: Number.NEGATIVE_INFINITY,
      firSequence: 0,
    };
    this.#slots.set(offered.ssrc, slot);
    if (offered.rtxSsrc !== undefined) this.#repairs.set(offered.rtxSsrc, slot);
  }

  #handleRtp(now: NowMs, bytes: Uint8Array): void {
    const packet = parseRtpPacket(bytes);
    const slot = this.#slots.get(packet.ssrc);
    if (slot !== undefined && packet.payloadType === slot.offered.media.payloadType) {
      slot.stream.handlePacket(now, packet, false);
      this.#drain(now, slot);
      return;
    }
    const repaired = this.#repairs.get(packet.ssrc);
    if (repaired === undefined || packet.payloadType !== repaired.offered.media.rtxPayloadType) {
      throw new FormatError('unknown-stream', 'a packet of no slot');
    }
    // A repair stream probes with padding too.
    if (packet.payload.length === 0) return;
    const { ssrc, media } = repaired.offered;
    this.#repaired++;
    repaired.stream.handlePacket(now, decapsulateRtx(packet, { ssrc, payloadType: media.payloadType }), true);
    this.#drain(now, repaired);
  }

  #handleRtcp(now: NowMs, unixMs: number, bytes: Uint8Array): void {
    let keyFrameWanted = false;
    for (const packet of parseRtcp(bytes)) {
      if (packet.type === 'sender-report' || packet.type === 'receiver-report') {
        for (const block of packet.blocks) this.#handleReportBlock(unixMs, block);
      }
      if (packet.type === 'sender-report') this.#slots.get(packet.ssrc)?.stream.handleReport(now, packet);
      else if (packet.type === 'nack' && packet.mediaSsrc === this.video?.ssrc) {
        const roundTripMs = this.#roundTripMs ?? ASSUMED_ROUND_TRIP_MS;
        this.#send(this.video.repeat(now, packet.sequences, roundTripMs));
      } else if (packet.type === 'picture-loss') keyFrameWanted ||= packet.mediaSsrc === this.video?.ssrc;
      else if (packet.type === 'full-intra-request') {
        keyFrameWanted ||= packet.requests.some(({ ssrc }) => ssrc === this.video?.ssrc);
      }
    }
    if (keyFrameWanted) this.#tell({ type: 'key-frame-wanted' });
  }

  #handleReportBlock(unixMs: number, block: ReportBlock): void {
    if (block.ssrc !== this.audio.ssrc && block.ssrc !== this.video?.ssrc) return;
    const arrival = middleNtp(ntpFromUnixMs(unixMs));
    this.#roundTripMs =
      roundTripMsFrom(arrival, block.lastReport, block.delaySinceLastReport) ?? this.#roundTripMs;
    this.#lossSent = block.fractionLost / 256;
  }

  #drain(now: NowMs, slot: Slot): void {
    const { kind } = slot.offered;
    for (let item = slot.stream.poll(); item !== undefined; item = slot.stream.poll()) {
      if (item.type === 'lost') slot.lost += item.packets;
      for (const media of slot.assembler.take(item)) {
        if (media.type === 'lost' && kind === 'video') this.requestKeyFrame(now, slot.index);
        this.#tell({ type: 'media', kind, slot: slot.index, media });
      }
    }
    const sequences = slot.stream.takeRequests(now, this.#roundTripMs ?? ASSUMED_ROUND_TRIP_MS);
    if (sequences.length === 0) return;
    this.#requested += sequences.length;
    const nack = {
      type: 'nack',
      senderSsrc: this.audio.ssrc,
      mediaSsrc: slot.offered.ssrc,
      sequences,
    } as const;
    this.#sendRtcp([nack]);
  }

  #sendReports(now: NowMs, unixMs: number): void {
    const blocks: ReportBlock[] = [];
    for (const { stream } of this.#slots.values()) {
      const block = stream.takeReportBlock(now);
      if (block !== undefined) blocks.push(block);
    }
    const own = this.audio.ssrc;
    const packets: RtcpPacket[] = [];
    for (const stream of this.video ? [this.audio, this.video] : [this.audio]) {
      const report = stream.report(now, unixMs);
      if (report !== undefined) packets.push({ ...report, blocks: blocks.splice(0, 31) });
    }
    // RFC 3550 §6.1: a compound begins with a report, even an empty one.
    while (blocks.length > 0 || packets.length === 0) {
      packets.push({ type: 'receiver-report', ssrc: own, blocks: blocks.splice(0, 31) });
    }
    const item = { kind: CNAME_ITEM, text: this.#options.cname };
    const sources = this.video ? [own, this.video.ssrc] : [own];
    packets.push({ type: 'source-description', chunks: sources.map((ssrc) => ({ ssrc, items: [item] })) });
    this.#sendRtcp(packets);
  }

  #descriptorExtension(
    frame: { readonly isKeyFrame: boolean; readonly size: PictureSize | undefined },
    isFirst: boolean,
    isLast: boolean,
  ): { readonly id: number; readonly value: Uint8Array }[] {
    const id = this.#options.offer.video?.extensions.genericFrameDescriptor;
    if (id === undefined) return [];
    const base = { startOfFrame: isFirst, endOfFrame: isLast, temporalLayer: 0 };
    if (!isFirst) return [{ id, value: encodeGenericFrameDescriptor(base) }];
    const size = frame.size && { width: frame.size.widthPx, height: frame.size.heightPx };
    const numbered = { spatialLayers: 1, frameId: this.#frameId };
    const described = frame.isKeyFrame
      ? { ...numbered, dependencies: [], ...size }
      : { ...numbered, dependencies: [1] };
    return [{ id, value: encodeGenericFrameDescriptor({ ...base, frame: described }) }];
  }

  #releasePaced(now: NowMs): void {
    for (let packet = this.#pacer.poll(now); packet; packet = this.#pacer.poll(now)) this.#transmit(packet);
  }

  #send(packets: readonly Uint8Array[]): void {
    if (this.#sender === undefined) return;
    for (const packet of packets) this.#transmit(this.#sender.protectRtp(packet));
  }

  #sendRtcp(packets: readonly RtcpPacket[]): void {
    if (this.#sender !== undefined) this.#transmit(this.#sender.protectRtcp(encodeRtcp(packets)));
  }

  #transmit(bytes: Uint8Array): void {
    if (this.#transmits.length >= MAX_QUEUED) return;
    this.#sentBytes += bytes.length;
    this.#transmits.push(bytes);
  }

  #tell(event: MediaConnectionEvent): void {
    if (this.#events.length < MAX_QUEUED) this.#events.push(event);
  }
}
