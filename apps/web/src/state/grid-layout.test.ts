import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, gridCapacity, layOutGrid, MAX_TILES_ON_PAGE, shapeFor } from './grid-layout.ts';

const size = fc.record({
  width: fc.integer({ min: 200, max: 4000 }),
  height: fc.integer({ min: 200, max: 2500 }),
});
const count = fc.integer({ min: 1, max: 60 });
const nearly = 0.01;

function overlap(a: Box, b: Box): boolean {
  const across = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const down = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return across > nearly && down > nearly;
}

describe('the grid of tiles', () => {
  it('keeps every tile inside the area, apart from the others, of one size and of an allowed shape', () => {
    fc.assert(
      fc.property(size, count, (area, tiles) => {
        const { boxes } = layOutGrid(area, tiles);
        const shape = shapeFor(area);
        expect(boxes).toHaveLength(tiles);
        for (const [index, box] of boxes.entries()) {
          expect(box.x).toBeGreaterThanOrEqual(-nearly);
          expect(box.y).toBeGreaterThanOrEqual(-nearly);
          expect(box.x + box.width).toBeLessThanOrEqual(area.width + nearly);
          expect(box.y + box.height).toBeLessThanOrEqual(area.height + nearly);
          expect(box.width).toBeCloseTo(boxes[0]!.width);
          expect(box.height).toBeCloseTo(boxes[0]!.height);
          const aspect = box.width / box.height;
          expect(aspect).toBeGreaterThanOrEqual(shape.minAspect - nearly);
          expect(aspect).toBeLessThanOrEqual(shape.maxAspect + nearly);
          for (const other of boxes.slice(index + 1)) expect(overlap(box, other)).toBe(false);
        }
      }),
    );
  });

  it('has no number of columns that would make larger tiles', () => {
    fc.assert(
      fc.property(size, count, fc.integer({ min: 1, max: 60 }), (area, tiles, columns) => {
        const { boxes } = layOutGrid(area, tiles);
        const shape = shapeFor(area);
        const rows = Math.ceil(tiles / columns);
        const width = (area.width - shape.gap * (columns - 1)) / columns;
        const height = (area.height - shape.gap * (rows - 1)) / rows;
        fc.pre(width > 0 && height > 0);
        const fittingWidth = Math.min(width, height * shape.maxAspect);
        const fittingHeight = Math.min(height, width / shape.minAspect);
        expect(boxes[0]!.width * boxes[0]!.height).toBeGreaterThanOrEqual(fittingWidth * fittingHeight - 1);
      }),
    );
  });

  it('puts two side by side in a wide window and above each other on a phone', () => {
    expect(layOutGrid({ width: 1440, height: 780 }, 2)).toMatchObject({ columns: 2, rows: 1 });
    expect(layOutGrid({ width: 390, height: 700 }, 2)).toMatchObject({ columns: 1, rows: 2 });
    expect(layOutGrid({ width: 390, height: 700 }, 5)).toMatchObject({ columns: 2, rows: 3 });
    expect(layOutGrid({ width: 1440, height: 780 }, 3)).toMatchObject({ columns: 2, rows: 2 });
    expect(layOutGrid({ width: 1440, height: 780 }, 12)).toMatchObject({ columns: 4, rows: 3 });
  });

  it('centres a last row that is not full', () => {
    const { boxes } = layOutGrid({ width: 1600, height: 900 }, 3);
    const last = boxes[2]!;
    expect(last.x + last.width / 2).toBeCloseTo(800);
  });

  it('is empty without tiles', () => {
    expect(layOutGrid({ width: 100, height: 100 }, 0).boxes).toEqual([]);
  });

  it('holds so many tiles on a page that all stay readable, and at least one', () => {
    fc.assert(
      fc.property(size, (area) => {
        const capacity = gridCapacity(area);
        expect(capacity).toBeGreaterThanOrEqual(1);
        expect(capacity).toBeLessThanOrEqual(MAX_TILES_ON_PAGE);
        const tile = layOutGrid(area, capacity).boxes[0]!;
        expect(tile.width).toBeGreaterThan(100);
        expect(tile.height).toBeGreaterThan(80);
      }),
    );
  });

  it('holds thirty on a desktop and ten on a phone', () => {
    expect(gridCapacity({ width: 1420, height: 760 })).toBe(30);
    expect(gridCapacity({ width: 374, height: 660 })).toBe(10);
  });
});
