import { expect, test } from 'vitest';
import { LoadMeter } from './load-meter.ts';

test('the share is that of the last span, over all threads, and stays until the next one is over', () => {
  let nowMs = 1000;
  let cpuMs = 500;
  const meter = new LoadMeter({ now: () => nowMs, cpuMs: () => cpuMs, threads: 2 });
  expect(meter.read()).toBe(0);
  nowMs += 5000;
  cpuMs += 2500;
  expect(meter.read()).toBe(0.25);
  nowMs += 4999;
  cpuMs += 9000;
  expect(meter.read()).toBe(0.25);
  nowMs += 1;
  cpuMs += 1000;
  expect(meter.read()).toBe(1);
  nowMs += 10_000;
  expect(meter.read()).toBe(0);
});
