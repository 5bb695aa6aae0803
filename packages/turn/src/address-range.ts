import { FormatError, parseIp } from '@conclave/bytes';

/** All addresses of one family from `first` to `last`, both included. */
export interface AddressRange {
  /** 4 or 16 bytes. */
  readonly first: Uint8Array;
  /** As many bytes as `first`. */
  readonly last: Uint8Array;
}

/**
 * Order of two addresses as numbers: negative, zero or positive. Total over both families, every IPv4 address
 * before every IPv6 address. The first byte that differs decides, so a smaller later byte cannot make a larger
 * address look smaller.
 */
export function compareIp(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether the range holds the address; `false` for an address of the other family. */
export function rangeHolds(range: AddressRange, ip: Uint8Array): boolean {
  return (
    ip.length === range.first.length && compareIp(range.first, ip) <= 0 && compareIp(ip, range.last) <= 0
  );
}

/**
 * Range of `address/prefix`, of `first-last` or of one address. Throws {@link FormatError} `bad-address-range`
 * on anything else, on mixed families and when `first` is after `last`.
 */
export function parseAddressRange(text: string): AddressRange {
  const dash = text.split('-');
  if (dash.length === 2) {
    const first = parseIp(dash[0]!.trim());
    const last = parseIp(dash[1]!.trim());
    if (!first || !last || first.length !== last.length || compareIp(first, last) > 0) throw badRange(text);
    return { first, last };
  }
  const [address, prefix, ...more] = text.trim().split('/');
  const ip = parseIp(address!);
  if (!ip || more.length > 0 || (prefix !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(prefix))) {
    throw badRange(text);
  }
  const bits = prefix === undefined ? ip.length * 8 : Number(prefix);
  if (bits > ip.length * 8) throw badRange(text);
  const first = ip.slice();
  const last = ip.slice();
  for (let i = 0; i < ip.length; i++) {
    const kept = Math.min(8, Math.max(0, bits - 8 * i));
    const mask = (0xff << (8 - kept)) & 0xff;
    first[i] = ip[i]! & mask;
    last[i] = ip[i]! | (~mask & 0xff);
  }
  return { first, last };
}

function badRange(text: string): FormatError {
  return new FormatError('bad-address-range', `"${text.slice(0, 100)}" is no address, prefix or range`);
}
