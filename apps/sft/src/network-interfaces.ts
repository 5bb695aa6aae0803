import type { networkInterfaces } from 'node:os';
import { canonicalIp, type IpFamily, ipFamily } from '@conclave/bytes';

/** An address of this machine that clients may send media to. */
export interface MediaAddress {
  /** What is bound. */
  readonly address: string;
  /** What clients are told: the public address of its family where one is configured. */
  readonly advertised: string;
  readonly family: IpFamily;
}

/**
 * Picks the addresses to bind: of the named interfaces, or of all that are neither loopback nor link-local. With a
 * public address for a family, that family's addresses are advertised as it, each port unchanged (1:1 NAT); a second
 * address that would be advertised the same way is left out.
 */
export function selectMediaAddresses(
  available: ReturnType<typeof networkInterfaces>,
  wanted: readonly string[],
  publicAddresses: readonly string[],
): MediaAddress[] {
  const publicOf = new Map<IpFamily, string>();
  for (const text of publicAddresses) {
    const address = canonicalIp(text);
    if (address) publicOf.set(ipFamily(address), address);
  }
  const selected: MediaAddress[] = [];
  const advertisedAlready = new Set<string>();
  for (const [name, addresses] of Object.entries(available)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    for (const info of addresses ?? []) {
      const address = canonicalIp(info.address);
      if (!address) continue;
      const linkLocal = address.startsWith('169.254.') || /^fe[89ab]/.test(address);
      if (linkLocal || (wanted.length === 0 && info.internal)) continue;
      const family = ipFamily(address);
      const advertised = publicOf.get(family) ?? address;
      if (advertisedAlready.has(advertised)) continue;
      advertisedAlready.add(advertised);
      selected.push({ address, advertised, family });
    }
  }
  return selected;
}
