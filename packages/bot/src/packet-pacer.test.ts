import { expect, it } from 'vitest';
import { PacketPacer } from './packet-pacer.ts';

/** Polls each millisecond; how many packets came out at each. */
function releases(pacer: PacketPacer, fromMs: number, toMs: number): number[] {
  const counts: number[] = [];
  for (let now = fromMs; now < toMs; now++) {
    let count = 0;
    while (pacer.poll(now)) count++;
    counts.push(count);
  }
  return counts;
}

it('lets a small frame out at once and spreads a large one', () => {
  // 8 Mbit/s: one packet of 1000 bytes each millisecond.
  const pacer = new PacketPacer(8_000_000);
  for (let i = 0; i < 10; i++) pacer.add(new Uint8Array(1000));
  expect(releases(pacer, 100, 102)).toEqual([10, 0]);
  for (let i = 0; i < 100; i++) pacer.add(new Uint8Array(1000));
  const counts = releases(pacer, 1000, 1100);
  expect(counts[0]).toBe(17);
  expect(Math.max(...counts.slice(1))).toBeLessThanOrEqual(2);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(100);
  expect(counts.slice(0, 80).at(-1)).toBe(1);
  expect(pacer.pollTimeout()).toBeUndefined();
});

it('says when the next packet may go, and has it then', () => {
  const pacer = new PacketPacer(8_000_000);
  for (let i = 0; i < 30; i++) pacer.add(new Uint8Array(1200));
  let now = 5;
  let sent = 0;
  for (; pacer.waiting > 0; sent++) {
    while (pacer.poll(now) === undefined) {
      const at: number = pacer.pollTimeout()! + 0.001;
      expect(at).toBeGreaterThan(now);
      now = at;
    }
  }
  expect(sent).toBe(30);
  expect(now).toBeGreaterThan(5 + (30 * 1200 - 16_384 - 1200) / 1000 - 1);
  expect(now).toBeLessThan(5 + 30);
});

it('drops what comes on top of 8192 waiting packets', () => {
  const pacer = new PacketPacer(1000);
  const accepted = Array.from({ length: 9000 }, () => pacer.add(new Uint8Array(1200)));
  expect(accepted.filter(Boolean)).toHaveLength(8192);
});
