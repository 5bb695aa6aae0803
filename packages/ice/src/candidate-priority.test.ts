import { expect, it } from 'vitest';
import { candidatePriority, comparePairPriority } from './candidate-priority.ts';

it('is that of RFC 8445 §5.1.2.1 for the first host candidate', () => {
  expect(candidatePriority('host', 'udp', 6, 0)).toBe(126 * 2 ** 24 + 65535 * 256 + 255);
});

it('alternates the families, IPv6 first', () => {
  const order = [
    candidatePriority('host', 'udp', 6, 0),
    candidatePriority('host', 'udp', 4, 0),
    candidatePriority('host', 'udp', 6, 1),
    candidatePriority('host', 'udp', 4, 1),
  ];
  expect(order.toSorted((a, b) => b - a)).toEqual(order);
});

it('puts every TCP candidate below every direct UDP candidate, and all in 31 bits', () => {
  const worstUdp = candidatePriority('srflx', 'udp', 4, 100);
  const bestTcp = candidatePriority('host', 'tcp', 6, 0);
  expect(bestTcp).toBeLessThan(worstUdp);
  for (const type of ['host', 'srflx', 'prflx', 'relay'] as const) {
    for (const transport of ['udp', 'tcp'] as const) {
      for (const index of [0, 1, 40_000]) {
        const priority = candidatePriority(type, transport, 4, index);
        expect(priority).toBeGreaterThan(0);
        expect(priority).toBeLessThan(2 ** 31);
      }
    }
  }
});

it('orders pairs as the 64-bit formula of RFC 8445 §6.1.2.3 does', () => {
  const formula = (g: number, d: number): bigint =>
    2n ** 32n * BigInt(Math.min(g, d)) + 2n * BigInt(Math.max(g, d)) + (g > d ? 1n : 0n);
  const values = [1, 2, 3, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 32 - 1];
  const pairs = values.flatMap((controlling) => values.map((controlled) => ({ controlling, controlled })));
  for (const a of pairs) {
    for (const b of pairs) {
      const exact = formula(b.controlling, b.controlled) - formula(a.controlling, a.controlled);
      // 2^32 - 1 overflows the formula's lower half; priorities are below 2^31 (RFC 8445 §5.1.2).
      if (Math.max(a.controlling, a.controlled, b.controlling, b.controlled) >= 2 ** 31) continue;
      expect(Math.sign(comparePairPriority(a, b))).toBe(exact > 0n ? 1 : exact < 0n ? -1 : 0);
    }
  }
});
