import { describe, expect, it } from 'vitest';
import { crc32c, packetChecksum } from './crc32c.ts';

/** The vectors give the checksum as it is transmitted, least significant byte first. */
function transmitted(value: number): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return Buffer.from(bytes).toString('hex');
}

describe('crc32c', () => {
  it('has the values of RFC 3720 Appendix B.4', () => {
    expect(transmitted(crc32c(new Uint8Array(32)))).toBe('aa36918a');
    expect(transmitted(crc32c(new Uint8Array(32).fill(0xff)))).toBe('43aba862');
    expect(transmitted(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)))).toBe('4e79dd46');
    expect(transmitted(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)))).toBe('5cdb3f11');
    const iscsiRead = Buffer.from(
      '01c0000000000000000000000000000014000000000004000000001400000018280000000000000002000000' + '00000000',
      'hex',
    );
    expect(iscsiRead.length).toBe(48);
    expect(transmitted(crc32c(iscsiRead))).toBe('563a96d9');
  });

  it('has the usual check value', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });

  it('takes the checksum field of a packet as zero', () => {
    const packet = Uint8Array.from({ length: 61 }, (_, i) => i * 7);
    const zeroed = packet.slice();
    zeroed.fill(0, 8, 12);
    expect(packetChecksum(packet)).toBe(crc32c(zeroed));
  });
});
