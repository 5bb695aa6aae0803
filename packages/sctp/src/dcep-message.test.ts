import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeDcepAck, encodeDcepOpen, parseDcep } from './dcep-message.ts';

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

describe('DCEP (RFC 8832 §5)', () => {
  it('opens in the layout of §5.1', () => {
    expect(Buffer.from(encodeDcepOpen('ab', 'c', 256)).toString('hex')).toBe(
      '030001000000000000020001616263',
    );
    expect(Buffer.from(encodeDcepAck()).toString('hex')).toBe('02');
    expect(parseDcep(bytesOf('02'))).toEqual({ type: 'ack' });
    expect(parseDcep(bytesOf('038201000000000500020001616263'))).toEqual({
      type: 'open',
      channelType: 0x82,
      priority: 256,
      reliability: 5,
      label: 'ab',
      protocol: 'c',
    });
  });

  it('carries any names within bounds', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200, unit: 'grapheme' }),
        fc.string({ maxLength: 200 }),
        (label, protocol) => {
          fc.pre(Buffer.byteLength(label) <= 1024);
          expect(parseDcep(encodeDcepOpen(label, protocol, 0))).toMatchObject({ label, protocol });
        },
      ),
      { seed: 53 },
    );
  });

  it.each([
    ['truncated', ''],
    ['truncated', '0300'],
    ['truncated', '030000000000000000020000' + '61'],
    ['bad-dcep-type', '04'],
    ['bad-dcep-type', '00'],
    ['bad-channel-type', '030300000000000000000000'],
    ['bad-channel-type', '038300000000000000000000'],
    ['name-too-long', '030000000000000004010000'],
    ['name-too-long', '030000000000000000000401'],
    ['bad-utf8', '030000000000000000010000' + 'ff'],
    ['trailing-bytes', '030000000000000000000000' + '61'],
  ])('refuses as %s: %s', (code, hex) => {
    expect(() => parseDcep(bytesOf(hex))).toThrow(expect.objectContaining({ code }));
  });
});
