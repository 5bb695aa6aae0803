import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layOutStage } from './stage-layout.ts';

const size = fc.record({
  width: fc.integer({ min: 200, max: 4000 }),
  height: fc.integer({ min: 200, max: 2500 }),
});

describe('the stage with its strip', () => {
  it('keeps all inside the area, the strip off the stage, and shows no more than fit', () => {
    fc.assert(
      fc.property(size, fc.integer({ min: 0, max: 60 }), (area, count) => {
        const { stage, strip, capacity } = layOutStage(area, count);
        expect(strip).toHaveLength(Math.min(count, capacity));
        for (const box of [stage, ...strip]) {
          expect(box.x).toBeGreaterThanOrEqual(-0.01);
          expect(box.y).toBeGreaterThanOrEqual(-0.01);
          expect(box.x + box.width).toBeLessThanOrEqual(area.width + 0.01);
          expect(box.y + box.height).toBeLessThanOrEqual(area.height + 0.01);
        }
        for (const box of strip) {
          const beside = box.x >= stage.x + stage.width;
          const below = box.y >= stage.y + stage.height;
          expect(beside || below).toBe(true);
        }
      }),
    );
  });

  it('gives the stage most of the area', () => {
    for (const area of [
      { width: 1440, height: 760 },
      { width: 390, height: 660 },
    ]) {
      const { stage } = layOutStage(area, 12);
      expect(stage.width * stage.height).toBeGreaterThan(0.75 * area.width * area.height);
    }
  });

  it('gives it all when there is nobody else', () => {
    expect(layOutStage({ width: 800, height: 500 }, 0).stage).toEqual({
      x: 0,
      y: 0,
      width: 800,
      height: 500,
    });
  });
});
