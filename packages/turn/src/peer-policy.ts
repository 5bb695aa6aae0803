import { parseIp } from '@conclave/bytes';
import { type AddressRange, parseAddressRange, rangeHolds } from './address-range.ts';

/** Lists of `address`, `address/prefix` or `first-last` of either family. */
export interface PeerPolicyLists {
  /** Allowed although special-purpose or the server's own. */
  readonly allow?: readonly string[];
  /** Whether everything that is not in `allow` is denied, as for a relay that leads to known servers alone. */
  readonly allowedOnly?: boolean;
  /** Denied whatever else is said. */
  readonly deny?: readonly string[];
  /**
   * Every address the server listens on, relays from or is known by outside. Denied unless allowed, so that no
   * client reaches services beside the server by way of it.
   */
  readonly own?: readonly string[];
}

/**
 * Ranges that are not for peers out on the internet: the special-purpose registries of RFC 6890 with later
 * additions, multicast and what was never assigned. They keep a relay from being a door into the network it
 * stands in.
 */
export const specialPurposeRanges: readonly string[] = [
  '0.0.0.0/8', // this network (RFC 791)
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // shared with carrier NAT (RFC 6598)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, and the metadata services of clouds (RFC 3927)
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments (RFC 6890)
  '192.0.2.0/24', // documentation (RFC 5737)
  '192.31.196.0/24', // AS112 (RFC 7535)
  '192.52.193.0/24', // AMT (RFC 7450)
  '192.88.99.0/24', // 6to4 relays (RFC 7526)
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112 (RFC 7534)
  '198.18.0.0/15', // benchmarks (RFC 2544)
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
  // Global unicast is 2000::/3 alone. Outside lie the unspecified and loopback addresses, IPv4-mapped and
  // -compatible forms, NAT64, discard-only, unique local, link-local, site-local and multicast addresses.
  '::/3',
  '4000::/2',
  '8000::/1',
  '2001::/23', // protocol assignments, among them Teredo (RFC 2928)
  '2001:db8::/32', // documentation (RFC 3849)
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation (RFC 9637)
];

const special: readonly AddressRange[] = specialPurposeRanges.map(parseAddressRange);

/** Prefixes whose addresses stand for an IPv4 address, and the byte where that begins. */
const embeddings: readonly { readonly range: AddressRange; readonly at: number }[] = [
  { range: parseAddressRange('::/96'), at: 12 }, // IPv4-compatible (RFC 4291 §2.5.5.1)
  { range: parseAddressRange('::ffff:0:0/96'), at: 12 }, // IPv4-mapped (RFC 4291 §2.5.5.2)
  { range: parseAddressRange('::ffff:0:0:0/96'), at: 12 }, // IPv4-translated (RFC 2765)
  { range: parseAddressRange('64:ff9b::/96'), at: 12 }, // NAT64 (RFC 6052)
  { range: parseAddressRange('64:ff9b:1::/48'), at: 12 }, // local NAT64 with a /96 inside (RFC 8215)
  { range: parseAddressRange('2002::/16'), at: 2 }, // 6to4 (RFC 3056)
];

const notEmbedding: AddressRange = parseAddressRange('::-::1');

/**
 * Which peer addresses relays may exchange packets with. Immutable. In this order: the deny list; the same
 * question for the IPv4 address that an IPv6 address stands for; the allow list; the server's own addresses;
 * {@link specialPurposeRanges}; everything else is permitted, unless the allowed ones alone are.
 *
 * @example
 * new PeerPolicy({ allow: ['10.1.0.0/16'], deny: ['10.1.0.1'] }).permits('10.1.2.3') // true
 */
export class PeerPolicy {
  readonly #allow: readonly AddressRange[];
  readonly #deny: readonly AddressRange[];
  readonly #own: readonly AddressRange[];
  readonly #allowedOnly: boolean;

  /** Throws FormatError `bad-address-range` when a list has an entry that is no range. */
  constructor(lists: PeerPolicyLists = {}) {
    this.#allow = (lists.allow ?? []).map(parseAddressRange);
    this.#deny = (lists.deny ?? []).map(parseAddressRange);
    this.#own = (lists.own ?? []).map(parseAddressRange);
    this.#allowedOnly = lists.allowedOnly ?? false;
  }

  /** Whether this address in text form may be a peer; `false` for text that is no address. */
  permits(address: string): boolean {
    const ip = parseIp(address);
    return ip !== undefined && this.#permits(ip);
  }

  #permits(ip: Uint8Array): boolean {
    if (holds(this.#deny, ip)) return false;
    const embedded = embeddedIpv4(ip);
    if (embedded && !this.#permits(embedded)) return false;
    if (holds(this.#allow, ip)) return true;
    return !this.#allowedOnly && !holds(this.#own, ip) && !holds(special, ip);
  }
}

/** The IPv4 address that a translated, mapped or tunnelled IPv6 address leads to, or `undefined`. */
export function embeddedIpv4(ip: Uint8Array): Uint8Array | undefined {
  // The unspecified and the loopback address look compatible and are not (RFC 4291 §2.5.5.1).
  if (rangeHolds(notEmbedding, ip)) return undefined;
  const found = embeddings.find((e) => rangeHolds(e.range, ip));
  return found && ip.slice(found.at, found.at + 4);
}

function holds(ranges: readonly AddressRange[], ip: Uint8Array): boolean {
  return ranges.some((range) => rangeHolds(range, ip));
}
