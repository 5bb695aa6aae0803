import { describe, expect, it } from 'vitest';
import { middleNtp, ntpFromUnixMs, roundTripMsFrom, unixMsFromNtp } from './ntp-time.ts';

describe('NTP time', () => {
  it('counts from 1900 in 32.32 fixed point', () => {
    expect(ntpFromUnixMs(0)).toBe(0x83aa7e8000000000n);
    expect(ntpFromUnixMs(1500)).toBe(0x83aa7e8180000000n);
    expect(unixMsFromNtp(0x83aa7e8180000000n)).toBe(1500);
    expect(middleNtp(0x83aa7e8180000000n)).toBe(0x7e818000);
  });

  it('finds the round trip of the example in RFC 3550 §6.4.1, figure 2', () => {
    // A 0xb710:8000, DLSR 0x0005:4000, LSR 0xb705:2000 make 6.125 s.
    expect(roundTripMsFrom(0xb7108000, 0xb7052000, 0x00054000)).toBe(6125);
  });

  it('knows none without a report of ours, or from a time to come', () => {
    expect(roundTripMsFrom(0xb7108000, 0, 0)).toBeUndefined();
    expect(roundTripMsFrom(0xb7108000, 0xb7108001, 0)).toBeUndefined();
    expect(roundTripMsFrom(5, 0xffff_fffb, 4)).toBe((6 * 1000) / 65536);
  });
});
