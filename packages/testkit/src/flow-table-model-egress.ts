import { serialAdd32 } from '@conclave/bytes';
import type { EgressId, EgressOptions, EgressStats, ExtensionIds } from '@conclave/forwarder';
import {
  encodeAbsSendTime,
  encodeRtpPacket,
  fitsOneByteForm,
  type HeaderExtension,
  type RtpPacket,
} from '@conclave/rtp';
import type { ModelGroup } from './flow-table-model-group.ts';
import type { ModelIngress, PlacedPacket } from './flow-table-model-ingress.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';

/** When a packet arrived and, if a sender report tells, was captured: microseconds of our clock. */
export interface PacketTime {
  readonly arrivalUs: number;
  readonly captureUs?: number;
}

/** A source that is to take over. */
export interface Wish {
  readonly ingress: ModelIngress;
  readonly at: 'now' | 'key-frame';
  readonly deadlineUs: number;
}

/** What was sent under a sequence number, for retransmission. */
interface SentPacket {
  readonly sequence: number;
  readonly ingress: ModelIngress;
  readonly position: number;
  readonly timestamp: number;
  resentUs: number;
}

const CAPTURE_TOLERANCE_US = 500_000;
const REMEMBERED = 1024;
const RESENDS_PER_SECOND = 300;
const RESEND_BURST = 150;
/** Extensions that are forwarded, in the order in which they are written. */
const FORWARDED = ['audioLevel', 'absSendTime', 'genericFrameDescriptor', 'dependencyDescriptor'] as const;

/** An outgoing slot in the model of the flow table. */
export class ModelEgress {
  readonly id: EgressId;
  readonly options: EgressOptions;
  readonly peer: ModelPeer;
  group: ModelGroup | undefined;
  source: ModelIngress | undefined;
  /** Whether the next packet of the source is the first after a switch. */
  startsAnew = true;
  wish: Wish | undefined;

  #last: { sequence: number; timestamp: number; time: PacketTime } | undefined;
  #firstPosition = 0;
  #sequenceOffset = 0;
  #timestampOffset = 0;
  #sent = new Map<number, SentPacket>();
  #rtxSequence: number;
  #budget = { tokens: RESEND_BURST, atUs: 0 };
  #totals = { packets: 0, bytes: 0, retransmittedPackets: 0, nacksReceived: 0 };

  constructor(id: EgressId, options: EgressOptions, peer: ModelPeer) {
    this.id = id;
    this.options = options;
    this.peer = peer;
    this.#rtxSequence = options.initialRtxSequence;
  }

  /** Makes this packet the first of its source here. */
  begin(source: ModelIngress, { position, index, rtp, time }: PlacedPacket): void {
    this.source = source;
    this.startsAnew = false;
    this.#firstPosition = position;
    const last = this.#last;
    if (last === undefined) {
      this.#sequenceOffset = this.options.initialSequence - index;
      this.#timestampOffset = this.options.initialTimestamp - rtp.timestamp;
      return;
    }
    const ticks = Math.floor((elapsedUs(last.time, time) * this.options.clockRate) / 1_000_000);
    this.#sequenceOffset = last.sequence + 1 - index;
    this.#timestampOffset = last.timestamp + Math.max(1, ticks) - rtp.timestamp;
  }

  /** The packet as this slot's receiver gets it, unprotected; `undefined` when it is older than its source's first. */
  rewrite(nowUs: number, source: ModelIngress, packet: PlacedPacket): Uint8Array | undefined {
    if (packet.position < this.#firstPosition) return undefined;
    const sequence = packet.index + this.#sequenceOffset;
    const timestamp = serialAdd32(packet.rtp.timestamp, this.#timestampOffset);
    if (this.#last === undefined || sequence > this.#last.sequence) {
      this.#last = { sequence, timestamp, time: packet.time };
    }
    const position = packet.position;
    const remembered = { sequence: sequence & 0xffff, ingress: source, position, timestamp };
    this.#sent.set(sequence & (REMEMBERED - 1), { ...remembered, resentUs: Number.NEGATIVE_INFINITY });
    return encodeRtpPacket(
      {
        ...this.#header(nowUs, source, packet.rtp, timestamp),
        sequence: sequence & 0xffff,
        payload: packet.rtp.payload,
      },
      'one-byte',
    );
  }

  /** The retransmission of what was sent under the sequence number, unprotected, if it may and can be made. */
  resend(nowUs: number, sequence: number): Uint8Array | undefined {
    const { rtxSsrc, rtxPayloadType } = this.options;
    const sent = this.#sent.get(sequence & (REMEMBERED - 1));
    if (rtxSsrc === undefined || rtxPayloadType === undefined || sent?.sequence !== sequence)
      return undefined;
    if (nowUs - sent.resentUs < this.peer.roundTripUs) return undefined;
    const original = sent.ingress.kept(nowUs, sent.position);
    if (original === undefined || !this.#takeBudget(nowUs)) return undefined;
    sent.resentUs = nowUs;
    this.#totals.retransmittedPackets++;
    const payload = Uint8Array.of(sequence >>> 8, sequence, ...original.payload);
    const header = this.#header(nowUs, sent.ingress, original, sent.timestamp);
    const rtxSequence = this.#rtxSequence;
    this.#rtxSequence = (rtxSequence + 1) & 0xffff;
    return encodeRtpPacket(
      { ...header, ssrc: rtxSsrc, payloadType: rtxPayloadType, sequence: rtxSequence, payload },
      'one-byte',
    );
  }

  countNack(): void {
    this.#totals.nacksReceived++;
  }

  countSent(bytes: number): void {
    this.#totals.packets++;
    this.#totals.bytes += bytes;
  }

  get stats(): EgressStats {
    return { egress: this.id, ...this.#totals };
  }

  #header(
    nowUs: number,
    source: ModelIngress,
    rtp: RtpPacket,
    timestamp: number,
  ): Omit<RtpPacket, 'sequence'> {
    return {
      marker: rtp.marker,
      payloadType: this.options.payloadType,
      timestamp,
      ssrc: this.options.ssrc,
      csrcs: [source.options.csrc],
      extensions: mapExtensions(nowUs, rtp, source.peer.options.extensions, this.options.extensions),
      payload: rtp.payload,
      paddingLength: 0,
    };
  }

  #takeBudget(nowUs: number): boolean {
    const refill = (RESENDS_PER_SECOND * (nowUs - this.#budget.atUs)) / 1e6;
    this.#budget = { tokens: Math.min(RESEND_BURST, this.#budget.tokens + refill), atUs: nowUs };
    if (this.#budget.tokens < 1) return false;
    this.#budget.tokens -= 1;
    return true;
  }
}

/** Time between two packets: by their capture if that is known and credible, else by their arrival. */
function elapsedUs(from: PacketTime, to: PacketTime): number {
  const byArrival = to.arrivalUs - from.arrivalUs;
  if (from.captureUs === undefined || to.captureUs === undefined) return byArrival;
  const byCapture = to.captureUs - from.captureUs;
  return Math.abs(byCapture - byArrival) <= CAPTURE_TOLERANCE_US ? byCapture : byArrival;
}

function mapExtensions(
  nowUs: number,
  rtp: RtpPacket,
  from: ExtensionIds,
  to: ExtensionIds,
): HeaderExtension[] {
  const mapped: HeaderExtension[] = [];
  for (const meaning of FORWARDED) {
    const id = to[meaning];
    const found = rtp.extensions.find((extension) => extension.id === from[meaning]);
    if (id === undefined || found === undefined || !fitsOneByteForm({ id, value: found.value })) continue;
    mapped.push({ id, value: meaning === 'absSendTime' ? encodeAbsSendTime(nowUs / 1000) : found.value });
  }
  return mapped;
}
