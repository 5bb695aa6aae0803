import { expect, test } from 'vitest';
import { Bench, type RtcpPart, rtcp, type StepOutput, type TestPeer } from './forwarding-fixture.ts';

const ntpOf = (ms: number): [number, number] => [
  Math.floor(ms / 1000),
  Math.floor(((ms % 1000) / 1000) * 2 ** 32),
];
const senderReport = (ssrc: number, atMs: number, timestamp: number): Uint8Array =>
  rtcp(200, 0, [ssrc, ...ntpOf(atMs), timestamp, 1, 2]);

function partsTo(output: StepOutput, peer: TestPeer, type: number): RtcpPart[] {
  return output.control.filter((c) => c.peer === peer).flatMap((c) => c.parts.filter((p) => p.type === type));
}

interface SenderReport {
  ssrc: number;
  ntpMs: number;
  timestamp: number;
  packets: number;
  bytes: number;
}

function senderReports(output: StepOutput, peer: TestPeer): SenderReport[] {
  return partsTo(output, peer, 200).map(({ body }) => ({
    ssrc: body.readUInt32BE(0),
    ntpMs: Math.round(1000 * (body.readUInt32BE(4) + body.readUInt32BE(8) / 2 ** 32)),
    timestamp: body.readUInt32BE(12),
    packets: body.readUInt32BE(16),
    bytes: body.readUInt32BE(20),
  }));
}

test('sender reports map the source through the offset of its media, first at once, then each interval', () => {
  const bench = new Bench({ reportIntervalMs: 1000 });
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a);
  bench.addEgress(1, b);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  expect(bench.sendRtp(a, { sequence: 1, timestamp: 90000, ssrc: 1001 }).control).toEqual([]);
  // At 1000 ms on our clock the sender's shows 9 000 000 ms and its timestamp is 90000.
  bench.sendRtcp(a, senderReport(1001, 9_000_000, 90000));
  bench.now = 1100;
  const second = bench.sendRtp(a, { sequence: 2, timestamp: 99000, ssrc: 1001, payload: [1, 2, 3, 4] });
  expect(senderReports(second, b)).toEqual([
    { ssrc: 2001, ntpMs: 1100, timestamp: 50000 + 9000, packets: 2, bytes: 7 },
  ]);
  const [sdes] = partsTo(second, b, 202);
  expect(sdes!.count).toBe(1);
  expect(sdes!.body.readUInt32BE(0)).toBe(2001);
  expect(sdes!.body.subarray(4, 13).toString('latin1')).toBe('\x01\x06test-2\0');
  expect(second.control[0]!.parts.map((p) => p.type)).toEqual([200, 202]);
  bench.now = 1999;
  expect(senderReports(bench.tick(), b)).toEqual([]);
  expect(senderReports(bench.tick(1), b)).toEqual([
    { ssrc: 2001, ntpMs: 2000, timestamp: 50000 + 90000, packets: 2, bytes: 7 },
  ]);
  bench.table.setSource(1 as never, undefined, { at: 'now' });
  expect(senderReports(bench.tick(1000), b)).toEqual([]);
});

test('audio and video of one sender stay aligned although their reports took different times', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a, { kind: 'audio', clockRate: 48000 });
  bench.addIngress(2, a);
  bench.addEgress(1, b, { kind: 'audio', clockRate: 48000 });
  bench.addEgress(2, b);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.table.setSource(2 as never, 2 as never, { at: 'now' });
  bench.sendRtp(a, { sequence: 1, timestamp: 4800, ssrc: 1001 });
  bench.sendRtp(a, { sequence: 1, timestamp: 9000, ssrc: 1002 });
  // Both captured at 5 000 000 ms; the video's report is 70 ms late.
  bench.sendRtcp(a, senderReport(1001, 5_000_000, 4800));
  bench.now += 70;
  bench.sendRtcp(a, senderReport(1002, 5_000_000, 9000));
  const [audio, video] = senderReports(bench.tick(930), b);
  const captureOf = (report: SenderReport, rate: number, timestamp: number): number =>
    report.ntpMs - ((report.timestamp - timestamp) / rate) * 1000;
  expect(captureOf(audio!, 48000, 50000)).toBeCloseTo(captureOf(video!, 90000, 50000), 6);
  expect(captureOf(audio!, 48000, 50000)).toBeCloseTo(1000, 6);
});

test('reports of many slots and streams share compound packets that fit any path', () => {
  const bench = new Bench({ maxSsrcsPerPeer: 40 });
  const a = bench.addPeer(1, { cname: 'x'.repeat(32) });
  const b = bench.addPeer(2, { cname: 'x'.repeat(32) });
  for (let i = 1; i <= 40; i++) {
    bench.addIngress(i, a);
    bench.addEgress(i, b);
    bench.table.setSource(i as never, i as never, { at: 'now' });
    bench.sendRtp(a, { sequence: 1, ssrc: 1000 + i });
  }
  for (let i = 1; i <= 40; i++) bench.sendRtcp(a, senderReport(1000 + i, 5_000_000, 1));
  const output = bench.tick(1000);
  expect(senderReports(output, b).map((r) => r.ssrc)).toEqual(Array.from({ length: 40 }, (_, i) => 2001 + i));
  expect(partsTo(output, a, 201).map((p) => p.count)).toEqual([31, 9]);
  expect(output.control).toHaveLength(5);
  for (const { bytes, parts } of output.control) {
    expect(bytes.length).toBeLessThanOrEqual(1200);
    expect(parts.at(-1)!.type).toBe(202);
    expect(parts.at(-1)!.count).toBe(parts.length - 1);
  }
});

test('receiver reports count losses without regard to padding, and echo the sender report', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  bench.addIngress(1, a);
  for (const sequence of [65534, 65535, 2, 3]) bench.sendRtp(a, { sequence, ssrc: 1001 });
  bench.sendRtp(a, { sequence: 4, ssrc: 1001, payload: [], padding: 10 });
  bench.now = 1500;
  bench.sendRtcp(a, senderReport(1001, 0x12345678 * 1000 + 500, 1));
  bench.now = 2000;
  const output = bench.tick();
  const [report] = partsTo(output, a, 201);
  expect(output.control[0]!.parts.map((p) => p.type)).toEqual([201, 202]);
  const b = report!.body;
  expect([report!.count, b.readUInt32BE(0), b.readUInt32BE(4)]).toEqual([1, 0xfeed0001, 1001]);
  // Two of seven are lost.
  expect(b[8]).toBe(Math.floor((2 * 256) / 7));
  expect(b.readUIntBE(9, 3)).toBe(2);
  expect(b.readUInt32BE(12)).toBe(0x10004);
  expect(b.readUInt32BE(20)).toBe(0x56788000);
  expect(b.readUInt32BE(24)).toBe(32768);
  // The late ones come: nothing is lost in all, and nothing since.
  for (const sequence of [0, 1]) bench.sendRtp(a, { sequence, ssrc: 1001 });
  const [next] = partsTo(bench.tick(1000), a, 201);
  expect([next!.body[8], next!.body.readUIntBE(9, 3)]).toEqual([0, 0]);
});

test("receivers' reports go up with the round trip by our own reports", () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a);
  bench.addEgress(1, b);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.sendRtcp(a, senderReport(1001, 9_000_000, 90000));
  const { control } = bench.sendRtp(a, { sequence: 1, timestamp: 90000, ssrc: 1001 });
  const body = control[0]!.parts[0]!.body;
  const lastReport = ((body.readUInt32BE(4) & 0xffff) * 65536 + (body.readUInt32BE(8) >>> 16)) >>> 0;
  bench.now += 150;
  // 100 ms of the 150 passed at the receiver.
  const block = [2001, (64 << 24) | 0xfffffe, 5, 77, lastReport, Math.round(6553.6)];
  const { events } = bench.sendRtcp(b, rtcp(201, 1, [9, ...block]));
  expect(events).toEqual([
    {
      type: 'receiver-report',
      egress: 1,
      fractionLost: 0.25,
      cumulativeLost: -2,
      jitterTicks: 77,
      roundTripMs: expect.closeTo(50, 1),
    },
  ]);
  // An echo of what we never sent tells no round trip; a block about another's SSRC nothing.
  block[4] = lastReport + 1;
  expect(bench.sendRtcp(b, rtcp(201, 1, [9, ...block])).events[0]).not.toHaveProperty('roundTripMs');
  block[0] = 2002;
  expect(bench.sendRtcp(b, rtcp(201, 1, [9, ...block])).events).toEqual([]);
});

test('requests for key frames are merged going up, and written as PLI and FIR going to the source', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a);
  bench.addEgress(1, b);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.sendRtp(a, { sequence: 1, ssrc: 1001 });
  const pli = rtcp(206, 1, [9, 2001]);
  const fir = rtcp(206, 4, [9, 0, 2001, 0x05000000]);
  expect(bench.sendRtcp(b, pli, fir).events).toEqual([{ type: 'key-frame-needed', ingress: 1 }]);
  bench.now += 49;
  expect(bench.sendRtcp(b, fir).events).toEqual([]);
  bench.now += 1;
  expect(bench.sendRtcp(b, fir).events).toHaveLength(1);
  expect(bench.sendRtcp(b, rtcp(206, 1, [9, 1001])).events).toEqual([]);

  for (const sequence of [0, 1]) {
    bench.table.requestKeyFrame(1 as never);
    const { control } = bench.tick();
    expect(control).toHaveLength(1);
    expect(control[0]!.peer).toBe(a);
    const words = control[0]!.parts.map((p) => [
      p.type,
      p.count,
      ...Array.from({ length: p.body.length / 4 }, (_, i) => p.body.readUInt32BE(4 * i)),
    ]);
    expect(words).toEqual([
      [206, 1, 0xfeed0001, 1001],
      [206, 4, 0xfeed0001, 0, 1001, sequence << 24],
    ]);
  }
});

test('goodbyes, unknown packets and lengths that lie change nothing', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  bench.addIngress(1, a);
  bench.addEgress(1, bench.addPeer(2));
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.sendRtcp(a, rtcp(203, 1, [1001]), rtcp(207, 3, [1, 2, 3]), rtcp(202, 31, []));
  const lying = rtcp(200, 31, [1001, 1, 2, 3, 4, 5]);
  lying[3] = 200;
  bench.sendRtcp(a, lying);
  expect(bench.sendRtp(a, { sequence: 1, ssrc: 1001 }).media).toHaveLength(1);
});
