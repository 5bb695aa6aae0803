import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CommandBatch } from './command-batch.ts';

const gather = (threads: number) => {
  const posted: { thread: number; bytes: number[] }[] = [];
  const batch = new CommandBatch(threads, (thread, records) => posted.push({ thread, bytes: [...records] }));
  return { batch, posted };
};

test('what one turn of the event loop brings goes to each thread at once, in order', async () => {
  const { batch, posted } = gather(2);
  batch.add(0, Uint8Array.of(1, 2));
  batch.add(1, Uint8Array.of(9));
  batch.add(0, Uint8Array.of(3));
  expect(posted).toEqual([]);
  await setImmediate();
  expect(posted).toEqual([
    { thread: 0, bytes: [1, 2, 3] },
    { thread: 1, bytes: [9] },
  ]);
  await setImmediate();
  expect(posted).toHaveLength(2);
});

test('a flush hands over what waits, and nothing twice', async () => {
  const { batch, posted } = gather(1);
  batch.add(0, Uint8Array.of(1));
  batch.flush();
  batch.flush();
  await setImmediate();
  expect(posted).toEqual([{ thread: 0, bytes: [1] }]);
});

test('much that waits goes before the turn ends', () => {
  const { batch, posted } = gather(1);
  for (let i = 0; i < 40; i++) batch.add(0, new Uint8Array(2048).fill(i));
  batch.flush();
  expect(posted.length).toBeGreaterThan(1);
  const all = posted.flatMap(({ bytes }) => bytes);
  expect(all).toHaveLength(40 * 2048);
  expect(all.every((byte, at) => byte === Math.floor(at / 2048))).toBe(true);
});
