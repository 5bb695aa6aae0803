import type { Participant } from '@conclave/client';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrangeTiles } from './tile-arrangement.ts';

const DESKTOP = { width: 1424, height: 740 };
const PHONE = { width: 374, height: 640 };

function people(count: number, video: Participant['video'] = 'camera'): Participant[] {
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    profile: undefined,
    muted: false,
    video,
    speaking: false,
    encryption: 'waiting',
    quality: undefined,
    order: index,
    videoStream: undefined,
  }));
}

describe('the arrangement of tiles', () => {
  it('shows everybody once over all pages, inside the area', () => {
    const area = fc.record({
      width: fc.integer({ min: 240, max: 3000 }),
      height: fc.integer({ min: 240, max: 2000 }),
    });
    fc.assert(
      fc.property(area, fc.integer({ min: 0, max: 70 }), fc.boolean(), (area, count, staged) => {
        const others = people(count);
        const stage = staged ? '0' : undefined;
        const { pages } = arrangeTiles({ area, others, stage, page: 0 });
        const seen: string[] = [];
        for (let page = 0; page < pages; page++) {
          for (const { participant, box, place } of arrangeTiles({ area, others, stage, page }).tiles) {
            expect(box.x).toBeGreaterThanOrEqual(-0.01);
            expect(box.y).toBeGreaterThanOrEqual(-0.01);
            expect(box.x + box.width).toBeLessThanOrEqual(area.width + 0.01);
            expect(box.y + box.height).toBeLessThanOrEqual(area.height + 0.01);
            if (place !== 'stage' || page === 0) seen.push(participant?.id ?? 'self');
          }
        }
        expect(seen.sort()).toEqual(['self', ...others.map(({ id }) => id)].sort());
      }),
    );
  });

  it('keeps the own tile in a corner alone and in a talk of two, and among equals beyond', () => {
    const places = (count: number) =>
      arrangeTiles({ area: DESKTOP, others: people(count), stage: undefined, page: 0 }).tiles.map(
        ({ place }) => place,
      );
    expect(places(0)).toEqual(['corner']);
    expect(places(1)).toEqual(['stage', 'corner']);
    expect(places(2)).toEqual(['grid', 'grid', 'grid']);
  });

  it('puts a screen of a talk of two on the stage and the own tile beside it', () => {
    const { tiles } = arrangeTiles({ area: DESKTOP, others: people(1, 'screen'), stage: '0', page: 0 });
    expect(tiles.map(({ place }) => place)).toEqual(['stage', 'strip']);
  });

  it('shows thirty on one page of a desktop, and sixty on two or three', () => {
    expect(arrangeTiles({ area: DESKTOP, others: people(29), stage: undefined, page: 0 }).pages).toBe(1);
    expect(arrangeTiles({ area: DESKTOP, others: people(59), stage: undefined, page: 0 }).pages).toBe(2);
    expect(arrangeTiles({ area: PHONE, others: people(29), stage: undefined, page: 0 }).pages).toBe(3);
  });

  it('stays on the last page when people leave', () => {
    expect(arrangeTiles({ area: PHONE, others: people(9), stage: undefined, page: 5 })).toMatchObject({
      page: 0,
      pages: 1,
    });
  });
});
