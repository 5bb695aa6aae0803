import { expect, test } from 'vitest';
import { LegQuality } from './leg-quality.ts';

test('knows nothing before the first report', () => {
  expect(new LegQuality().figures).toEqual({ transport: undefined, roundTripMs: undefined, lossFraction: 0 });
});

test('follows a lasting change and shows a single bad report as a fifth of it', () => {
  const quality = new LegQuality();
  quality.handleReport(0, 0.5, 100);
  expect(quality.figures.lossFraction).toBeCloseTo(0.1);
  expect(quality.figures.roundTripMs).toBe(100);
  for (let i = 1; i < 60; i++) quality.handleReport(i * 1000, 0.5, 300);
  expect(quality.figures.lossFraction).toBeCloseTo(0.5, 2);
  expect(quality.figures.roundTripMs).toBeCloseTo(300, 0);
});

test('keeps the round trip when a report tells none', () => {
  const quality = new LegQuality();
  quality.handleReport(0, 0, 40);
  quality.handleReport(1000, 0, undefined);
  expect(quality.figures.roundTripMs).toBe(40);
});

test('is due for a histogram at the first report and then every five seconds, however many come', () => {
  const quality = new LegQuality();
  const due = Array.from({ length: 101 }, (_, i) => quality.handleReport(i * 100, 0, undefined));
  expect(due.flatMap((isDue, i) => (isDue ? [i * 100] : []))).toEqual([0, 5000, 10_000]);
});
