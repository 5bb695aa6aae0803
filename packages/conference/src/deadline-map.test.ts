import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DeadlineMap, earlierOf } from './deadline-map.ts';

test('the next deadline and what is due are those of a plain map', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('set' as const), key: fc.nat(5), atMs: fc.nat(30) }),
    fc.record({ do: fc.constant('delete' as const), key: fc.nat(5) }),
    fc.record({ do: fc.constant('take' as const), now: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new DeadlineMap<number>();
      const plain = new Map<number, number>();
      for (const s of steps) {
        if (s.do === 'set') {
          map.set(s.key, s.atMs);
          plain.set(s.key, s.atMs);
        } else if (s.do === 'delete') {
          map.delete(s.key);
          plain.delete(s.key);
        } else {
          const due = [...plain].filter(([, atMs]) => atMs <= s.now).map(([key]) => key);
          for (const key of due) plain.delete(key);
          expect(map.takeDue(s.now).sort()).toEqual(due.sort());
        }
        expect(map.size).toBe(plain.size);
        expect(map.earliest()).toBe(plain.size === 0 ? undefined : Math.min(...plain.values()));
      }
    }),
    { numRuns: 300, seed: 7 },
  );
});

test('a due key may be armed again at once', () => {
  const map = new DeadlineMap<string>();
  map.set('a', 10);
  expect(map.takeDue(10)).toEqual(['a']);
  map.set('a', 20);
  expect(map.earliest()).toBe(20);
  expect(map.get('a')).toBe(20);
  expect(map.takeDue(19)).toEqual([]);
});

test('the earlier of two deadlines is the one that exists, or the smaller', () => {
  expect(earlierOf(undefined, undefined)).toBeUndefined();
  expect(earlierOf(1, undefined)).toBe(1);
  expect(earlierOf(undefined, 2)).toBe(2);
  expect(earlierOf(3, 2)).toBe(2);
});
