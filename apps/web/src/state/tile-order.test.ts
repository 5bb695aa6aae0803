import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_ORDER, nextOrder, takePage } from './tile-order.ts';

const people = fc.uniqueArray(fc.integer({ min: 1, max: 40 }).map(String), { maxLength: 40 });

describe('the order of tiles', () => {
  it('holds exactly those who are present, whatever happened before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ present: people, speakers: people, inFront: fc.integer({ min: 1, max: 12 }) })),
        (steps) => {
          let order = EMPTY_ORDER;
          for (const step of steps) {
            order = nextOrder(order, step.present, step.speakers, step.inFront);
            expect([...order.ids].sort()).toEqual([...step.present].sort());
            const front = order.ids.slice(0, step.inFront);
            const heard = step.speakers.filter((id) => step.present.includes(id)).slice(0, step.inFront);
            for (const id of heard) expect(front).toContain(id);
            for (const id of order.heardAt.keys()) expect(step.present).toContain(id);
          }
        },
      ),
    );
  });

  it('leaves everybody in place when those who speak are in front', () => {
    const first = nextOrder(EMPTY_ORDER, ['a', 'b', 'c', 'd'], [], 3);
    expect(nextOrder(first, ['a', 'b', 'c', 'd'], ['c', 'a'], 3).ids).toEqual(['a', 'b', 'c', 'd']);
  });

  it('moves only the speaker from behind and the one that was silent longest', () => {
    const first = nextOrder(EMPTY_ORDER, ['a', 'b', 'c', 'd', 'e'], ['a'], 3);
    const second = nextOrder(first, ['a', 'b', 'c', 'd', 'e'], ['c'], 3);
    expect(nextOrder(second, ['a', 'b', 'c', 'd', 'e'], ['e'], 3).ids).toEqual(['a', 'e', 'c', 'd', 'b']);
  });
});

describe('pages', () => {
  it('show each item once', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 9 }), (list, size) => {
        const { pages } = takePage(list, size, 0);
        const all = Array.from({ length: pages }, (_, page) => takePage(list, size, page).items).flat();
        expect(all).toEqual(list);
      }),
    );
  });

  it('stop at the last one', () => {
    expect(takePage([1, 2, 3], 2, 9)).toEqual({ items: [3], page: 1, pages: 2 });
    expect(takePage([], 2, 3)).toEqual({ items: [], page: 0, pages: 1 });
  });
});
