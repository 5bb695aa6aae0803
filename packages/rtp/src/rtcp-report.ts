import { type ByteReader, ByteWriter } from '@conclave/bytes';

/** What a receiver says about one source (RFC 3550 §6.4.1). */
export interface ReportBlock {
  readonly ssrc: number;
  /** Lost since the last report, in 1/256 of those expected: 0-255. */
  readonly fractionLost: number;
  /** Lost since the beginning: signed 24 bits. */
  readonly cumulativeLost: number;
  /** Extended highest sequence number received: 32 bits, the upper 16 count the wraps. */
  readonly highestSequence: number;
  /** Interarrival jitter, in ticks of the stream's clock. */
  readonly jitterTicks: number;
  /** Middle 32 bits of the NTP time of the last sender report; 0 if there was none. */
  readonly lastReport: number;
  /** Delay since that report, in 1/65536 s. */
  readonly delaySinceLastReport: number;
}

/** A sender's report about its own stream and those it receives (RFC 3550 §6.4.1). */
export interface SenderReport {
  readonly type: 'sender-report';
  readonly ssrc: number;
  /** Wall clock, 32.32 fixed point seconds since 1900. */
  readonly ntpTime: bigint;
  /** The same moment on the stream's clock. */
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
  /** At most 31. */
  readonly blocks: readonly ReportBlock[];
}

/** A report of one who only receives (RFC 3550 §6.4.2). */
export interface ReceiverReport {
  readonly type: 'receiver-report';
  readonly ssrc: number;
  /** At most 31. */
  readonly blocks: readonly ReportBlock[];
}

/** Reads the body of a sender report with `count` blocks. Throws `FormatError` `truncated`. */
export function parseSenderReport(count: number, reader: ByteReader): SenderReport {
  const ssrc = reader.u32();
  const ntpTime = reader.u64();
  const rtpTimestamp = reader.u32();
  const packetCount = reader.u32();
  const octetCount = reader.u32();
  const blocks = readBlocks(count, reader);
  return { type: 'sender-report', ssrc, ntpTime, rtpTimestamp, packetCount, octetCount, blocks };
}

/** Reads the body of a receiver report with `count` blocks. Throws `FormatError` `truncated`. */
export function parseReceiverReport(count: number, reader: ByteReader): ReceiverReport {
  return { type: 'receiver-report', ssrc: reader.u32(), blocks: readBlocks(count, reader) };
}

/** The body of a sender report. Throws `RangeError` on more than 31 blocks. */
export function encodeSenderReport(report: SenderReport): Uint8Array {
  const out = new ByteWriter().u32(report.ssrc).u64(report.ntpTime).u32(report.rtpTimestamp);
  out.u32(report.packetCount).u32(report.octetCount);
  return writeBlocks(out, report.blocks);
}

/** The body of a receiver report. Throws `RangeError` on more than 31 blocks. */
export function encodeReceiverReport(report: ReceiverReport): Uint8Array {
  return writeBlocks(new ByteWriter().u32(report.ssrc), report.blocks);
}

function readBlocks(count: number, reader: ByteReader): ReportBlock[] {
  const blocks: ReportBlock[] = [];
  for (let i = 0; i < count; i++) {
    blocks.push({
      ssrc: reader.u32(),
      fractionLost: reader.u8(),
      cumulativeLost: (reader.u24() << 8) >> 8,
      highestSequence: reader.u32(),
      jitterTicks: reader.u32(),
      lastReport: reader.u32(),
      delaySinceLastReport: reader.u32(),
    });
  }
  // What is left is a profile-specific extension (RFC 3550 §6.4.3), of which none is known here.
  return blocks;
}

function writeBlocks(out: ByteWriter, blocks: readonly ReportBlock[]): Uint8Array {
  if (blocks.length > 31) throw new RangeError('a report has at most 31 blocks');
  for (const b of blocks) {
    out.u32(b.ssrc).u8(b.fractionLost).u24(b.cumulativeLost).u32(b.highestSequence);
    out.u32(b.jitterTicks).u32(b.lastReport).u32(b.delaySinceLastReport);
  }
  return out.finish();
}
