import { expect, test } from 'vitest';
import { Bench, type RtcpPart, type StepOutput, type TestPeer } from './forwarding-fixture.ts';

interface Feedback {
  readonly mediaSsrc: number;
  readonly base: number;
  readonly count: number;
  readonly feedbackCount: number;
  /** Arrival in ms by transport-wide number; those not received are absent. */
  readonly arrivals: Map<number, number>;
  readonly bytes: number;
}

/** Reads draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, strictly. */
function readFeedback(part: RtcpPart): Feedback {
  const b = part.body;
  expect([part.type, part.count]).toEqual([205, 15]);
  const base = b.readUInt16BE(8);
  const count = b.readUInt16BE(10);
  let ticks = b.readIntBE(12, 3) * 256;
  const symbols: number[] = [];
  let at = 16;
  while (symbols.length < count) {
    const chunk = b.readUInt16BE(at);
    at += 2;
    if ((chunk & 0x8000) === 0) {
      expect(chunk & 0x1fff).toBeGreaterThan(0);
      for (let i = 0; i < (chunk & 0x1fff); i++) symbols.push((chunk >> 13) & 3);
      expect(symbols.length).toBeLessThanOrEqual(count);
    } else if ((chunk & 0x4000) === 0) {
      for (let bit = 13; bit >= 0; bit--) symbols.push((chunk >> bit) & 1);
    } else {
      for (let bit = 12; bit >= 0; bit -= 2) symbols.push((chunk >> bit) & 3);
    }
  }
  for (const rest of symbols.splice(count)) expect(rest).toBe(0);
  const arrivals = new Map<number, number>();
  symbols.forEach((symbol, i) => {
    expect(symbol).toBeLessThan(3);
    if (symbol === 0) return;
    ticks += symbol === 1 ? b.readUInt8(at) : b.readInt16BE(at);
    at += symbol;
    arrivals.set((base + i) & 0xffff, ticks / 4);
  });
  expect(at).toBe(b.length);
  return {
    mediaSsrc: b.readUInt32BE(4),
    base,
    count,
    feedbackCount: b[15]!,
    arrivals,
    bytes: 4 + b.length,
  };
}

const feedbackIn = (output: StepOutput): Feedback[] =>
  output.control.flatMap((c) => c.parts.filter((p) => p.type === 205 && p.count === 15).map(readFeedback));

function sending(transportFeedbackIntervalMs = 100): {
  bench: Bench;
  a: TestPeer;
  send: (number: number) => StepOutput;
} {
  const bench = new Bench({ transportFeedbackIntervalMs });
  const a = bench.addPeer(1, { transportFeedback: true });
  bench.addIngress(1, a);
  let sequence = 0;
  const send = (number: number): StepOutput =>
    bench.sendRtp(a, {
      sequence: sequence++,
      ssrc: 1001,
      extensions: { 3: [(number >> 8) & 255, number & 255] },
    });
  return { bench, a, send };
}

test('arrivals of one interval are told with their times, losses included', () => {
  const { bench, send } = sending();
  const expected = new Map<number, number>();
  [65534, 65535, 1, 2, 3, 30, 29].forEach((number, i) => {
    bench.now += [0, 0.25, 10, 63.75, 0, 20, 5][i]!;
    expected.set(number, bench.now);
    send(number);
  });
  const [feedback, ...others] = feedbackIn(bench.tick(10));
  expect(others).toEqual([]);
  expect(feedback).toMatchObject({ mediaSsrc: 1001, base: 65534, count: 33, feedbackCount: 0 });
  expect([...feedback!.arrivals].sort()).toEqual([...expected].sort());
  expect(feedbackIn(bench.tick(100))).toEqual([]);
});

test('the next feedback begins where the last one ended; a late packet is told after all', () => {
  const { bench, send } = sending();
  send(10);
  send(12);
  expect(feedbackIn(bench.tick(100))).toMatchObject([{ base: 10, count: 3 }]);
  send(15);
  expect(feedbackIn(bench.tick(100))).toMatchObject([{ base: 13, count: 3, feedbackCount: 1 }]);
  send(11);
  const at = bench.now;
  const [late] = feedbackIn(bench.tick(100));
  expect(late!.base).toBe(11);
  expect(late!.arrivals.get(11)).toBe(at);
});

test('random arrivals come back as they were', () => {
  const { bench, send } = sending();
  let seed = 12345;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  const expected = new Map<number, number>();
  const told = new Map<number, number>();
  const take = (output: StepOutput): void => {
    for (const feedback of feedbackIn(output)) {
      expect(feedback.bytes).toBeLessThanOrEqual(1150);
      for (const [number, ms] of feedback.arrivals) told.set(number, ms);
    }
  };
  let number = 65000;
  for (let i = 0; i < 5000; i++) {
    number = (number + (random(20) === 0 ? random(60) : 1)) & 0xffff;
    bench.now += random(40) === 0 ? random(300) / 4 : random(3) / 4;
    const mostRecent = expected.has(number) ? undefined : bench.now;
    const output = send(number);
    // An interval may have ended before this packet came.
    take(output);
    if (mostRecent !== undefined) expected.set(number, mostRecent);
    if (expected.size > 30000) break;
  }
  take(bench.tick(100));
  expect(told.size).toBe(expected.size);
  for (const [n, ms] of expected) expect(told.get(n)).toBe(ms);
});

test('long lists and pauses are split into packets of bounded size', () => {
  const { bench, send } = sending(600_000);
  const told = new Map<number, number>();
  const expected = new Map<number, number>();
  let largest = 0;
  let packets = 0;
  const take = (output: StepOutput): void => {
    for (const feedback of feedbackIn(output)) {
      packets++;
      largest = Math.max(largest, feedback.bytes);
      for (const [n, ms] of feedback.arrivals) told.set(n, ms);
    }
  };
  for (let i = 0; i < 700; i++) {
    // Deltas are large, some numbers are missing, and one pause exceeds what a delta can say.
    if (i % 7 === 3) continue;
    bench.now += i === 100 ? 20_000 : 65;
    expected.set(i, bench.now);
    take(send(i));
  }
  take(bench.tick(600_000));
  expect(packets).toBeGreaterThanOrEqual(3);
  expect(largest).toBeGreaterThan(1100);
  expect(largest).toBeLessThanOrEqual(1150);
  expect(told).toEqual(expected);
});

test('a thousand packets in one instant are all told', () => {
  const { bench, send } = sending();
  const numbers = new Set<number>();
  const take = (output: StepOutput): void => {
    for (const feedback of feedbackIn(output)) for (const n of feedback.arrivals.keys()) numbers.add(n);
  };
  for (let i = 0; i < 5000; i++) take(send(i));
  take(bench.tick(100));
  expect(numbers.size).toBe(5000);
});

test('nothing is told without negotiation', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  bench.addIngress(1, a);
  bench.sendRtp(a, { sequence: 1, ssrc: 1001, extensions: { 3: [0, 1] } });
  expect(feedbackIn(bench.tick(100))).toEqual([]);
});
