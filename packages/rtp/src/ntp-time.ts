import type { NowMs } from '@conclave/bytes';

/** Seconds between the NTP epoch (1900) and the Unix epoch (1970). */
const UNIX_EPOCH_IN_NTP_SECONDS = 2_208_988_800n;

/** NTP timestamp (RFC 3550 §4: 32.32 fixed point seconds since 1900) of a time in milliseconds since 1970. */
export function ntpFromUnixMs(unixMs: number): bigint {
  const seconds = Math.floor(unixMs / 1000);
  const fraction = Math.floor(((unixMs - seconds * 1000) / 1000) * 2 ** 32);
  return BigInt.asUintN(64, ((BigInt(seconds) + UNIX_EPOCH_IN_NTP_SECONDS) << 32n) | BigInt(fraction));
}

/** Milliseconds since 1970 of an NTP timestamp of the years 1900 to 2036. */
export function unixMsFromNtp(ntp: bigint): number {
  const seconds = Number((ntp >> 32n) - UNIX_EPOCH_IN_NTP_SECONDS);
  return seconds * 1000 + (Number(ntp & 0xffff_ffffn) * 1000) / 2 ** 32;
}

/** Middle 32 bits of an NTP timestamp, as LSR and DLSR count: 16.16 fixed point seconds. */
export function middleNtp(ntp: bigint): number {
  return Number((ntp >> 16n) & 0xffff_ffffn);
}

/** Milliseconds of a 16.16 fixed point count of seconds, as in DLSR. */
export function msFromMiddleNtp(ticks: number): NowMs {
  return (ticks * 1000) / 65536;
}

/**
 * Round trip by a report block (RFC 3550 §6.4.1): time of arrival less LSR less DLSR, in milliseconds. `undefined`
 * when the block echoes no report, or one that cannot be ours (a negative result).
 */
export function roundTripMsFrom(
  arrivalMiddleNtp: number,
  lastReport: number,
  delay: number,
): number | undefined {
  if (lastReport === 0) return undefined;
  const ticks = (arrivalMiddleNtp - lastReport - delay) | 0;
  return ticks < 0 ? undefined : msFromMiddleNtp(ticks);
}
