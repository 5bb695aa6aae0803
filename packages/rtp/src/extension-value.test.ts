import { FormatError, fromHex, toHex, toUtf8 } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import {
  encodeAbsSendTime,
  encodeAudioLevel,
  encodeRid,
  encodeTransportSequence,
  parseAbsSendTime,
  parseAudioLevel,
  parseRid,
  parseTransportSequence,
} from './extension-value.ts';

describe('extension values', () => {
  it('reads the voice bit and the level (RFC 6464 §3)', () => {
    expect(parseAudioLevel(fromHex('8b'))).toEqual({ voice: true, level: 11 });
    expect(parseAudioLevel(fromHex('7f'))).toEqual({ voice: false, level: 127 });
    expect(toHex(encodeAudioLevel({ voice: true, level: 11 }))).toBe('8b');
    expect(() => parseAudioLevel(new Uint8Array())).toThrow(FormatError);
  });

  it('counts the send time in 2^-18 s, wrapping after 64 s', () => {
    expect(toHex(encodeAbsSendTime(0))).toBe('000000');
    expect(toHex(encodeAbsSendTime(1000))).toBe('040000');
    expect(toHex(encodeAbsSendTime(63_999.999))).toBe('ffffff');
    expect(toHex(encodeAbsSendTime(64_001))).toBe('000106');
    expect(parseAbsSendTime(fromHex('040000'))).toBe(2 ** 18);
    expect(() => parseAbsSendTime(fromHex('0400'))).toThrow(FormatError);
    expect(() => parseAbsSendTime(fromHex('04000000'))).toThrow(FormatError);
  });

  it('reads a transport sequence of either version of the extension', () => {
    expect(parseTransportSequence(fromHex('abcd'))).toBe(0xabcd);
    expect(parseTransportSequence(fromHex('abcd8001'))).toBe(0xabcd);
    expect(toHex(encodeTransportSequence(0xabcd))).toBe('abcd');
    expect(() => parseTransportSequence(fromHex('ab'))).toThrow(FormatError);
  });

  it('reads stream ids and refuses other characters', () => {
    expect(parseRid(toUtf8('h'))).toBe('h');
    expect(parseRid(encodeRid('High-2_x'))).toBe('High-2_x');
    for (const bad of ['', 'a b', 'é', 'a\0', 'a\r\n', 'a=b']) {
      expect(() => parseRid(toUtf8(bad))).toThrow(FormatError);
      expect(() => encodeRid(bad)).toThrow(RangeError);
    }
  });
});
