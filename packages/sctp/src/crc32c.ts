/** Reversed polynomial of CRC32c (RFC 9260 Appendix A). */
const POLYNOMIAL = 0x82f63b78;

/** Eight tables of 256 entries: table k advances a byte that has k further bytes behind it. */
const TABLES = buildTables();

function buildTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    tables[byte] = value;
  }
  for (let at = 256; at < tables.length; at++) {
    const previous = tables[at - 256]!;
    tables[at] = (previous >>> 8) ^ tables[previous & 255]!;
  }
  return tables;
}

/** The CRC32c register after `bytes[from..to)` went in. The register starts as -1 and is inverted at the end. */
function advance(register: number, bytes: Uint8Array, from: number, to: number): number {
  const t = TABLES;
  let crc = register;
  let at = from;
  // Eight bytes a step: four times the speed of one, and the checksum is the largest cost of a packet.
  for (; at + 8 <= to; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      t[1792 + (low & 255)]! ^
      t[1536 + ((low >>> 8) & 255)]! ^
      t[1280 + ((low >>> 16) & 255)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 255]!;
  return crc;
}

/** CRC32c (Castagnoli) of the bytes as an unsigned 32-bit number (RFC 3720 Appendix B.4 has vectors). */
export function crc32c(bytes: Uint8Array): number {
  return ~advance(-1, bytes, 0, bytes.length) >>> 0;
}

const ZERO_FIELD = new Uint8Array(4);

/**
 * Checksum of an SCTP packet of at least 12 bytes: the CRC32c with the checksum field taken as zero (RFC 9260
 * §6.8). It stands in the packet least significant byte first.
 */
export function packetChecksum(packet: Uint8Array): number {
  const header = advance(-1, packet, 0, 8);
  return ~advance(advance(header, ZERO_FIELD, 0, 4), packet, 12, packet.length) >>> 0;
}
