import { describe, expect, it } from 'vitest';
import { SeededRandom } from './seeded-random.ts';

describe('SeededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const numbers = (seed: number) => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
    expect(new Set([0, 1, -1, 2 ** 31].flatMap(numbers)).size).toBe(32);
  });

  it('spreads them evenly', () => {
    const random = new SeededRandom(1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    let heads = 0;
    for (let i = 0; i < 10_000; i++) if (random.chance(0.2)) heads++;
    expect(Math.abs(heads - 2000)).toBeLessThan(200);
    expect(random.bytes(5).length).toBe(5);
    expect(() => random.pick([])).toThrow(RangeError);
  });
});
