import { describe, expect, it } from 'vitest';
import { RetransmissionTimeout } from './retransmission-timeout.ts';
import { defaultSctpTimings } from './sctp-options.ts';

describe('RetransmissionTimeout (RFC 9260 §6.3.1)', () => {
  it('follows the round trips', () => {
    const rto = new RetransmissionTimeout({ ...defaultSctpTimings, rtoMinMs: 1 });
    expect([rto.rtoMs, rto.smoothedMs]).toEqual([500, undefined]);
    rto.measure(100);
    expect([rto.rtoMs, rto.smoothedMs]).toEqual([300, 100]);
    rto.measure(200);
    // RTTVAR = 0.75 * 50 + 0.25 * 100, SRTT = 0.875 * 100 + 0.125 * 200
    expect([rto.rtoMs, rto.smoothedMs]).toEqual([112.5 + 4 * 62.5, 112.5]);
  });

  it('keeps within its bounds', () => {
    const rto = new RetransmissionTimeout(defaultSctpTimings);
    rto.measure(0);
    expect(rto.rtoMs).toBe(200);
    rto.measure(-5);
    expect(rto.rtoMs).toBe(200);
    for (let i = 0; i < 20; i++) rto.backOff();
    expect(rto.rtoMs).toBe(10_000);
    rto.measure(1e9);
    expect(rto.rtoMs).toBe(10_000);
  });
});
