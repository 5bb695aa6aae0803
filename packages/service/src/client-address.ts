import { canonicalIp, formatIp, parseIp } from '@conclave/bytes';

/** A block of addresses: the first `bits` bits of `bytes`. */
interface AddressBlock {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** Proxies named in a chain of forwarders that are looked at; what stands before them is not believed. */
const MAX_HOPS = 16;

/**
 * The key under which requests of an address are counted: an IPv4 address itself, an IPv6 address by its /64,
 * since a single host owns all addresses of one. Text that is no address is counted as `unknown`.
 */
export function rateLimitKey(address: string): string {
  const bytes = parsePlain(address);
  if (!bytes) return 'unknown';
  if (bytes.length === 4) return formatIp(bytes);
  return `${formatIp(Uint8Array.from(bytes, (b, i) => (i < 8 ? b : 0)))}/64`;
}

/** Whether text is an address or a block such as `10.0.0.0/8` or `fd00::/8`. */
export function isAddressBlock(text: string): boolean {
  return parseBlock(text) !== undefined;
}

/**
 * Finds out where a request comes from: the peer of the connection, or, when that is a trusted proxy, the
 * address it names in `X-Forwarded-For`, through a chain of trusted proxies from the last to the first.
 * `trusted` lists addresses and blocks; entries that are neither throw TypeError.
 */
export function createAddressResolver(
  trusted: readonly string[],
): (peer: string, forwardedFor: string | undefined) => string {
  const blocks = trusted.map((text) => {
    const block = parseBlock(text);
    if (!block) throw new TypeError('a trusted proxy is named by an address or a block of addresses');
    return block;
  });
  const isTrusted = (address: string): boolean => {
    const bytes = parsePlain(address);
    return bytes !== undefined && blocks.some((block) => contains(block, bytes));
  };
  return (peer, forwardedFor) => {
    let address = plainAddress(peer) ?? 'unknown';
    if (forwardedFor === undefined || blocks.length === 0) return address;
    const hops = forwardedFor.slice(-2048).split(',');
    for (let n = 0; n < MAX_HOPS && isTrusted(address); n++) {
      const hop = hops.pop();
      if (hop === undefined) break;
      const before = plainAddress(stripPort(hop.trim()));
      if (before === undefined) break;
      address = before;
    }
    return address;
  };
}

/** Canonical text of an address; IPv4 in IPv6 form becomes IPv4. `undefined` when it is none. */
export function plainAddress(text: string): string | undefined {
  const bytes = parsePlain(text);
  return bytes && canonicalIp(formatIp(bytes));
}

function parsePlain(text: string): Uint8Array | undefined {
  const bytes = parseIp(text.replace(/%.*$/, ''));
  if (!bytes || bytes.length === 4) return bytes;
  const mapped = bytes.every((b, i) => i >= 12 || b === (i < 10 ? 0 : 0xff));
  return mapped ? bytes.slice(12) : bytes;
}

function stripPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop);
  if (bracketed) return bracketed[1]!;
  const v4 = /^([0-9.]+):\d+$/.exec(hop);
  return v4 ? v4[1]! : hop;
}

function parseBlock(text: string): AddressBlock | undefined {
  const match = /^([^/]+)(?:\/([0-9]{1,3}))?$/.exec(text);
  const bytes = match && parsePlain(match[1]!);
  if (!bytes) return undefined;
  const bits = match[2] === undefined ? bytes.length * 8 : Number(match[2]);
  return bits <= bytes.length * 8 ? { bytes, bits } : undefined;
}

function contains(block: AddressBlock, address: Uint8Array): boolean {
  if (block.bytes.length !== address.length) return false;
  for (let i = 0; i * 8 < block.bits; i++) {
    const mask = block.bits - i * 8 >= 8 ? 0xff : (0xff00 >>> (block.bits - i * 8)) & 0xff;
    if ((block.bytes[i]! & mask) !== (address[i]! & mask)) return false;
  }
  return true;
}
