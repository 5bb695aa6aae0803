import { serialAdd32 } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReceivedTsns } from './received-tsns.ts';

describe('ReceivedTsns', () => {
  it('agrees with a plain set, also where numbers wrap', () => {
    const operation = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ skip: fc.constant(false), offset: fc.integer({ min: -3, max: 45 }) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ skip: fc.constant(true), offset: fc.integer({ min: -3, max: 20 }) }),
      },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(1, 5000, 0xfffffff0, 0x7ffffff8),
        fc.array(operation, { maxLength: 120 }),
        (initial, operations) => {
          const tsns = new ReceivedTsns(initial, 40);
          const seen = new Set<number>();
          // Offsets from the TSN before the first, so that nothing wraps in the model.
          let cumulative = 0;
          for (const { skip, offset } of operations) {
            const at = cumulative + offset;
            const tsn = serialAdd32(initial, at - 1);
            if (skip) {
              expect(tsns.skipTo(tsn)).toBe(at > cumulative);
              for (let i = cumulative + 1; i <= at; i++) seen.add(i);
            } else {
              const standing =
                at <= cumulative || seen.has(at) ? 'duplicate' : offset > 40 ? 'too-far' : 'new';
              expect(tsns.standing(tsn)).toBe(standing);
              if (standing === 'new') {
                tsns.add(tsn);
                seen.add(at);
              }
            }
            while (seen.has(cumulative + 1)) cumulative++;
            expect(tsns.cumulative).toBe(serialAdd32(initial, cumulative - 1));
            const beyond = tsns.gaps.flatMap(({ start, end }) =>
              Array.from({ length: end - start + 1 }, (_, i) => cumulative + start + i),
            );
            expect(beyond).toEqual([...seen].filter((n) => n > cumulative).sort((a, b) => a - b));
            expect(tsns.hasGaps).toBe(beyond.length > 0);
            expect(tsns.highest).toBe(serialAdd32(initial, (beyond.at(-1) ?? cumulative) - 1));
          }
        },
      ),
      { seed: 51, numRuns: 400 },
    );
  });

  it('remembers a few duplicates for one report', () => {
    const tsns = new ReceivedTsns(1, 10);
    for (let i = 0; i < 1000; i++) tsns.noteDuplicate(i);
    expect(tsns.takeDuplicates().length).toBe(16);
    expect(tsns.takeDuplicates()).toEqual([]);
  });
});
