/**
 * One SCTP association over DTLS with WebRTC data channels: RFC 9260 as far as browsers speak it, stream reset (RFC
 * 6525), reception of FORWARD TSN (RFC 3758), and DCEP (RFC 8832). Sans-IO: bytes, time and randomness come in as
 * arguments, packets and events are polled.
 *
 * Left out: more than one path, sending partially reliable or unordered messages, message interleaving (I-DATA),
 * the empty checksum, authentication chunks: DTLS protects the packets.
 *
 * @example
 * ```ts
 * const association = new SctpAssociation({ role: 'server', random });
 * const streamId = association.openChannel({ label: 'chat' });
 * association.connect(now);
 * // After every input (connect, send, handlePacket, handleTimeout …), drain what it led to:
 * for (let event = association.pollEvent(); event; event = association.pollEvent()) react(event);
 * for (let bytes = association.pollTransmit(); bytes; bytes = association.pollTransmit()) dtls.send(bytes);
 * wakeAt(association.pollTimeout()); // then association.handleTimeout(now)
 * ```
 *
 * @packageDocumentation
 */
export type { OpenChannelOptions } from './data-channels.ts';
export { SctpAssociation } from './sctp-association.ts';
export type { SctpEvent } from './sctp-event.ts';
export {
  defaultSctpLimits,
  defaultSctpTimings,
  type SctpLimits,
  type SctpOptions,
  type SctpTimings,
} from './sctp-options.ts';
export type { SctpState } from './sctp-state.ts';
export type { SctpDropReason, SctpStats } from './sctp-stats.ts';
