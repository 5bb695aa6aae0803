import { serialDelta32 } from '@conclave/bytes';
import { type SenderReport, unixMsFromNtp } from '@conclave/rtp';

/** What arrived in one slot. */
export interface ReceivedStream {
  packets: number;
  /** Contributing sources seen, with the number of packets of each. */
  readonly sources: Map<number, number>;
  lastSequence: number;
  lastTimestamp: number;
  /** When the last packet came, on the monotonic clock. */
  lastArrivalMs: number;
  /** The latest sender report of the slot. */
  report: SenderReport | undefined;
  /** Ticks per second of its timestamps. */
  clockRate: number;
  /** Packets whose sequence number did not follow its predecessor's. */
  gaps: number;
}

/**
 * How late the last packet of a stream came after it was captured, in milliseconds by the clock of the sender
 * reports, which is shared by all streams of a server: only differences between streams mean something.
 */
export function captureDelayMs(stream: ReceivedStream): number | undefined {
  if (!stream.report) return undefined;
  const ticks = serialDelta32(stream.report.rtpTimestamp, stream.lastTimestamp);
  return stream.lastArrivalMs - (unixMsFromNtp(stream.report.ntpTime) + (ticks * 1000) / stream.clockRate);
}
