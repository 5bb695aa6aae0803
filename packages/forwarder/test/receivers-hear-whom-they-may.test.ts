import { expect, test } from 'vitest';
import type { PeerId } from '../src/index.ts';
import { Bench, groupId, type RtpFields, type StepOutput, type TestPeer } from './forwarding-fixture.ts';

const audio = { kind: 'audio', payloadType: 111, clockRate: 48000 } as const;
const group = groupId(1);

/** Three callers with one stream and two slots each. Stream i belongs to caller i; slots of caller i are 10i, 10i+1. */
function conference(): { bench: Bench; callers: TestPeer[] } {
  const bench = new Bench();
  const callers = [1, 2, 3].map((n) => bench.addPeer(n));
  bench.table.addGroup(group, 0, 2);
  callers.forEach((caller, i) => {
    bench.addIngress(i + 1, caller, audio);
    const slots = [10 * (i + 1), 10 * (i + 1) + 1].map((n) => bench.addEgress(n, caller, audio));
    bench.table.setGroupReceiver(group, caller.id, slots);
  });
  return { bench, callers };
}

const allow = (bench: Bench, receiver: PeerId, ...streams: number[]): void =>
  bench.table.setGroupPermissions(group, receiver, streams as never[]);
const put = (bench: Bench, slot: number, stream: number | undefined): void =>
  bench.table.setGroupSource(group, slot, stream as never);
const speak = (bench: Bench, caller: TestPeer, n: number, fields: Partial<RtpFields> = {}): StepOutput =>
  bench.sendRtp(caller, { payloadType: 111, ssrc: 1000 + n, sequence: 1, ...fields });
const heard = (output: StepOutput): [number, number, number][] =>
  output.media.map((m) => [m.peer.id, m.ssrc, m.sequence] as [number, number, number]);

test('a slot reaches those who may hear its source, and nobody else', () => {
  const { bench, callers } = conference();
  const [a, b, c] = callers as [TestPeer, TestPeer, TestPeer];
  put(bench, 0, 1);
  expect(heard(speak(bench, a, 1))).toEqual([]);
  allow(bench, b.id, 1, 3);
  expect(heard(speak(bench, a, 1, { sequence: 2 }))).toEqual([[2, 2020, 100]]);
  allow(bench, c.id, 1, 2);
  allow(bench, a.id, 2, 3);
  const both = speak(bench, a, 1, { sequence: 3 });
  expect(heard(both)).toEqual([
    [2, 2020, 101],
    [3, 2030, 100],
  ]);
  expect(both.events).toEqual([]);
  allow(bench, b.id, 3);
  expect(heard(speak(bench, a, 1, { sequence: 4 }))).toEqual([[3, 2030, 101]]);
  // Two of the first packet, one of the second, one of the last: the speaker's own place does not count.
  expect(bench.table.readCounters().dropped_not_permitted).toBe(4);
});

test('one rule changes the speaker for all; each slot stays continuous', () => {
  const { bench, callers } = conference();
  const [a, b, c] = callers as [TestPeer, TestPeer, TestPeer];
  for (const caller of callers) allow(bench, caller.id, ...[1, 2, 3].filter((n) => n !== caller.id));
  put(bench, 0, 1);
  put(bench, 1, 3);
  expect(heard(speak(bench, a, 1, { sequence: 500, timestamp: 9 }))).toEqual([
    [2, 2020, 100],
    [3, 2030, 100],
  ]);
  expect(heard(speak(bench, c, 3))).toEqual([
    [1, 2011, 100],
    [2, 2021, 100],
  ]);
  put(bench, 0, 2);
  expect(heard(speak(bench, a, 1, { sequence: 501 }))).toEqual([]);
  bench.now += 20;
  const next = speak(bench, b, 2, { sequence: 9000, timestamp: 0x90000000 });
  expect(heard(next)).toEqual([
    [1, 2010, 100],
    [3, 2030, 101],
  ]);
  expect(next.media[1]!.timestamp).toBe(50000 + 960);
  // Away and back without a packet in between is a switch all the same.
  put(bench, 0, 1);
  put(bench, 0, 2);
  expect(heard(speak(bench, b, 2, { sequence: 9100 }))).toEqual([
    [1, 2010, 101],
    [3, 2030, 102],
  ]);
});

test('a source that may be heard again comes back by a switch', () => {
  const { bench, callers } = conference();
  const [a, b] = callers as [TestPeer, TestPeer];
  put(bench, 0, 1);
  allow(bench, b.id, 1);
  speak(bench, a, 1, { sequence: 1 });
  allow(bench, b.id);
  speak(bench, a, 1, { sequence: 2 });
  speak(bench, a, 1, { sequence: 3 });
  allow(bench, b.id, 1);
  expect(heard(speak(bench, a, 1, { sequence: 4 }))).toEqual([[2, 2020, 101]]);
});

test('who leaves is neither heard nor sent to, and its ids mean nothing any more', () => {
  const { bench, callers } = conference();
  const [a, b, c] = callers as [TestPeer, TestPeer, TestPeer];
  for (const caller of callers) allow(bench, caller.id, 1, 2, 3);
  put(bench, 0, 1);
  put(bench, 1, 2);
  bench.table.removePeer(b.id);
  bench.peers.delete(2);
  expect(heard(speak(bench, a, 1))).toEqual([
    [1, 2010, 100],
    [3, 2030, 100],
  ]);
  bench.table.removeGroupReceiver(group, c.id);
  expect(heard(speak(bench, a, 1, { sequence: 2 }))).toEqual([[1, 2010, 101]]);
  // A stream that takes the id over is not heard by the permissions of its predecessor.
  bench.table.removeIngress(1 as never);
  bench.addIngress(1, a, { ...audio, ssrc: 555 });
  put(bench, 0, 1);
  expect(heard(speak(bench, a, 1, { ssrc: 555, sequence: 3 }))).toEqual([]);
  bench.table.removeGroup(group);
  expect(heard(speak(bench, a, 1, { ssrc: 555, sequence: 4 }))).toEqual([]);
});

test('levels are summed, and loud streams outside the slots raise an onset', () => {
  const { bench, callers } = conference();
  const [a, b] = callers as [TestPeer, TestPeer];
  const level = (caller: TestPeer, n: number, sequence: number, octet: number): StepOutput =>
    speak(bench, caller, n, { sequence, extensions: { 1: [octet] } });
  // Quiet with voice; loud once without voice; loud twice.
  expect(level(b, 2, 1, 0x80 | 60).events).toEqual([]);
  expect(level(b, 2, 2, 40).events).toEqual([]);
  expect(level(b, 2, 3, 30).events).toEqual([{ type: 'audio-onset', ingress: 2 }]);
  expect(level(b, 2, 4, 0x80 | 20).events).toEqual([]);
  bench.now += 100;
  expect(level(b, 2, 5, 0x80 | 20).events).toHaveLength(1);
  put(bench, 0, 1);
  expect(level(a, 1, 1, 0x80 | 10).events).toEqual([]);
  expect(bench.table.readAudioLevels()).toEqual([
    { ingress: 1, packets: 1, meanLevel: 10, peakLevel: 10, voicePackets: 1 },
    { ingress: 2, packets: 5, meanLevel: 34, peakLevel: 20, voicePackets: 3 },
    { ingress: 3, packets: 0, meanLevel: 127, peakLevel: 127, voicePackets: 0 },
  ]);
  expect(bench.table.readAudioLevels()[1]).toMatchObject({ packets: 0 });
});
