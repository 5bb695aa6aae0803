import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ReplayWindow } from './replay-window.ts';

test('a window accepts each counter once, as a plain set with a bound would, also across the wrap', () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -400, max: 400 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), steps, (start, offsets) => {
      const window = new ReplayWindow(32);
      const accepted = new Set<number>();
      let highest = 0;
      let at = 0;
      for (const [i, offset] of offsets.entries()) {
        at += offset;
        const expected = i === 0 || at > highest || (at > highest - 32 && !accepted.has(at));
        expect(window.isFresh((start + at) >>> 0)).toBe(expected);
        expect(window.accept((start + at) >>> 0)).toBe(expected);
        if (expected) accepted.add(at);
        highest = i === 0 ? at : Math.max(highest, at);
      }
    }),
  );
});

test('half the circle ahead is new, beyond it is old', () => {
  const window = new ReplayWindow(1024);
  expect(window.accept(0)).toBe(true);
  expect(window.isFresh(0x7fffffff)).toBe(true);
  expect(window.isFresh(0x80000000)).toBe(false);
  expect(window.isFresh(0xfffffc00)).toBe(false);
  expect(window.isFresh(0xfffffc01)).toBe(true);
});
