import type { LegId } from '@conclave/conference';
import { expect, test } from 'vitest';
import {
  egressOf,
  ingressOf,
  legOfEgress,
  legOfIngress,
  MAX_SLOTS_PER_LEG,
  slotOfEgress,
  streamOfIngress,
} from './rule-ids.ts';

const LEGS = [1, 2, 77, 67_000_000].map((id) => id as LegId);

test('a stream leads back to its leg and name', () => {
  for (const leg of LEGS) {
    for (const stream of ['audio', 'low', 'high', 'single'] as const) {
      const ingress = ingressOf(leg, stream);
      expect(legOfIngress(ingress)).toBe(leg);
      expect(streamOfIngress(ingress)).toBe(stream);
    }
  }
});

test('a slot leads back to its leg and number, up to the most there are', () => {
  for (const leg of LEGS) {
    for (let slot = 0; slot < MAX_SLOTS_PER_LEG; slot++) {
      const egress = egressOf(leg, slot);
      expect(legOfEgress(egress)).toBe(leg);
      expect(slotOfEgress(egress)).toBe(slot);
    }
  }
});

test('ids fit the 32 bits that the forwarder takes', () => {
  expect(egressOf(67_000_000 as LegId, MAX_SLOTS_PER_LEG - 1)).toBeLessThan(2 ** 32);
});
