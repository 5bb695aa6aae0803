import { parseIp } from '@conclave/bytes';

/**
 * How far an address reaches. `unusable` is what no check may ever go to: host names (mDNS names among them),
 * unspecified, multicast, broadcast and reserved addresses, and IPv4 addresses in IPv6 clothes, which are a way
 * round address rules and no candidate of any honest peer.
 */
export type AddressScope = 'unusable' | 'loopback' | 'link-local' | 'routable';

/** The scope of an address in text form. */
export function addressScope(address: string): AddressScope {
  const ip = parseIp(address);
  if (!ip) return 'unusable';
  return ip.length === 4 ? ipv4Scope(ip) : ipv6Scope(ip);
}

/**
 * Whether checks may go from one of our addresses to a remote one. The peer names the remote address, so that
 * loopback and link-local ones (a service on this machine, a cloud's metadata server) are reached from a local
 * candidate of the same scope only.
 */
export function mayCheck(localAddress: string, remoteAddress: string): boolean {
  const remote = addressScope(remoteAddress);
  return remote !== 'unusable' && (remote === 'routable' || remote === addressScope(localAddress));
}

function ipv4Scope(ip: Uint8Array): AddressScope {
  const first = ip[0]!;
  if (first === 0 || first >= 224) return 'unusable';
  if (first === 127) return 'loopback';
  return first === 169 && ip[1] === 254 ? 'link-local' : 'routable';
}

function ipv6Scope(ip: Uint8Array): AddressScope {
  if (ip[0] === 0xff) return 'unusable';
  if (ip.subarray(0, 10).every((byte) => byte === 0)) {
    const isLoopback = ip.subarray(10, 15).every((byte) => byte === 0) && ip[15] === 1;
    return isLoopback ? 'loopback' : 'unusable';
  }
  return ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80 ? 'link-local' : 'routable';
}
