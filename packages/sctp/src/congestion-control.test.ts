import { describe, expect, it } from 'vitest';
import { CongestionControl } from './congestion-control.ts';

const CHUNK = 1000;

describe('CongestionControl (RFC 9260 §7.2)', () => {
  it('begins as §7.2.1 says', () => {
    expect(new CongestionControl(1000, 1e6).window).toBe(4000);
    expect(new CongestionControl(1122, 1e6).window).toBe(4404);
    expect(new CongestionControl(3000, 1e6).window).toBe(6000);
  });

  it('grows by a chunk at most for each SACK in slow start, and only when in use', () => {
    const control = new CongestionControl(CHUNK, 1e6);
    control.acknowledged(1, 3000, 3999);
    expect(control.window).toBe(4000);
    control.acknowledged(2, 3000, 4000);
    expect(control.window).toBe(5000);
    control.acknowledged(3, 400, 5000);
    expect(control.window).toBe(5400);
  });

  it('halves for losses once for all that was in flight, not below four chunks', () => {
    const control = new CongestionControl(CHUNK, 1e6);
    for (let i = 0; i < 16; i++) control.acknowledged(i, 1000, 1e6);
    expect(control.window).toBe(20_000);
    control.lossDetected(100);
    control.lossDetected(110);
    expect(control.window).toBe(10_000);
    expect(control.inFastRecovery).toBe(true);
    control.acknowledged(99, 5000, 1e6);
    expect([control.inFastRecovery, control.window]).toEqual([true, 10_000]);
    control.acknowledged(100, 5000, 1e6);
    expect(control.inFastRecovery).toBe(false);
    control.lossDetected(200);
    control.acknowledged(200, 1, 0);
    control.lossDetected(300);
    expect(control.window).toBe(4000);
  });

  it('grows by a chunk for each full window in congestion avoidance', () => {
    const control = new CongestionControl(CHUNK, 1e6);
    control.lossDetected(1);
    control.acknowledged(1, 1000, 4000);
    control.acknowledged(2, 1000, 4000);
    expect(control.window).toBe(5000);
    for (let i = 0; i < 4; i++) control.acknowledged(3 + i, 1000, 5000);
    expect(control.window).toBe(5000);
    control.acknowledged(8, 1000, 5000);
    expect(control.window).toBe(6000);
  });

  it('shrinks to one chunk at a timeout and ages when idle, and never passes its bound', () => {
    const control = new CongestionControl(CHUNK, 10_000);
    for (let i = 0; i < 50; i++) control.acknowledged(i, 1000, 1e6);
    expect(control.window).toBe(10_000);
    control.idled(1);
    expect(control.window).toBe(5000);
    control.idled(1000);
    expect(control.window).toBe(4000);
    control.timedOut();
    expect(control.window).toBe(1000);
  });
});
