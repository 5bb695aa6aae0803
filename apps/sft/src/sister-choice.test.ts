import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderByFreeCapacity, rankServers, type ServerLoad } from './sister-choice.ts';

const urls = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `https://sft.example/sfts/${i}`);

test('all who know the same servers choose the same, in whatever order they know them', () => {
  fc.assert(
    fc.property(fc.string(), fc.shuffledSubarray(urls(8), { minLength: 8 }), (conversation, shuffled) => {
      expect(rankServers(conversation, shuffled)).toEqual(rankServers(conversation, urls(8)));
    }),
  );
});

test('a server that is gone changes nothing about the order of the others', () => {
  fc.assert(
    fc.property(fc.string(), fc.subarray(urls(8)), (conversation, live) => {
      const all = rankServers(conversation, urls(8));
      expect(rankServers(conversation, live)).toEqual(all.filter((url) => live.includes(url)));
    }),
  );
});

test('conferences spread over the servers', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 4000; i++) {
    const [first = ''] = rankServers(`conversation ${i}`, urls(4));
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  for (const url of urls(4)) expect(Math.abs((counts.get(url) ?? 0) - 1000)).toBeLessThan(150);
});

test('a conversation is the same in upper and lower case, and a server that is named twice counts once', () => {
  expect(rankServers('ABCDEF', urls(5))).toEqual(rankServers('abcdef', urls(5)));
  expect(rankServers('a', [...urls(2), ...urls(2)])).toHaveLength(2);
  expect(rankServers('a', [])).toEqual([]);
});

const load = (url: string, change: Partial<ServerLoad> = {}): ServerLoad => ({
  url,
  participants: 0,
  maxParticipants: 100,
  busyShare: 0,
  draining: false,
  ...change,
});

test('the server with the most room comes first, be it places or processor time that are scarce', () => {
  expect(
    orderByFreeCapacity([
      load('busy', { busyShare: 0.8 }),
      load('empty'),
      load('half', { participants: 50 }),
      load('large', { participants: 50, maxParticipants: 500 }),
    ]),
  ).toEqual(['empty', 'large', 'half', 'busy']);
});

test('servers that are full, overloaded or about to end are left out', () => {
  expect(
    orderByFreeCapacity([
      load('full', { participants: 100 }),
      load('overloaded', { busyShare: 1 }),
      load('ending', { draining: true }),
      load('closed', { maxParticipants: 0 }),
    ]),
  ).toEqual([]);
});

test('of equals the lesser URL comes first, so that all documents say the same', () => {
  expect(orderByFreeCapacity([load('b'), load('a'), load('c')])).toEqual(['a', 'b', 'c']);
});
