import { parseIp, toHex } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';

/** How a client reaches the server (RFC 8656 §3.1). */
export type TurnTransport = 'udp' | 'tcp' | 'tls' | 'dtls';

/**
 * What tells one client from another (RFC 8656 §2): the protocol, the server's own address and the client's,
 * both in canonical text. IPv4 clients of a dual-stack socket must be given as IPv4, not in mapped form.
 */
export interface FiveTuple {
  readonly transport: TurnTransport;
  /** The server's side. */
  readonly local: TransportAddress;
  /** The client's side. */
  readonly remote: TransportAddress;
  /**
   * Tells connections apart that follow each other between the same addresses, for owners that may hear of the end of
   * one after the first message of the next.
   */
  readonly socket?: number;
}

/** Text that is equal for equal tuples and fit as a map key. */
export function fiveTupleKey(tuple: FiveTuple): string {
  return `${tuple.transport} ${addressKey(tuple.local)} ${addressKey(tuple.remote)}`;
}

/** Text that is equal for equal transport addresses in canonical form. */
export function addressKey(at: TransportAddress): string {
  return `${at.address} ${at.port}`;
}

/** Whether bytes arrive on this transport without message boundaries, complete and in order. */
export function isStream(transport: TurnTransport): boolean {
  return transport === 'tcp' || transport === 'tls';
}

/**
 * Key under which a source is counted: an IPv4 address as it is, of an IPv6 address the first 64 bits, since
 * one host may use all the rest (RFC 4291 §2.5.4). Text that is no address stands for itself.
 */
export function sourceKey(address: string): string {
  const ip = parseIp(address);
  return ip?.length === 16 ? `${toHex(ip.subarray(0, 8))}/64` : address;
}
