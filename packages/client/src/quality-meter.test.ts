import { describe, expect, test } from 'vitest';
import { QualityMeter, type QualityReading } from './quality-meter.ts';

const reading = (change: Partial<QualityReading>): QualityReading => ({
  lossSent: 0,
  lossReceived: 0,
  roundTripMs: 20,
  ...change,
});

function after(readings: readonly Partial<QualityReading>[]): string {
  const meter = new QualityMeter();
  for (const each of readings) meter.update(reading(each));
  return meter.quality;
}

describe('quality meter', () => {
  test.each([
    ['good', { lossSent: 0.02, roundTripMs: 299 }],
    ['good', { lossSent: undefined, lossReceived: undefined, roundTripMs: undefined }],
    ['fair', { lossSent: 0.03 }],
    ['fair', { lossReceived: 0.05 }],
    ['fair', { roundTripMs: 300 }],
    ['poor', { lossSent: 0.1 }],
    ['poor', { lossReceived: 0.5 }],
    ['poor', { roundTripMs: 600 }],
  ])('a steady connection is %s with %j', (verdict, steady) => {
    expect(after([steady, steady, steady])).toBe(verdict);
  });

  test('one bad reading is not believed, nor are bad ones between good ones', () => {
    const bad = { lossSent: 0.5 };
    expect(after([bad])).toBe('good');
    expect(after([bad, {}, bad, {}, bad])).toBe('good');
    expect(after([bad, bad])).toBe('poor');
  });

  test('it improves one step for three good readings', () => {
    const bad = { lossSent: 0.5 };
    expect(after([bad, bad, {}, {}])).toBe('poor');
    expect(after([bad, bad, {}, {}, {}])).toBe('fair');
    expect(after([bad, bad, {}, {}, {}, {}, {}, {}])).toBe('good');
  });

  test('it says when the verdict changes', () => {
    const meter = new QualityMeter();
    const said = [0.5, 0.5, 0, 0, 0].map((lossSent) => meter.update(reading({ lossSent })));
    expect(said).toEqual([false, true, false, false, true]);
  });
});
