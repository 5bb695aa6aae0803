import { expect, test } from 'vitest';
import { Bench, rtcp, type StepOutput, type TestPeer } from './forwarding-fixture.ts';

const nackOf = (senderSsrc: number, mediaSsrc: number, ...items: [number, number][]): Uint8Array =>
  rtcp(205, 1, [senderSsrc, mediaSsrc, ...items.map(([pid, mask]) => pid * 65536 + mask)]);

/** Sequence numbers asked for in an output's NACKs. */
function asked(output: StepOutput): number[] {
  const numbers: number[] = [];
  for (const { type, count, body } of output.control.flatMap((c) => c.parts)) {
    if (type !== 205 || count !== 1) continue;
    for (let at = 8; at < body.length; at += 4) {
      const first = body.readUInt16BE(at);
      const mask = body.readUInt16BE(at + 2);
      numbers.push(first);
      for (let bit = 0; bit < 16; bit++) if (mask & (1 << bit)) numbers.push((first + bit + 1) & 0xffff);
    }
  }
  return numbers;
}

function repairing(): { bench: Bench; a: TestPeer; b: TestPeer } {
  const bench = new Bench();
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a, { nack: true, rtxSsrc: 1501, rtxPayloadType: 101 });
  bench.addEgress(1, b, { rtxSsrc: 2501, rtxPayloadType: 97, initialSequence: 65534 });
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  return { bench, a, b };
}

const media = (sequence: number) => ({
  sequence,
  ssrc: 1001,
  timestamp: 3000 * sequence,
  payload: [sequence & 255],
});
const rtx = (sequence: number, original: number) => ({
  sequence,
  ssrc: 1501,
  payloadType: 101,
  timestamp: 3000 * original,
  payload: [original >> 8, original & 255, original & 255],
});

test('a gap is asked for after two newer packets, then each round trip, at most ten times', () => {
  const { bench, a } = repairing();
  bench.table.setRoundTrip(a.id, 40);
  bench.sendRtp(a, media(65533));
  expect(asked(bench.sendRtp(a, media(0)))).toEqual([]);
  expect(asked(bench.sendRtp(a, media(1)))).toEqual([65534, 65535]);
  expect(asked(bench.tick(39))).toEqual([]);
  expect(asked(bench.tick(1))).toEqual([65534, 65535]);
  // One comes late by itself, one is repaired.
  expect(bench.sendRtp(a, media(65534)).media).toMatchObject([{ sequence: 65535, payload: [254] }]);
  expect(asked(bench.tick(40))).toEqual([65535]);
  let times = 3;
  for (let i = 0; i < 50; i++) times += asked(bench.tick(40)).length;
  expect(times).toBe(10);
  expect(bench.table.readIngressStats()[0]).toMatchObject({
    nacksSent: 12,
    recoveredPackets: 1,
    lostPackets: 1,
  });
});

test('a gap is asked for after ten milliseconds without newer packets', () => {
  const { bench, a } = repairing();
  bench.sendRtp(a, media(1));
  bench.sendRtp(a, media(3));
  expect(asked(bench.tick(9))).toEqual([]);
  const output = bench.tick(1);
  expect(asked(output)).toEqual([2]);
  expect(output.control[0]!.peer).toBe(a);
  const body = output.control[0]!.parts[0]!.body;
  expect([body.readUInt32BE(0), body.readUInt32BE(4)]).toEqual([0xfeed0001, 1001]);
});

test('a repair over RTX is forwarded in its own place; a second one is dropped', () => {
  const { bench, a } = repairing();
  bench.sendRtp(a, media(10));
  bench.sendRtp(a, media(12));
  expect(bench.sendRtp(a, rtx(7, 11)).media).toMatchObject([
    { ssrc: 2001, payloadType: 100, sequence: 65535, timestamp: 53000, payload: [11] },
  ]);
  expect(bench.sendRtp(a, rtx(8, 11)).media).toEqual([]);
  expect(bench.sendRtp(a, media(11)).media).toEqual([]);
  expect(asked(bench.tick(100))).toEqual([]);
  // Probes for bandwidth: no payload, and padding alone.
  expect(bench.sendRtp(a, { ...rtx(9, 0), payload: [] }).media).toEqual([]);
  expect(bench.sendRtp(a, { ...rtx(10, 0), payload: [], padding: 200 }).media).toEqual([]);
  expect(bench.table.readIngressStats()[0]).toMatchObject({
    packets: 3,
    recoveredPackets: 1,
    lostPackets: 0,
  });
  expect(bench.table.readCounters().dropped_duplicate).toBe(2);
});

test('a gap wider than can be repaired asks for a key frame instead', () => {
  const { bench, a } = repairing();
  bench.sendRtp(a, media(1));
  const output = bench.sendRtp(a, media(300));
  expect(output.events).toEqual([{ type: 'key-frame-needed', ingress: 1 }]);
  expect(asked(bench.tick(50))).toEqual([]);
});

test('a NACK of a receiver is answered over RTX, once per round trip', () => {
  const { bench, a, b } = repairing();
  bench.table.setRoundTrip(b.id, 50);
  for (let i = 1; i <= 5; i++) bench.sendRtp(a, media(i));
  // Sent as 65534, 65535, 0, 1, 2.
  const nack = nackOf(1, 2001, [65535, 0b101]);
  expect(bench.sendRtcp(b, nack).media).toMatchObject([
    {
      peer: b,
      ssrc: 2501,
      payloadType: 97,
      sequence: 900,
      timestamp: 53000,
      payload: [255, 255, 2],
      csrcs: [7001],
    },
    { ssrc: 2501, sequence: 901, timestamp: 56000, payload: [0, 0, 3] },
    { ssrc: 2501, sequence: 902, timestamp: 62000, payload: [0, 2, 5] },
  ]);
  bench.now += 49;
  expect(bench.sendRtcp(b, nack).media).toEqual([]);
  bench.now += 1;
  expect(bench.sendRtcp(b, nack).media).toHaveLength(3);
  // What was never sent, and another SSRC.
  expect(bench.sendRtcp(b, nackOf(1, 2001, [3000, 0xffff])).media).toEqual([]);
  expect(bench.sendRtcp(b, nackOf(1, 2999, [65535, 0])).media).toEqual([]);
  bench.now += 1000;
  expect(bench.sendRtcp(b, nack).media).toEqual([]);
  expect(bench.table.readEgressStats()[0]).toMatchObject({ retransmittedPackets: 6, nacksReceived: 29 });
});

test('a packet that came by RTX itself can be repaired again', () => {
  const { bench, a, b } = repairing();
  bench.sendRtp(a, media(10));
  bench.sendRtp(a, media(12));
  bench.sendRtp(a, rtx(7, 11));
  expect(bench.sendRtcp(b, nackOf(1, 2001, [65535, 0])).media).toMatchObject([{ payload: [255, 255, 11] }]);
});

test('repairs survive a change of source and are bounded per second', () => {
  const { bench, a, b } = repairing();
  bench.addIngress(2, a);
  bench.sendRtp(a, media(1));
  bench.table.setSource(1 as never, 2 as never, { at: 'now' });
  for (let i = 0; i < 400; i++) bench.sendRtp(a, { ...media(i), ssrc: 1002 });
  expect(bench.sendRtcp(b, nackOf(1, 2001, [65534, 1])).media).toMatchObject([
    { payload: [255, 254, 1] },
    { payload: [255, 255, 0] },
  ]);
  let repaired = 0;
  for (let i = 0; i < 300; i += 17) {
    repaired += bench.sendRtcp(b, nackOf(1, 2001, [i, 0xffff])).media.length;
  }
  expect(repaired).toBe(148);
  bench.now += 100;
  expect(bench.sendRtcp(b, nackOf(1, 2001, [300, 0xffff], [317, 0xffff])).media).toHaveLength(30);
});

test('a repair never comes from another stream that took over the id', () => {
  const { bench, a, b } = repairing();
  bench.sendRtp(a, media(1));
  bench.table.removeIngress(1 as never);
  bench.addIngress(1, a, { ssrc: 1009 });
  bench.addEgress(2, bench.addPeer(3), { rtxSsrc: 2502, rtxPayloadType: 97 });
  bench.table.setSource(2 as never, 1 as never, { at: 'now' });
  expect(bench.sendRtp(a, { ...media(1), ssrc: 1009 }).media).toHaveLength(1);
  expect(bench.sendRtcp(b, nackOf(1, 2001, [65534, 0])).media).toEqual([]);
});

test('without RTX a NACK is ignored', () => {
  const bench = new Bench();
  const a = bench.addPeer(1);
  const b = bench.addPeer(2);
  bench.addIngress(1, a);
  bench.addEgress(1, b);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.sendRtp(a, media(1));
  expect(bench.sendRtcp(b, nackOf(1, 2001, [100, 0])).media).toEqual([]);
});
