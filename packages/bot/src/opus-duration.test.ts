import { expect, it } from 'vitest';
import { opusDurationTicks } from './opus-duration.ts';
import { OutgoingClock } from './outgoing-clock.ts';

// RFC 6716 table 2: configuration numbers and frame sizes; §3.1: how the code gives the number of frames.
it.each([
  ['SILK, 10 ms', [0 << 3], 480],
  ['SILK, 60 ms', [3 << 3], 2880],
  ['SILK, 40 ms, twice', [(6 << 3) | 1], 3840],
  ['hybrid, 20 ms', [15 << 3], 960],
  ['CELT, 2.5 ms', [16 << 3], 120],
  ['CELT, 20 ms', [31 << 3], 960],
  ['CELT, 20 ms, two of unlike length', [(31 << 3) | 2], 1920],
  ['CELT, 20 ms, six', [(31 << 3) | 3, 6], 5760],
  ['CELT, 2.5 ms, 48', [(16 << 3) | 3, 48], 5760],
])('%s', (_name, bytes, ticks) => {
  expect(opusDurationTicks(Uint8Array.from(bytes))).toBe(ticks);
});

it.each([[[]], [[3]], [[3, 0]], [[(3 << 3) | 3, 3]], [[(16 << 3) | 3, 49]], [[(31 << 3) | 3, 7]]])(
  'refuses %j',
  (bytes) => {
    expect(() => opusDurationTicks(Uint8Array.from(bytes))).toThrow('no packet of Opus');
  },
);

it('packets of a voice follow each other whenever they are handed in', () => {
  const clock = new OutgoingClock();
  const moments = [0, 25, 38, 61, 90].map((now) => clock.next(now, 960, undefined));
  expect(moments.map(({ timestampTicks }) => timestampTicks)).toEqual([0, 960, 1920, 2880, 3840]);
  expect(moments.map(({ marker }) => marker)).toEqual([true, false, false, false, false]);
});

it('a pause leaves a gap as long as it was, and a mark', () => {
  const clock = new OutgoingClock();
  clock.next(0, 960, undefined);
  expect(clock.next(1020, 960, undefined)).toEqual({ timestampTicks: 960 + 48_000, marker: true });
  expect(clock.next(1040, 960, undefined)).toEqual({ timestampTicks: 1920 + 48_000, marker: false });
});

it('moments of the application count, and wrap', () => {
  const clock = new OutgoingClock();
  expect(clock.next(0, 960, 2 ** 32 - 960)).toEqual({ timestampTicks: 2 ** 32 - 960, marker: true });
  expect(clock.next(20, 960, undefined)).toEqual({ timestampTicks: 0, marker: false });
  expect(clock.next(40, 960, 5000)).toEqual({ timestampTicks: 5000, marker: true });
});
