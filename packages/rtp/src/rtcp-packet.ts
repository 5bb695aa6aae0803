import { ByteReader, ByteWriter, FormatError } from '@conclave/bytes';
import { encodeGenericNack, type GenericNack, parseGenericNack } from './generic-nack.ts';
import {
  type BandwidthEstimate,
  encodeBandwidthEstimate,
  encodeFullIntraRequest,
  encodePictureLoss,
  type FullIntraRequest,
  type PictureLoss,
  parseBandwidthEstimate,
  parseFullIntraRequest,
} from './payload-feedback.ts';
import {
  encodeReceiverReport,
  encodeSenderReport,
  parseReceiverReport,
  parseSenderReport,
  type ReceiverReport,
  type SenderReport,
} from './rtcp-report.ts';
import {
  encodeBye,
  encodeSourceDescription,
  parseBye,
  parseSourceDescription,
  type RtcpBye,
  type SourceDescription,
} from './rtcp-source.ts';
import {
  encodeTransportFeedback,
  parseTransportFeedback,
  type TransportFeedback,
} from './transport-feedback.ts';

/** A well-formed packet of a kind not read here: APP, XR, and feedback formats beyond those below. */
export interface OtherRtcp {
  readonly type: 'other';
  /** 192-223. */
  readonly packetType: number;
  /** The five bits after the padding bit: a count, or a feedback format. */
  readonly format: number;
  /** What follows the four-byte header, without padding; a view of the datagram's memory. */
  readonly body: Uint8Array;
}

/** One packet of a compound. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | RtcpBye
  | GenericNack
  | TransportFeedback
  | PictureLoss
  | FullIntraRequest
  | BandwidthEstimate
  | OtherRtcp;

/** RTCP packet types (RFC 3550 §12.1, RFC 4585 §6.1). */
export const RtcpType = { sr: 200, rr: 201, sdes: 202, bye: 203, app: 204, rtpfb: 205, psfb: 206 } as const;

/** Feedback formats (RFC 4585 §6, RFC 5104 §4, the transport-wide congestion control and REMB drafts). */
export const FeedbackFormat = { nack: 1, transportWide: 15, pli: 1, fir: 4, applicationLayer: 15 } as const;

/**
 * Reads a compound packet, or a reduced-size one (RFC 5506): all its packets in order. Throws {@link FormatError} if
 * any is malformed: `bad-version`, `truncated` (lengths that do not add up), `bad-padding` (RFC 3550 §6.4.1: on the
 * last packet only), and the reasons of each kind.
 */
export function parseRtcp(bytes: Uint8Array): RtcpPacket[] {
  const reader = new ByteReader(bytes);
  const packets: RtcpPacket[] = [];
  do {
    const first = reader.u8();
    if (first >>> 6 !== 2) throw new FormatError('bad-version', `RTCP version ${first >>> 6}`);
    const packetType = reader.u8();
    let body = reader.bytes(reader.u16() * 4);
    if ((first & 0x20) !== 0) {
      if (reader.remaining > 0) throw new FormatError('bad-padding', 'padding inside of a compound packet');
      // RFC 3550 §6.4.1 wants a multiple of four, but libwebrtc pads transport feedback by the 1-3 bytes it lacks.
      const count = body.at(-1) ?? 0;
      if (count === 0 || count > body.length) {
        throw new FormatError('bad-padding', `padding of ${count} bytes in ${body.length}`);
      }
      body = body.subarray(0, body.length - count);
    }
    packets.push(parseBody(packetType, first & 31, body));
  } while (reader.remaining > 0);
  return packets;
}

/** The bytes of the packets, one after the other. */
export function encodeRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  const out = new ByteWriter(256);
  for (const packet of packets) {
    const { packetType, format, body } = encodeBody(packet);
    if (body.length % 4 !== 0) throw new RangeError('an RTCP packet has a multiple of four bytes');
    out
      .u8(0x80 | format)
      .u8(packetType)
      .u16(body.length / 4)
      .bytes(body);
  }
  return out.finish();
}

function parseBody(packetType: number, format: number, body: Uint8Array): RtcpPacket {
  const reader = new ByteReader(body);
  switch (packetType) {
    case RtcpType.sr:
      return parseSenderReport(format, reader);
    case RtcpType.rr:
      return parseReceiverReport(format, reader);
    case RtcpType.sdes:
      return parseSourceDescription(format, body);
    case RtcpType.bye:
      return parseBye(format, reader);
    case RtcpType.rtpfb:
      if (format === FeedbackFormat.nack) return parseGenericNack(reader);
      if (format === FeedbackFormat.transportWide) return parseTransportFeedback(reader);
      break;
    case RtcpType.psfb: {
      if (format === FeedbackFormat.pli)
        return { type: 'picture-loss', senderSsrc: reader.u32(), mediaSsrc: reader.u32() };
      if (format === FeedbackFormat.fir) return parseFullIntraRequest(reader);
      if (format === FeedbackFormat.applicationLayer) {
        const estimate = parseBandwidthEstimate(reader);
        if (estimate !== undefined) return estimate;
      }
      break;
    }
  }
  return { type: 'other', packetType, format, body };
}

function encodeBody(packet: RtcpPacket): { packetType: number; format: number; body: Uint8Array } {
  switch (packet.type) {
    case 'sender-report':
      return { packetType: RtcpType.sr, format: packet.blocks.length, body: encodeSenderReport(packet) };
    case 'receiver-report':
      return { packetType: RtcpType.rr, format: packet.blocks.length, body: encodeReceiverReport(packet) };
    case 'source-description':
      return {
        packetType: RtcpType.sdes,
        format: packet.chunks.length,
        body: encodeSourceDescription(packet),
      };
    case 'bye':
      return { packetType: RtcpType.bye, format: packet.ssrcs.length, body: encodeBye(packet) };
    case 'nack':
      return { packetType: RtcpType.rtpfb, format: FeedbackFormat.nack, body: encodeGenericNack(packet) };
    case 'transport-feedback':
      return {
        packetType: RtcpType.rtpfb,
        format: FeedbackFormat.transportWide,
        body: encodeTransportFeedback(packet),
      };
    case 'picture-loss':
      return { packetType: RtcpType.psfb, format: FeedbackFormat.pli, body: encodePictureLoss(packet) };
    case 'full-intra-request':
      return { packetType: RtcpType.psfb, format: FeedbackFormat.fir, body: encodeFullIntraRequest(packet) };
    case 'bandwidth-estimate':
      return {
        packetType: RtcpType.psfb,
        format: FeedbackFormat.applicationLayer,
        body: encodeBandwidthEstimate(packet),
      };
    case 'other':
      return packet;
  }
}
