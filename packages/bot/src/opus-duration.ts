import { FormatError } from '@conclave/bytes';

/** Ticks of an RTP timestamp of Opus in a second, whatever the audio's sampling rate (RFC 7587 §4.1). */
export const OPUS_CLOCK_RATE = 48_000;

/** RFC 6716 §3.2.5: a packet holds at most 120 ms. */
const LONGEST_TICKS = 5760;
const MAX_COUNTED_FRAMES = 48;

/**
 * How long a packet of Opus plays, in ticks of 1/48000 s, by its first two bytes (RFC 6716 §3.1). Throws {@link FormatError}
 * `not-opus` for an empty packet and for one that claims more than 120 ms.
 */
export function opusDurationTicks(packet: Uint8Array): number {
  const [toc, count] = packet;
  if (toc === undefined) throw notOpus();
  const frames = framesOf(toc & 3, count);
  const ticks = frames * frameTicks(toc >>> 3);
  if (frames === 0 || ticks > LONGEST_TICKS) throw notOpus();
  return ticks;
}

function framesOf(code: number, countByte: number | undefined): number {
  if (code === 0) return 1;
  if (code < 3) return 2;
  return countByte === undefined ? 0 : Math.min(countByte & 0x3f, MAX_COUNTED_FRAMES + 1);
}

function frameTicks(configuration: number): number {
  // SILK: 10, 20, 40, 60 ms. Hybrid: 10, 20 ms. CELT: 2.5, 5, 10, 20 ms.
  if (configuration < 12) return [480, 960, 1920, 2880][configuration & 3]!;
  if (configuration < 16) return [480, 960][configuration & 1]!;
  return [120, 240, 480, 960][configuration & 3]!;
}

function notOpus(): FormatError {
  return new FormatError('not-opus', 'these bytes are no packet of Opus');
}
