import { serialAdd32 } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataChunk } from './data-chunk.ts';
import { FragmentRuns } from './fragment-runs.ts';

function fragments(
  initialTsn: number,
  messages: readonly { readonly size: number; readonly unordered: boolean }[],
): DataChunk[] {
  const chunks: DataChunk[] = [];
  for (const [index, { size, unordered }] of messages.entries()) {
    for (let i = 0; i < size; i++) {
      chunks.push({
        tsn: serialAdd32(initialTsn, chunks.length),
        streamId: index % 3,
        ssn: index,
        ppid: 53,
        begin: i === 0,
        end: i === size - 1,
        unordered,
        immediate: false,
        payload: Uint8Array.of(index, i),
      });
    }
  }
  return chunks;
}

describe('FragmentRuns', () => {
  it('gives every message once, whole, whatever the order of its fragments', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 0xfffffffa),
        fc
          .array(fc.record({ size: fc.integer({ min: 1, max: 9 }), unordered: fc.boolean() }), {
            minLength: 1,
            maxLength: 8,
          })
          .chain((messages) =>
            fc.record({
              messages: fc.constant(messages),
              order: fc.shuffledSubarray([...fragments(1, messages).keys()], { minLength: 0 }),
            }),
          ),
        (initialTsn, { messages, order }) => {
          const chunks = fragments(initialTsn, messages);
          const runs = new FragmentRuns();
          const missing = new Set(chunks.keys());
          for (const at of order) {
            missing.delete(at);
            const message = runs.add(chunks[at]!);
            const index = chunks[at]!.ssn;
            const isWhole = chunks.every((chunk, i) => chunk.ssn !== index || !missing.has(i));
            expect(message !== undefined).toBe(isWhole);
            if (message) {
              const size = messages[index]!.size;
              expect([...message.data]).toEqual(Array.from({ length: size }, (_, i) => [index, i]).flat());
            }
          }
          const held = chunks.filter((chunk, i) => {
            const siblings = [...chunks.keys()].filter((k) => chunks[k]!.ssn === chunk.ssn);
            return !missing.has(i) && siblings.some((k) => missing.has(k));
          });
          expect(runs.cost).toBe(held.length * (2 + 128));
        },
      ),
      { seed: 52, numRuns: 500 },
    );
  });

  it('does not join fragments of different messages', () => {
    const [first, second] = fragments(1, [{ size: 2, unordered: false }]);
    for (const other of [{ streamId: 7 }, { ssn: 9 }, { unordered: true }]) {
      const runs = new FragmentRuns();
      runs.add(first!);
      expect(runs.add({ ...second!, ...other })).toBeUndefined();
    }
  });

  it('does not keep the memory of packets', () => {
    const runs = new FragmentRuns();
    const packet = new Uint8Array(10).fill(1);
    const [chunk] = fragments(1, [{ size: 1, unordered: false }]);
    const message = runs.add({ ...chunk!, payload: packet });
    packet.fill(2);
    expect([...message!.data]).toEqual([...new Uint8Array(10).fill(1)]);
  });

  it('puts a message of many fragments together in a time in proportion', () => {
    const chunks = fragments(1, [{ size: 40_000, unordered: false }]);
    const runs = new FragmentRuns();
    // Every second one first: as many runs as can be, then all of them joined.
    for (let i = 0; i < chunks.length; i += 2) runs.add(chunks[i]!);
    let message: unknown;
    for (let i = 1; i < chunks.length; i += 2) message = runs.add(chunks[i]!) ?? message;
    expect(message).toBeDefined();
    expect(runs.cost).toBe(0);
  });
});
