import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assignSlots, type SlotWish, streamRequests } from './video-slots.ts';

const wish = (id: string, heightPx = 720) => ({ id, heightPx });
const ids = (slots: readonly (SlotWish | undefined)[]) => slots.map((slot) => slot?.id ?? '-').join('');

describe('video slots', () => {
  test('tall tiles get the high layer, low ones the low layer', () => {
    const slots = assignSlots([], [wish('a', 361), wish('b', 360), wish('c', 1)], 4);
    expect(slots).toEqual([
      { id: 'a', quality: 2 },
      { id: 'b', quality: 1 },
      { id: 'c', quality: 1 },
      undefined,
    ]);
  });

  test('who has a slot keeps it, who is new fills a gap', () => {
    const first = assignSlots([], [wish('a'), wish('b'), wish('c')], 4);
    const second = assignSlots(first, [wish('c'), wish('a')], 4);
    expect(ids(second)).toBe('a-c-');
    expect(ids(assignSlots(second, [wish('d'), wish('e'), wish('a'), wish('c')], 4))).toBe('adce');
  });

  test('the most important come first when there are too few slots', () => {
    expect(ids(assignSlots([], [wish('a'), wish('b'), wish('c')], 2))).toBe('ab');
    expect(ids(assignSlots([{ id: 'c', quality: 1 }], [wish('a'), wish('b'), wish('c')], 2))).toBe('ab');
  });

  test('a gap is asked for as somebody who sends nothing; nothing at the end is left out', () => {
    const slots = [undefined, { id: 'b', quality: 2 as const }, undefined];
    expect(streamRequests(slots, 'me')).toEqual([
      { userId: 'me', quality: 0 },
      { userId: 'b', quality: 2 },
    ]);
    expect(streamRequests([undefined, undefined], 'me')).toEqual([]);
  });

  test('after any changes each wanted one has exactly one slot, and nobody moves who stays', () => {
    const wishes = fc.uniqueArray(fc.constantFrom(...'abcdefghij'), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(wishes, { maxLength: 8 }), fc.integer({ min: 0, max: 6 }), (rounds, count) => {
        let slots: readonly (SlotWish | undefined)[] = [];
        for (const round of rounds) {
          const next = assignSlots(
            slots,
            round.map((id) => wish(id)),
            count,
          );
          expect(next).toHaveLength(count);
          const shown = next.flatMap((slot) => (slot === undefined ? [] : [slot.id]));
          expect([...shown].sort()).toEqual(round.slice(0, count).sort());
          for (const [at, slot] of slots.entries()) {
            if (slot !== undefined && shown.includes(slot.id)) expect(next[at]?.id).toBe(slot.id);
          }
          slots = next;
        }
      }),
    );
  });
});
