import { type ByteReader, ByteWriter, FormatError } from '@conclave/bytes';

/** A receiver cannot decode and needs a key frame (PLI, RFC 4585 §6.3.1). */
export interface PictureLoss {
  readonly type: 'picture-loss';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
}

/** A command to send key frames (FIR, RFC 5104 §4.3.1). */
export interface FullIntraRequest {
  readonly type: 'full-intra-request';
  readonly senderSsrc: number;
  /** Senders asked. `sequence` (8 bits) tells a new command from a repeated one. */
  readonly requests: readonly { readonly ssrc: number; readonly sequence: number }[];
}

/** A receiver's estimate of the bit rate it can take (REMB, draft-alvestrand-rmcat-remb-03 §2.2). */
export interface BandwidthEstimate {
  readonly type: 'bandwidth-estimate';
  readonly senderSsrc: number;
  /** Bits per second: an 18-bit mantissa times a power of two, so it may exceed 2^53; then it is rounded. */
  readonly bitrateBps: number;
  readonly ssrcs: readonly number[];
}

const REMB_NAME = 0x52454d42;

/** The body of a PLI. */
export function encodePictureLoss({ senderSsrc, mediaSsrc }: PictureLoss): Uint8Array {
  return new ByteWriter().u32(senderSsrc).u32(mediaSsrc).finish();
}

/** Reads the body of a FIR. Throws `FormatError` `truncated` or `bad-fir`. */
export function parseFullIntraRequest(reader: ByteReader): FullIntraRequest {
  const senderSsrc = reader.u32();
  reader.u32();
  if (reader.remaining === 0) throw new FormatError('bad-fir', 'a FIR has at least one entry');
  const requests: { ssrc: number; sequence: number }[] = [];
  while (reader.remaining > 0) {
    requests.push({ ssrc: reader.u32(), sequence: reader.u8() });
    reader.u24();
  }
  return { type: 'full-intra-request', senderSsrc, requests };
}

/** The body of a FIR. Throws `RangeError` on no requests. */
export function encodeFullIntraRequest({ senderSsrc, requests }: FullIntraRequest): Uint8Array {
  if (requests.length === 0) throw new RangeError('a FIR has at least one entry');
  // RFC 5104 §4.3.1.2: the SSRC of the media source is not used and shall be 0.
  const out = new ByteWriter().u32(senderSsrc).u32(0);
  for (const { ssrc, sequence } of requests) out.u32(ssrc).u8(sequence).u24(0);
  return out.finish();
}

/** `undefined` when the application layer feedback is not a REMB. */
export function parseBandwidthEstimate(reader: ByteReader): BandwidthEstimate | undefined {
  const senderSsrc = reader.u32();
  reader.u32();
  if (reader.remaining < 4 || reader.u32() !== REMB_NAME) return undefined;
  const count = reader.u8();
  const rate = reader.u24();
  const ssrcs: number[] = [];
  for (let i = 0; i < count; i++) ssrcs.push(reader.u32());
  return {
    type: 'bandwidth-estimate',
    senderSsrc,
    bitrateBps: (rate & 0x3ffff) * 2 ** (rate >>> 18),
    ssrcs,
  };
}

/** The rate is rounded down to 18 significant bits. */
export function encodeBandwidthEstimate({ senderSsrc, bitrateBps, ssrcs }: BandwidthEstimate): Uint8Array {
  if (ssrcs.length > 255) throw new RangeError('a REMB names at most 255 streams');
  let exponent = 0;
  let mantissa = bitrateBps;
  while (mantissa > 0x3ffff) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  const out = new ByteWriter().u32(senderSsrc).u32(0).u32(REMB_NAME).u8(ssrcs.length);
  out.u24((exponent << 18) | mantissa);
  for (const ssrc of ssrcs) out.u32(ssrc);
  return out.finish();
}
