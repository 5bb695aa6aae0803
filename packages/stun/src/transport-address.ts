import { FormatError, formatIp, parseIp } from '@conclave/bytes';
import { MAGIC_COOKIE } from './stun-message.ts';

/** An IP address in canonical text and a port. */
export interface TransportAddress {
  readonly address: string;
  /** 0..65535. */
  readonly port: number;
}

/**
 * Value of a XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS or XOR-RELAYED-ADDRESS (RFC 8489 §14.2): the address hidden
 * from NATs that rewrite whatever looks like one. Throws TypeError when `address` is no IP address.
 */
export function encodeXorAddress(value: TransportAddress, transactionId: Uint8Array): Uint8Array {
  return xorAddress(encodeAddress(value), transactionId);
}

/** The address in such a value. Throws {@link FormatError} `bad-address` on anything malformed. */
export function decodeXorAddress(value: Uint8Array, transactionId: Uint8Array): TransportAddress {
  return decodeAddress(xorAddress(value, transactionId));
}

/**
 * Value of a MAPPED-ADDRESS or ALTERNATE-SERVER (RFC 8489 §14.1). Throws TypeError when `address` is no IP
 * address.
 */
export function encodeAddress(value: TransportAddress): Uint8Array {
  const ip = parseIp(value.address);
  if (!ip) throw new TypeError('not an IP address');
  const out = new Uint8Array(4 + ip.length);
  out[1] = ip.length === 4 ? 1 : 2;
  out[2] = value.port >>> 8;
  out[3] = value.port;
  out.set(ip, 4);
  return out;
}

/** The address in such a value. Throws {@link FormatError} `bad-address` on anything malformed. */
export function decodeAddress(value: Uint8Array): TransportAddress {
  const size = value[1] === 1 ? 4 : value[1] === 2 ? 16 : 0;
  if (size === 0 || value.length !== 4 + size) {
    throw new FormatError('bad-address', `address attribute of family ${value[1]} and ${value.length} bytes`);
  }
  return { address: formatIp(value.subarray(4)), port: (value[2]! << 8) | value[3]! };
}

function xorAddress(value: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const out = value.slice();
  for (let i = 2; i < out.length; i++) {
    // The port is hidden by the cookie's first half, the address by the cookie and then the transaction id.
    const k = i < 4 ? i - 2 : i - 4;
    out[i]! ^= k < 4 ? (MAGIC_COOKIE >>> (24 - 8 * k)) & 0xff : (transactionId[k - 4] ?? 0);
  }
  return out;
}
