import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Deadlined, DeadlineQueue } from './deadline-queue.ts';

it('gives things out in the order of their deadlines, however these were moved', () => {
  const operation = fc.tuple(fc.integer({ min: 0, max: 19 }), fc.option(fc.integer({ min: 0, max: 99 })));
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const queue = new DeadlineQueue<Deadlined>();
      const things = Array.from({ length: 20 }, () => ({ deadlineMs: 0, heapIndex: -1 }));
      const model = new Map<Deadlined, number>();
      for (const [index, deadlineMs] of operations) {
        const thing = things[index]!;
        if (deadlineMs === null) {
          queue.remove(thing);
          model.delete(thing);
        } else {
          queue.set(thing, deadlineMs);
          model.set(thing, deadlineMs);
        }
        expect(queue.size).toBe(model.size);
        expect(queue.nextMs).toBe(model.size === 0 ? undefined : Math.min(...model.values()));
      }
      const due = [...model.values()].filter((ms) => ms <= 50).sort((a, b) => a - b);
      const taken: number[] = [];
      for (let t = queue.takeDue(50); t; t = queue.takeDue(50)) taken.push(model.get(t)!);
      expect(taken).toEqual(due);
    }),
    { seed: 4 },
  );
});
