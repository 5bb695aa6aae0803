import { FormatError, fromHex, toHex } from '@conclave/bytes';
import { describe, expect, it } from 'vitest';
import { encodeRtcp, parseRtcp } from './rtcp-packet.ts';
import type { TransportFeedback } from './transport-feedback.ts';

function read(fci: string): TransportFeedback {
  const hex = fci.replaceAll(' ', '');
  const words = (8 + hex.length / 2) / 4;
  const [packet] = parseRtcp(fromHex(`8fcd${words.toString(16).padStart(4, '0')}0000000100000002${hex}`));
  if (packet?.type !== 'transport-feedback') throw new Error('not a feedback packet');
  return packet;
}

function written(arrivals: readonly (number | undefined)[]): string {
  const bytes = encodeRtcp([
    { type: 'transport-feedback', senderSsrc: 1, mediaSsrc: 2, baseSequence: 5, feedbackCount: 9, arrivals },
  ]);
  return toHex(bytes.subarray(12));
}

const received = (feedback: TransportFeedback) =>
  feedback.arrivals.map((a) => (a === undefined ? 0 : 1)).join('');

describe('transport-wide feedback', () => {
  it('reads the run length example of the draft, §3.1.3: 221 packets not received', () => {
    const feedback = read('0005 00dd 000001 09  00dd 0000');
    expect(feedback.arrivals).toEqual(new Array(221).fill(undefined));
  });

  it('reads the one-bit vector example of the draft, §3.1.4', () => {
    const feedback = read('0005 000e 000001 09  9f1c  0101010101 010101 0000');
    expect(received(feedback)).toBe('01111100011100');
    expect(feedback.arrivals[1]).toBe(257);
    expect(feedback.arrivals[11]).toBe(264);
  });

  it('reads a two-bit vector with small and large deltas, and a negative reference time', () => {
    // 1100 0110 1000 0000: lost, small, large, large, then lost; the deltas 2, -3, 300.
    const feedback = read('0005 0006 ffffff 09  c680  02 fffd 012c 00');
    expect(feedback.arrivals).toEqual([undefined, -254, -257, 43, undefined, undefined]);
  });

  it.each([
    ['no packets', '0005 0000 000001 09'],
    ['a run of length zero', '0005 0001 000001 09 2000 0000'],
    ['the reserved symbol in a run', '0005 0001 000001 09 6001 0000'],
    ['the reserved symbol in a vector', '0005 0001 000001 09 f000 0000'],
    ['fewer deltas than packets', '0005 0008 000001 09 2008 0101'],
    ['fewer chunks than packets', '0005 ffff 000001 09 2001 0100'],
    ['bytes left over', '0005 0001 000001 09 2001 0100 00000000'],
  ])('refuses %s', (_name, fci) => {
    expect(() => read(fci)).toThrow(FormatError);
  });

  it('holds 65535 packets, the most that can be counted', () => {
    const arrivals = read('0005 ffff 000001 09 1fff1fff1fff1fff1fff1fff1fff1fff 0007 0000').arrivals;
    expect(arrivals.length).toBe(65535);
  });

  it('writes a run of small deltas as one run length chunk', () => {
    const arrivals = Array.from({ length: 20 }, (_, i) => 300 + i);
    expect(written(arrivals)).toBe(`0005001400000109${'2014'}${'2c'}${'01'.repeat(19)}0000`);
  });

  it('writes losses as a one-bit vector and large deltas as a two-bit one', () => {
    expect(written([256, undefined, 257, 258, undefined])).toBe('0005000500000109ac00000101000000');
    expect(written([256, 200, undefined, 900])).toBe('0005000400000109d880' + '00ffc8' + '02bc' + '00');
  });

  it('takes the reference time of the first arrival, rounded down, below zero too', () => {
    expect(written([-1])).toBe('00050001ffffff092001ff00');
  });

  it('refuses arrivals too far apart', () => {
    expect(() => written([0, 0x8000])).toThrow(RangeError);
    expect(() => written([0x10000, 0])).toThrow(RangeError);
    expect(() => written([])).toThrow(RangeError);
    expect(() => written([0, 0x7fff])).not.toThrow();
  });
});
