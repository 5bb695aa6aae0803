import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from './rate-limiter.ts';

describe('RateLimiter', () => {
  it('lets a burst through, then the rate', () => {
    const limiter = new RateLimiter({ ratePerSecond: 2, burst: 3, maxKeys: 10 });
    const taken = [0, 0, 0, 0, 499, 500, 500, 1000].map((now) => limiter.take(now, 'a').allowed);
    expect(taken).toEqual([true, true, true, false, false, true, false, true]);
  });

  it('tells when to come again', () => {
    const limiter = new RateLimiter({ ratePerSecond: 2, burst: 1, maxKeys: 10 });
    limiter.take(0, 'a');
    expect(limiter.take(0, 'a')).toEqual({ allowed: false, retryAfterMs: 500 });
    expect(limiter.take(200, 'a')).toEqual({ allowed: false, retryAfterMs: 300 });
    expect(limiter.take(500, 'a')).toEqual({ allowed: true });
  });

  it('counts keys apart', () => {
    const limiter = new RateLimiter({ ratePerSecond: 1, burst: 1, maxKeys: 10 });
    expect(limiter.take(0, 'a').allowed).toBe(true);
    expect(limiter.take(0, 'b').allowed).toBe(true);
    expect(limiter.take(0, 'a').allowed).toBe(false);
  });

  it('forgets the key unseen for longest, and never holds more than its bound', () => {
    const limiter = new RateLimiter({ ratePerSecond: 1, burst: 1, maxKeys: 2 });
    limiter.take(0, 'a');
    limiter.take(0, 'b');
    limiter.take(0, 'a');
    limiter.take(0, 'c');
    expect(limiter.size).toBe(2);
    expect(limiter.take(0, 'a').allowed).toBe(false);
    expect(limiter.take(0, 'b').allowed).toBe(true);
    for (let i = 0; i < 1000; i++) limiter.take(0, `key ${i}`);
    expect(limiter.size).toBe(2);
  });

  it('gains nothing from a clock that goes back', () => {
    const limiter = new RateLimiter({ ratePerSecond: 1, burst: 1, maxKeys: 2 });
    limiter.take(10_000, 'a');
    expect(limiter.take(0, 'a').allowed).toBe(false);
    expect(limiter.take(999, 'a').allowed).toBe(false);
  });

  it('never allows more than burst plus rate times time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 200 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        (steps, ratePerSecond, burst) => {
          const limiter = new RateLimiter({ ratePerSecond, burst, maxKeys: 1 });
          let now = 0;
          let allowed = 0;
          for (const step of steps) {
            now += step;
            if (limiter.take(now, 'k').allowed) allowed++;
          }
          expect(allowed).toBeLessThanOrEqual(burst + (now / 1000) * ratePerSecond + 1e-6);
        },
      ),
      { seed: 3 },
    );
  });

  it.each([
    { ratePerSecond: 0, burst: 1, maxKeys: 1 },
    { ratePerSecond: 1, burst: 0, maxKeys: 1 },
    { ratePerSecond: 1, burst: 1, maxKeys: 0 },
    { ratePerSecond: Number.NaN, burst: 1, maxKeys: 1 },
  ])('refuses %j', (options) => {
    expect(() => new RateLimiter(options)).toThrow(TypeError);
  });
});
