/**
 * RTP and RTCP on the wire: packets, header extensions, retransmission, feedback and the frame descriptors by which
 * a forwarder finds key frames in payloads it cannot read. Everything is bounds-checked, and bad input throws
 * `FormatError`; nothing here keeps state.
 *
 * Left out: payload formats (payloads are encrypted end to end), but for where a key frame of VP8 begins, SRTP (the forwarding plane's), extended reports.
 *
 * @example
 * ```ts
 * const packet = parseRtpPacket(datagram);
 * const level = findExtension(packet.extensions, 1);
 * if (level !== undefined) console.log(parseAudioLevel(level).level);
 * ```
 *
 * @packageDocumentation
 */
export * from './dependency-descriptor.ts';
export * from './extension-value.ts';
export * from './generic-frame-descriptor.ts';
export type { GenericNack } from './generic-nack.ts';
export * from './header-extension.ts';
export * from './ntp-time.ts';
export type { BandwidthEstimate, FullIntraRequest, PictureLoss } from './payload-feedback.ts';
export * from './rtcp-packet.ts';
export type { ReceiverReport, ReportBlock, SenderReport } from './rtcp-report.ts';
export {
  CNAME_ITEM,
  cnameOf,
  type RtcpBye,
  type SourceDescription,
  type SourceDescriptionChunk,
} from './rtcp-source.ts';
export * from './rtp-packet.ts';
export * from './rtx.ts';
export { ARRIVAL_TICKS_PER_MS, type TransportFeedback } from './transport-feedback.ts';
export { startsVp8KeyFrame } from './vp8-payload.ts';
