import { expect, test } from 'vitest';
import { SrtpProfile } from '../src/index.ts';
import {
  Bench,
  deltaFrameDescriptor,
  egressId,
  ingressId,
  keyFrameDescriptor,
  rtcp,
  rtp,
  type TestPeer,
} from './forwarding-fixture.ts';

/** A small generator of Lehmer's kind: the same bytes in every run. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 48271) % 2147483647;
    return state % n;
  };
}

function everything(): { bench: Bench; a: TestPeer; b: TestPeer } {
  const bench = new Bench({ maxSsrcsPerPeer: 1000 });
  const a = bench.addPeer(1, { transportFeedback: true });
  const b = bench.addPeer(2, { transportFeedback: true });
  bench.addIngress(1, a, { nack: true, rtxSsrc: 1501, rtxPayloadType: 101 });
  bench.addIngress(2, a, { kind: 'audio', payloadType: 111, clockRate: 48000 });
  bench.addEgress(1, b, { rtxSsrc: 2501, rtxPayloadType: 101 });
  bench.addEgress(2, b, { kind: 'audio', payloadType: 111, clockRate: 48000 });
  bench.table.setSource(egressId(1), ingressId(1), { at: 'now' });
  bench.table.setSource(egressId(2), ingressId(2), { at: 'now' });
  return { bench, a, b };
}

const media = (sequence: number): Uint8Array[] => [
  rtp({
    sequence,
    ssrc: 1001,
    csrcs: [5],
    extensions: {
      2: [1, 2, 3],
      3: [sequence >> 8, sequence & 255],
      4: [0x68],
      6: [0x80, 0, 1, 0x80],
      11: keyFrameDescriptor,
    },
    payload: [1, 2, 3, 4, 5, 6],
    padding: 5,
  }),
  rtp({ sequence, ssrc: 1002, payloadType: 111, extensions: { 1: [0x8b], 2: [0, 0, 0] }, payload: [9, 9] }),
  rtp({
    sequence,
    ssrc: 1501,
    payloadType: 101,
    extensions: { 5: [0x68], 11: deltaFrameDescriptor },
    payload: [0, sequence, 7],
  }),
];

const control: Uint8Array[] = [
  rtcp(200, 1, [1001, 1000, 0, 5, 6, 7, 2001, 0x01000001, 9, 8, 7, 6]),
  rtcp(201, 2, [1, 2001, 0, 0, 0, 0, 0, 2002, 0, 0, 0, 0, 0]),
  rtcp(205, 1, [1, 2001, 0x0064ffff, 0x0070ffff]),
  rtcp(205, 15, [1, 2001, 1, 2, 3]),
  rtcp(206, 1, [1, 2001]),
  rtcp(206, 4, [1, 0, 2001, 0, 2002, 0]),
  rtcp(202, 1, [1, 0x01020304]),
  rtcp(203, 1, [1]),
];

/** Delivers plain bytes as an authentic packet of the peer; what SRTP itself refuses is not for the table. */
function deliver(bench: Bench, peer: TestPeer, plain: Uint8Array): void {
  const isRtcp = plain.length > 1 && plain[1]! >= 192 && plain[1]! <= 223;
  let bytes: Uint8Array;
  try {
    bytes = isRtcp ? peer.sender.protectRtcp(plain) : peer.sender.protectRtp(plain);
  } catch {
    bytes = plain;
  }
  bench.now += 1;
  bench.table.receive(bench.now, peer.path, bytes);
}

/** Media still gets through. */
function expectAlive(bench: Bench, a: TestPeer, sequence: number): void {
  const { media: sent } = bench.sendRtp(a, { sequence, ssrc: 1002, payloadType: 111, payload: [42] });
  expect(sent.at(-1)).toMatchObject({ ssrc: 2002, payload: [42] });
}

test('every truncation of every kind of packet', () => {
  const { bench, a, b } = everything();
  let sequence = 1;
  for (const kind of [0, 1, 2]) {
    const { length } = media(0)[kind]!;
    for (let end = 0; end <= length; end++) deliver(bench, a, media(sequence++)[kind]!.subarray(0, end));
  }
  const compound = new Uint8Array(Buffer.concat(control));
  for (const peer of [a, b]) {
    for (let end = 0; end <= compound.length; end++) deliver(bench, peer, compound.subarray(0, end));
  }
  expectAlive(bench, a, sequence + 10);
});

test('random changes of authentic packets', () => {
  const { bench, a, b } = everything();
  const random = generator(7);
  let sequence = 1;
  const mutated = (plain: Uint8Array): Uint8Array => {
    const copy = plain.slice();
    for (let n = random(4); n >= 0; n--) copy[random(copy.length)] = random(3) === 0 ? 255 : random(256);
    // The SSRC stays, most of the time: the deeper code is behind it.
    if (copy[1]! < 192 && random(10) !== 0) copy.set(plain.subarray(8, 12), 8);
    return random(5) === 0 ? copy.subarray(0, random(copy.length)) : copy;
  };
  for (let i = 0; i < 20_000; i++) {
    sequence = (sequence + 1) & 0xff;
    const plain = random(3) === 0 ? control[random(control.length)]! : media(sequence)[random(3)]!;
    deliver(bench, random(4) === 0 ? b : a, mutated(plain));
    if (random(500) === 0) bench.tick(random(300));
  }
  const later = bench.addPeer(3);
  bench.addIngress(9, later);
  bench.addEgress(9, later);
  bench.table.setSource(egressId(9), ingressId(9), { at: 'now' });
  expect(bench.sendRtp(later, { sequence: 1, ssrc: 1009 }).media).toHaveLength(1);
  expect(bench.table.readCounters().dropped_malformed).toBeGreaterThan(100);
});

test('random bytes of every first byte, on a validated path and off it', () => {
  const { bench, a } = everything();
  const random = generator(11);
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: random(80) }, () => random(256));
    if (bytes.length > 0) bytes[0] = i & 255;
    bench.table.receive(bench.now, random(2) === 0 ? a.path : { ...a.path, port: random(65536) }, bytes);
  }
  bench.table.receive(bench.now, a.path, new Uint8Array(65535).fill(0x80));
  expect(bench.table.readCounters().dropped_oversize).toBe(1);
  expectAlive(bench, a, 1);
});

test('a flood of bad packets does not disturb a session', () => {
  const { bench, a } = everything();
  expectAlive(bench, a, 1);
  const packet = a.sender.protectRtp(media(2)[1]!);
  const bad = packet.slice();
  bad[packet.length - 1]! ^= 1;
  for (let i = 0; i < 100_000; i++) bench.table.receive(bench.now, a.path, bad);
  expect(bench.table.readCounters().dropped_bad_tag).toBe(100_000);
  expect(bench.table.receive(bench.now, a.path, packet).sent).toHaveLength(1);
});

test('a storm of NACKs and key-frame requests costs little', () => {
  const { bench, a, b } = everything();
  for (let i = 0; i < 300; i++) bench.sendRtp(a, { sequence: i, ssrc: 1001, payload: new Uint8Array(1000) });
  const nack = rtcp(205, 1, [
    1,
    2001,
    ...Array.from({ length: 20 }, (_, i) => (100 + 17 * i) * 65536 + 0xffff),
  ]);
  const requests = rtcp(206, 4, [1, 0, ...Array.from({ length: 40 }, () => [2001, 0]).flat()]);
  let repairs = 0;
  let events = 0;
  const storm = [nack, requests];
  for (let i = 0; i < 1000; i++) {
    bench.now += 1;
    const output = bench.table.receive(
      bench.now,
      b.path,
      b.sender.protectRtcp(new Uint8Array(Buffer.concat(storm))),
    );
    repairs += output.sent.length;
    events += output.events.filter((e) => e.type === 'key-frame-needed').length;
  }
  expect(events).toBeLessThanOrEqual(21);
  expect(repairs).toBeLessThanOrEqual(460);
});

test('wrong arguments throw TypeError at once', () => {
  const { bench, a } = everything();
  const { table } = bench;
  const path = a.path;
  const keys = {
    profile: SrtpProfile.aeadAes128Gcm,
    receiveKey: new Uint8Array(16),
    receiveSalt: new Uint8Array(12),
    sendKey: new Uint8Array(16),
    sendSalt: new Uint8Array(14),
  };
  const wrong: (() => void)[] = [
    () => table.addPeer(-1 as never, {} as never),
    () =>
      table.addPeer(9 as never, {
        thread: 0,
        feedbackSsrc: 1,
        cname: 'x'.repeat(33),
        extensions: {},
        transportFeedback: false,
      }),
    () =>
      table.addPeer(9 as never, {
        thread: 0,
        feedbackSsrc: 1,
        cname: 'x',
        extensions: { mid: 15 },
        transportFeedback: false,
      }),
    () => table.setPaths(a.id, [{ ...path, address: 'localhost' }], undefined),
    () => table.setPaths(a.id, [path], { ...path, port: 65536 }),
    () => table.setSrtpKeys(a.id, keys),
    () => table.setRoundTrip(a.id, Number.NaN),
    () => bench.addIngress(9, a, { ssrc: 2 ** 32 }),
    () => bench.addIngress(9, a, { payloadType: 128 }),
    () => bench.addIngress(9, a, { clockRate: 0 }),
    () => bench.addIngress(9, a, { rid: 'h\n' }),
    () => bench.addEgress(9, a, { initialSequence: 65536 }),
    () => table.addGroup(1 as never, 0, 0),
    () => table.setSource(1 as never, 1 as never, { at: 'key-frame', deadlineMs: -1 }),
    () => table.send(path, new Uint8Array(0)),
    () => table.send(path, new Uint8Array(2049)),
  ];
  for (const call of wrong) expect(call).toThrow(TypeError);
});
