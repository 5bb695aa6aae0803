import type { IpFamily } from '@conclave/bytes';

/** The kinds of candidate (RFC 8445 §4). */
export type IceCandidateType = 'host' | 'srflx' | 'prflx' | 'relay';

/**
 * Preferences of the types (RFC 8445 §5.1.2.2). Every TCP type stands below every direct UDP type: a lost
 * packet holds up all behind it there.
 */
const typePreference: Record<'udp' | 'tcp', Record<IceCandidateType, number>> = {
  udp: { host: 126, prflx: 110, srflx: 100, relay: 10 },
  tcp: { host: 90, prflx: 80, srflx: 70, relay: 0 },
};

/**
 * Priority of one of our candidates (RFC 8445 §5.1.2.1), component 1. Addresses of both families alternate
 * with IPv6 first (RFC 8421 §4); TCP candidates are passive (RFC 6544 §4.2).
 *
 * @param index how many candidates of the same transport and family come before this one
 */
export function candidatePriority(
  type: IceCandidateType,
  transport: 'udp' | 'tcp',
  family: IpFamily,
  index: number,
): number {
  const down = 2 * index + (family === 4 ? 1 : 0);
  const localPreference = transport === 'udp' ? 65535 - down : 4 * 8192 + Math.max(8191 - down, 0);
  return typePreference[transport][type] * 2 ** 24 + Math.max(localPreference, 0) * 2 ** 8 + 255;
}

/**
 * Order of two pairs by pair priority (RFC 8445 §6.1.2.3), negative when the first ranks higher: by the lower
 * of a pair's two priorities, then the higher, then whether the controlling side's is the higher.
 */
export function comparePairPriority(
  a: { controlling: number; controlled: number },
  b: { controlling: number; controlled: number },
): number {
  return (
    Math.min(b.controlling, b.controlled) - Math.min(a.controlling, a.controlled) ||
    Math.max(b.controlling, b.controlled) - Math.max(a.controlling, a.controlled) ||
    Number(b.controlling > b.controlled) - Number(a.controlling > a.controlled)
  );
}
