import { expect, test } from 'vitest';
import { StateFeed } from './state-feed.ts';

test('many changes at a time are told once, with the newest state', async () => {
  let value = 0;
  const feed = new StateFeed(() => ({ value }));
  const told: number[] = [];
  feed.subscribe((state) => told.push(state.value));
  for (value = 1; value < 5; value++) feed.changed();
  await Promise.resolve();
  expect(told).toEqual([5]);
});

test('reading between two changes does not hide the second', async () => {
  let value = 0;
  const feed = new StateFeed(() => ({ value }));
  const told: number[] = [];
  feed.subscribe((state) => told.push(state.value));
  value = 1;
  feed.changed();
  expect(feed.state).toEqual({ value: 1 });
  value = 2;
  feed.changed();
  await Promise.resolve();
  expect(told).toEqual([2]);
  expect(feed.state).toBe(feed.state);
});

test('who unsubscribes while others are told is not told any more', async () => {
  const feed = new StateFeed(() => ({}));
  const told: string[] = [];
  feed.subscribe(() => {
    told.push('first');
    stop();
  });
  const stop = feed.subscribe(() => told.push('second'));
  feed.changed();
  await Promise.resolve();
  feed.changed();
  await Promise.resolve();
  expect(told).toEqual(['first', 'first']);
});
