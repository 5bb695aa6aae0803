import { expect, test } from 'vitest';
import {
  Bench,
  deltaFrameDescriptor,
  keyFrameDescriptor,
  rtcp,
  rtp,
  type StepOutput,
} from './forwarding-fixture.ts';

const numbers = (output: StepOutput): [number, number][] =>
  output.media.map((m) => [m.sequence, m.timestamp] as [number, number]);

function oneToOne(initialSequence = 100): Bench & { a: ReturnType<Bench['addPeer']> } {
  const bench = new Bench();
  const a = bench.addPeer(1);
  bench.addIngress(1, a);
  bench.addIngress(2, a);
  bench.addEgress(1, bench.addPeer(2), { initialSequence });
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  return Object.assign(bench, { a });
}

test('lost and late packets keep their place through the wrap of the sequence number', () => {
  const bench = oneToOne(65530);
  const sent: number[] = [];
  for (const sequence of [65534, 65535, 1, 0, 5, 3]) {
    sent.push(...bench.sendRtp(bench.a, { sequence, ssrc: 1001 }).media.map((m) => m.sequence));
  }
  expect(sent).toEqual([65530, 65531, 65533, 65532, 1, 65535]);
});

test('many wraps of the sequence number, with padding all along', () => {
  const bench = oneToOne(65000);
  for (let i = 0; i < 500; i++) {
    const { media } = bench.sendRtp(bench.a, { sequence: 1000 * i, ssrc: 1001 });
    // Each padding-only packet moves everything after it by one.
    expect(media).toMatchObject([{ sequence: (65000 + 999 * i) & 0xffff }]);
    bench.sendRtp(bench.a, { sequence: 1000 * i + 1, ssrc: 1001, payload: [], padding: 9 });
  }
});

test('gaps of padding-only packets are closed, those of late padding are not', () => {
  const bench = oneToOne();
  const padding = { payload: [], padding: 200, ssrc: 1001 };
  const media = { ssrc: 1001 };
  const sent: (number | undefined)[] = [];
  const send = (fields: Parameters<Bench['sendRtp']>[1]): void => {
    sent.push(bench.sendRtp(bench.a, fields).media[0]?.sequence);
  };
  send({ ...media, sequence: 10 });
  send({ ...padding, sequence: 11 });
  send({ ...padding, sequence: 12 });
  send({ ...media, sequence: 13 });
  // 14 is late media, 16 late padding; 18 padding with a late 15 before it.
  send({ ...media, sequence: 17 });
  send({ ...padding, sequence: 18 });
  send({ ...media, sequence: 14 });
  send({ ...padding, sequence: 16 });
  send({ ...media, sequence: 19 });
  send({ ...media, sequence: 15 });
  expect(sent).toEqual([100, undefined, undefined, 101, 105, undefined, 102, undefined, 106, 103]);
  expect(bench.table.readIngressStats()[0]).toMatchObject({ packets: 6, paddingPackets: 4, lostPackets: 0 });
});

test('a duplicate position and one far behind are dropped', () => {
  const bench = oneToOne();
  const packets = [100, 176, 177, 178, 1200].map((sequence) =>
    bench.a.sender.protectRtp(rtp({ sequence, ssrc: 1001 })),
  );
  const sentAfter = (i: number): number =>
    bench.table.receive(bench.now, bench.a.path, packets[i]!).sent.length;
  // 176 is 1024 behind the newest, 177 is 1023 behind.
  expect([0, 4, 1, 2, 2, 3, 0].map(sentAfter)).toEqual([1, 1, 0, 1, 0, 1, 0]);
  expect(bench.table.readCounters()).toMatchObject({ dropped_too_old: 2, dropped_replayed: 1 });
});

test('a switch continues sequence and timestamp, and drops what is older than its first packet', () => {
  const bench = oneToOne();
  bench.sendRtp(bench.a, { sequence: 10, timestamp: 1000, ssrc: 1001 });
  bench.table.setSource(1 as never, 2 as never, { at: 'now' });
  // The old source stops at once.
  expect(bench.sendRtp(bench.a, { sequence: 11, timestamp: 4000, ssrc: 1001 }).media).toEqual([]);
  bench.now += 100;
  const first = bench.sendRtp(bench.a, { sequence: 40000, timestamp: 0x80000000, ssrc: 1002 });
  expect(first.events).toEqual([{ type: 'switched', egress: 1, ingress: 2 }]);
  expect(numbers(first)).toEqual([[101, 50000 + 9000]]);
  expect(bench.sendRtp(bench.a, { sequence: 39999, timestamp: 0x7ffffff0, ssrc: 1002 }).media).toEqual([]);
  expect(numbers(bench.sendRtp(bench.a, { sequence: 40001, timestamp: 0x80000bb8, ssrc: 1002 }))).toEqual([
    [102, 62000],
  ]);
  // Back again, in the same instant: one tick more.
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  expect(numbers(bench.sendRtp(bench.a, { sequence: 12, timestamp: 7000, ssrc: 1001 }))).toEqual([
    [103, 62001],
  ]);
  expect(bench.table.readCounters()).toMatchObject({ dropped_before_switch: 1, dropped_no_receiver: 1 });
});

test('a slot waits for a key frame while the old source flows, and gives up at the deadline', () => {
  const bench = oneToOne();
  const send = (n: number, sequence: number, descriptor: readonly number[]): StepOutput =>
    bench.sendRtp(bench.a, { sequence, ssrc: 1000 + n, extensions: { 11: descriptor } });
  send(1, 1, keyFrameDescriptor);
  bench.table.setSource(1 as never, 2 as never, { at: 'key-frame', deadlineMs: 500 });
  expect(bench.tick().events).toEqual([{ type: 'key-frame-needed', ingress: 2 }]);
  expect(send(2, 1, deltaFrameDescriptor).media).toEqual([]);
  expect(send(1, 2, deltaFrameDescriptor).media).toHaveLength(1);
  // The second packet of a key frame's first frame does not begin it.
  expect(send(2, 2, [0x70]).media).toEqual([]);
  const switched = send(2, 3, keyFrameDescriptor);
  expect(switched.events).toEqual([{ type: 'switched', egress: 1, ingress: 2 }]);
  expect(switched.media).toMatchObject([{ sequence: 102, csrcs: [7002] }]);
  expect(send(1, 3, deltaFrameDescriptor).media).toEqual([]);

  bench.table.setSource(1 as never, 1 as never, { at: 'key-frame', deadlineMs: 500 });
  expect(bench.tick(499).events).toEqual([{ type: 'key-frame-needed', ingress: 1 }]);
  expect(bench.tick(1).events).toEqual([{ type: 'switch-deadline', egress: 1, ingress: 1 }]);
  expect(send(1, 4, keyFrameDescriptor).media).toEqual([]);
  expect(send(2, 4, deltaFrameDescriptor).media).toMatchObject([{ sequence: 103 }]);
});

test('key frames are found by the dependency descriptor as well', () => {
  const bench = oneToOne();
  bench.table.setSource(1 as never, 2 as never, { at: 'key-frame', deadlineMs: 500 });
  const send = (sequence: number, descriptor: readonly number[]): StepOutput =>
    bench.sendRtp(bench.a, { sequence, ssrc: 1002, extensions: { 6: descriptor } });
  // Mandatory fields only; with extended fields but no structure; a later packet of a frame; then the start of one.
  expect(send(1, [0x80, 0, 1]).media).toEqual([]);
  expect(send(2, [0x80, 0, 1, 0x40]).media).toEqual([]);
  expect(send(3, [0x40, 0, 1, 0x80, 0]).media).toEqual([]);
  expect(send(4, [0x80, 0, 1, 0x80, 0x00, 0x01]).media).toHaveLength(1);
  expect(bench.table.readIngressStats()[1]).toMatchObject({ keyFrames: 1 });
});

test('key frames of a sender that describes no frames are found in the VP8 payload', () => {
  const bench = new Bench();
  const a = bench.addPeer(1, { extensions: { rid: 4 } });
  bench.addIngress(1, a);
  bench.addEgress(1, bench.addPeer(2));
  bench.table.setSource(1 as never, 1 as never, { at: 'key-frame', deadlineMs: 500 });
  const send = (sequence: number, payload: readonly number[]): StepOutput =>
    bench.sendRtp(a, { sequence, ssrc: 1001, payload });
  // A delta frame with a long picture id, a later packet and a later partition, a descriptor cut short.
  expect(send(1, [0x90, 0x80, 0x81, 0x23, 0x01, 0]).media).toEqual([]);
  expect(send(2, [0x00, 0x00, 0]).media).toEqual([]);
  expect(send(3, [0x11, 0x00, 0]).media).toEqual([]);
  expect(send(4, [0x90, 0x80, 0x80]).media).toEqual([]);
  expect(send(5, [0x90, 0x80, 0x81, 0x24, 0x10, 0]).media).toHaveLength(1);
  expect(send(6, [0x90, 0x80, 0x81, 0x25, 0x11, 0]).media).toHaveLength(1);
  expect(bench.table.readIngressStats()[0]).toMatchObject({ keyFrames: 1 });
});

const ntp = (ms: number): [number, number] => [
  Math.floor(ms / 1000),
  Math.round(((ms % 1000) / 1000) * 2 ** 32) >>> 0,
];
const senderReport = (ssrc: number, atMs: number, timestamp: number): Uint8Array =>
  rtcp(200, 0, [ssrc, ...ntp(atMs), timestamp, 1, 2]);

test('a switch between layers with sender reports takes the timestamps of capture', () => {
  const bench = oneToOne();
  // The sender's clock shows 5000000 ms; both layers have random timestamps.
  bench.sendRtcp(bench.a, senderReport(1001, 5_000_000, 1_000_000));
  bench.sendRtcp(bench.a, senderReport(1002, 5_000_000, 2_000_000_000));
  bench.now += 33;
  const low = bench.sendRtp(bench.a, { sequence: 1, timestamp: 1_000_000 + 2970, ssrc: 1001 });
  expect(numbers(low)).toEqual([[100, 50000]]);
  bench.table.setSource(1 as never, 2 as never, { at: 'now' });
  // Captured 100 ms after the report, arriving 90 ms late.
  bench.now += 157;
  const high = bench.sendRtp(bench.a, { sequence: 1, timestamp: 2_000_000_000 + 9000, ssrc: 1002 });
  expect(numbers(high)).toEqual([[101, 50000 + 6030]]);
});

test('a slot without keys or address of its receiver is passed over', () => {
  const bench = oneToOne();
  const receiver = bench.peers.get(2)!;
  bench.table.setPaths(receiver.id, [], undefined);
  expect(bench.sendRtp(bench.a, { sequence: 1, ssrc: 1001 }).events).toEqual([]);
  bench.table.setPaths(receiver.id, [receiver.path], receiver.path);
  expect(bench.sendRtp(bench.a, { sequence: 2, ssrc: 1001 }).media).toMatchObject([{ sequence: 100 }]);
  expect(bench.table.readCounters().dropped_not_ready).toBe(1);
});

test('rules about what is gone change nothing', () => {
  const bench = oneToOne();
  bench.sendRtp(bench.a, { sequence: 1, ssrc: 1001 });
  bench.table.removeIngress(1 as never);
  expect(bench.tick().media).toEqual([]);
  bench.table.setSource(1 as never, 1 as never, { at: 'now' });
  bench.table.setSource(9 as never, 2 as never, { at: 'now' });
  bench.table.setSource(1 as never, 2 as never, { at: 'key-frame', deadlineMs: 50 });
  bench.table.removePeer(2 as never);
  bench.table.removePeer(1 as never);
  bench.table.removePeer(1 as never);
  expect(bench.tick(100).events).toEqual([{ type: 'key-frame-needed', ingress: 2 }]);
  expect(bench.table.readIngressStats()).toEqual([]);
});
