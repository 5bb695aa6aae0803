import { type ByteReader, ByteWriter, FormatError } from '@conclave/bytes';
import { readPacketStatuses, writePacketStatuses } from './packet-status.ts';

/**
 * Arrivals of packets by transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1):
 *
 * ```
 * +-------------------------------+-------------------------------+
 * |      base sequence number     |      packet status count      |
 * +-------------------------------+---------------+---------------+
 * |                 reference time                | fb pkt. count |
 * +-----------------------------------------------+---------------+
 * |     packet status chunks, then receive deltas, then zeros     |
 * +---------------------------------------------------------------+
 * ```
 */
export interface TransportFeedback {
  readonly type: 'transport-feedback';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  /** Transport-wide sequence number of the first entry. */
  readonly baseSequence: number;
  /** Counts the feedback packets, 8 bits: a gap is a lost one. */
  readonly feedbackCount: number;
  /**
   * When each packet from `baseSequence` on arrived, in ticks of 250 µs on the receiver's clock; `undefined` for one
   * that has not. 1 to 65535 entries. The reference time on the wire makes them wrap at ±2^31 ticks (6.2 days).
   */
  readonly arrivals: readonly (number | undefined)[];
}

/** Ticks of {@link TransportFeedback.arrivals} in a millisecond. */
export const ARRIVAL_TICKS_PER_MS = 4;

/** The reference time counts 64 ms. */
const TICKS_PER_REFERENCE = 256;

/** Reads the body of transport-wide feedback. Throws `FormatError` `truncated` or `bad-transport-feedback`. */
export function parseTransportFeedback(reader: ByteReader): TransportFeedback {
  const senderSsrc = reader.u32();
  const mediaSsrc = reader.u32();
  const baseSequence = reader.u16();
  const count = reader.u16();
  const reference = (reader.u24() << 8) >> 8;
  const feedbackCount = reader.u8();
  if (count === 0) throw new FormatError('bad-transport-feedback', 'no packet is reported');
  const statuses = readPacketStatuses(reader, count);
  let time = reference * TICKS_PER_REFERENCE;
  const arrivals: (number | undefined)[] = [];
  for (const status of statuses) {
    if (status === 'lost') {
      arrivals.push(undefined);
      continue;
    }
    time += status === 'small' ? reader.u8() : (reader.u16() << 16) >> 16;
    arrivals.push(time);
  }
  // At most three bytes: some senders count them as RTCP padding, some do not.
  if (reader.remaining > 3) throw new FormatError('bad-transport-feedback', 'more deltas than packets');
  return { type: 'transport-feedback', senderSsrc, mediaSsrc, baseSequence, feedbackCount, arrivals };
}

/**
 * Throws `RangeError` when an arrival is more than 8.19 s from the one before it: begin another packet there. The
 * reference time is that of the first arrival, rounded down.
 */
export function encodeTransportFeedback(feedback: TransportFeedback): Uint8Array {
  const { arrivals } = feedback;
  if (arrivals.length < 1 || arrivals.length > 0xffff)
    throw new RangeError('1 to 65535 packets are reported');
  const reference = Math.floor((arrivals.find((a) => a !== undefined) ?? 0) / TICKS_PER_REFERENCE);
  const deltas: number[] = [];
  let time = reference * TICKS_PER_REFERENCE;
  for (const arrival of arrivals) {
    if (arrival === undefined) continue;
    const delta = arrival - time;
    if (delta < -0x8000 || delta > 0x7fff) throw new RangeError('arrivals too far apart for one packet');
    deltas.push(delta);
    time = arrival;
  }
  let next = 0;
  const statuses = arrivals.map((arrival) => {
    if (arrival === undefined) return 'lost' as const;
    return isSmall(deltas[next++]!) ? ('small' as const) : ('large' as const);
  });
  const out = new ByteWriter().u32(feedback.senderSsrc).u32(feedback.mediaSsrc);
  out.u16(feedback.baseSequence).u16(arrivals.length).u24(reference).u8(feedback.feedbackCount);
  writePacketStatuses(out, statuses);
  for (const delta of deltas) {
    if (isSmall(delta)) out.u8(delta);
    else out.u16(delta);
  }
  return out.padTo(4).finish();
}

function isSmall(delta: number): boolean {
  return delta >= 0 && delta <= 0xff;
}
