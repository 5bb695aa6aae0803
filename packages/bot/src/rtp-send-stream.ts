import { type NowMs, seqAdd16, serialAdd32 } from '@conclave/bytes';
import {
  encapsulateRtx,
  encodeAbsSendTime,
  encodeRtpPacket,
  type HeaderExtension,
  ntpFromUnixMs,
  type RtpPacket,
  type SenderReport,
} from '@conclave/rtp';

/** What stays the same for all packets of an outgoing stream. */
export interface RtpSendStreamOptions {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Ticks per second of the timestamps. */
  readonly clockRate: number;
  /** With both, lost packets are sent again (RFC 4588); without, requests are passed over. */
  readonly rtxSsrc?: number | undefined;
  readonly rtxPayloadType?: number | undefined;
  /** Id of the absolute send time extension, if agreed on. */
  readonly absSendTimeId?: number | undefined;
  /** Random, below 2^15, so that a receiver that misses the first packets guesses the SRTP rollover right. */
  readonly firstSequence: number;
  readonly firstRtxSequence: number;
}

/** One packet of a frame, in order. */
export interface OutgoingPart {
  readonly payload: Uint8Array;
  readonly extensions: readonly HeaderExtension[];
}

interface SentPacket {
  readonly packet: RtpPacket;
  readonly sentMs: NowMs;
  repeatedMs: NowMs;
}

/** Packets remembered to be sent again: 2 s of lively video. Fewer lose repairs of large key frames, more cost 1.2 kB each. */
const MAX_REMEMBERED_PACKETS = 1024;
/** How long a packet may be asked for again; later it comes too late for every receiver. */
const REMEMBERED_MS = 2000;
/** Repairs a second, and at once: a request of four bytes can name 17 packets. */
const MAX_REPAIRS_PER_SECOND = 500;

/** One outgoing stream: numbers its packets, remembers them for repairs, reports about itself. Sans-IO. */
export class RtpSendStream {
  readonly #options: RtpSendStreamOptions;
  readonly #sent = new Map<number, SentPacket>();
  #sequence: number;
  #rtxSequence: number;
  #packets = 0;
  #octets = 0;
  #lastTimestamp = 0;
  #lastSentMs: NowMs = 0;
  #repairsLeft = MAX_REPAIRS_PER_SECOND;
  #repairsRefilledMs: NowMs = 0;
  #repeatedPackets = 0;

  constructor(options: RtpSendStreamOptions) {
    this.#options = options;
    this.#sequence = options.firstSequence;
    this.#rtxSequence = options.firstRtxSequence;
  }

  get ssrc(): number {
    return this.#options.ssrc;
  }

  /** Packets sent, repairs not counted. */
  get packets(): number {
    return this.#packets;
  }

  /** Bytes of payload sent, repairs not counted. */
  get octets(): number {
    return this.#octets;
  }

  /** Packets sent again. */
  get repeatedPackets(): number {
    return this.#repeatedPackets;
  }

  /** The packets of one frame, to be protected and sent; the last one carries the marker if `marker` says so. */
  packetise(
    now: NowMs,
    frame: {
      readonly timestampTicks: number;
      readonly marker: boolean;
      readonly parts: readonly OutgoingPart[];
    },
  ): Uint8Array[] {
    const { ssrc, payloadType } = this.#options;
    return frame.parts.map((part, at) => {
      const packet: RtpPacket = {
        marker: frame.marker && at === frame.parts.length - 1,
        payloadType,
        sequence: this.#sequence,
        timestamp: frame.timestampTicks,
        ssrc,
        csrcs: [],
        extensions: part.extensions,
        payload: part.payload,
        paddingLength: 0,
      };
      this.#sequence = seqAdd16(this.#sequence, 1);
      this.#packets++;
      this.#octets += part.payload.length;
      this.#lastTimestamp = frame.timestampTicks;
      this.#lastSentMs = now;
      this.#remember(now, packet);
      return this.#encode(now, packet);
    });
  }

  /** Packets to be sent again, of those asked for that are still remembered; each at most once per round trip. */
  repeat(now: NowMs, sequences: readonly number[], roundTripMs: number): Uint8Array[] {
    const { rtxSsrc, rtxPayloadType } = this.#options;
    if (rtxSsrc === undefined || rtxPayloadType === undefined) return [];
    const refill = ((now - this.#repairsRefilledMs) * MAX_REPAIRS_PER_SECOND) / 1000;
    this.#repairsLeft = Math.min(MAX_REPAIRS_PER_SECOND, this.#repairsLeft + refill);
    this.#repairsRefilledMs = now;
    const repairs: Uint8Array[] = [];
    for (const sequence of sequences) {
      const sent = this.#sent.get(sequence);
      if (sent === undefined || now - sent.sentMs > REMEMBERED_MS || now < sent.repeatedMs + roundTripMs)
        continue;
      if (this.#repairsLeft < 1) break;
      this.#repairsLeft--;
      sent.repeatedMs = now;
      const target = { ssrc: rtxSsrc, payloadType: rtxPayloadType, sequence: this.#rtxSequence };
      this.#rtxSequence = seqAdd16(this.#rtxSequence, 1);
      this.#repeatedPackets++;
      repairs.push(this.#encode(now, encapsulateRtx(sent.packet, target)));
    }
    return repairs;
  }

  /** The stream's report at this moment, without report blocks; undefined before the first packet. */
  report(now: NowMs, unixMs: number): SenderReport | undefined {
    if (this.#packets === 0) return undefined;
    const ticks = Math.round(((now - this.#lastSentMs) * this.#options.clockRate) / 1000);
    return {
      type: 'sender-report',
      ssrc: this.#options.ssrc,
      ntpTime: ntpFromUnixMs(unixMs),
      rtpTimestamp: serialAdd32(this.#lastTimestamp, ticks),
      packetCount: this.#packets >>> 0,
      octetCount: this.#octets >>> 0,
      blocks: [],
    };
  }

  #encode(now: NowMs, packet: RtpPacket): Uint8Array {
    const id = this.#options.absSendTimeId;
    if (id === undefined) return encodeRtpPacket(packet);
    const stamp = { id, value: encodeAbsSendTime(now) };
    return encodeRtpPacket({ ...packet, extensions: [...packet.extensions, stamp] });
  }

  #remember(now: NowMs, packet: RtpPacket): void {
    if (this.#options.rtxSsrc === undefined) return;
    // A map keeps the order of insertion: a number that comes around again has to go to the end.
    this.#sent.delete(packet.sequence);
    this.#sent.set(packet.sequence, { packet, sentMs: now, repeatedMs: Number.NEGATIVE_INFINITY });
    if (this.#sent.size > MAX_REMEMBERED_PACKETS) this.#sent.delete(this.#sent.keys().next().value!);
  }
}
