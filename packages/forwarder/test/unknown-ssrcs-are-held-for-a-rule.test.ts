import { expect, test } from 'vitest';
import { Bench, ingressId } from './forwarding-fixture.ts';

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test('a layer is bound by its rid and remembered', () => {
  const bench = new Bench();
  const sender = bench.addPeer(1);
  const slot = bench.addEgress(1, bench.addPeer(2));
  const { ssrc: _, ...noSsrc } = { ssrc: 0, rid: 'h' };
  bench.table.addIngress(ingressId(5), {
    peer: sender.id,
    kind: 'video',
    payloadType: 100,
    clockRate: 90000,
    csrc: 1,
    nack: false,
    ...noSsrc,
  });
  bench.table.setSource(slot, ingressId(5), { at: 'now' });
  const low = bench.sendRtp(sender, { sequence: 1, ssrc: 77, extensions: { 4: text('l') } });
  expect(low.events).toEqual([
    { type: 'unknown-ssrc', peer: sender.id, ssrc: 77, payloadType: 100, rid: 'l' },
  ]);
  expect(bench.sendRtp(sender, { sequence: 1, ssrc: 88, extensions: { 4: text('h') } }).media).toHaveLength(
    1,
  );
  expect(bench.sendRtp(sender, { sequence: 2, ssrc: 88 }).media).toHaveLength(1);
});

test('packets of an unknown SSRC are held until it is bound', () => {
  const bench = new Bench();
  const sender = bench.addPeer(1);
  const slot = bench.addEgress(1, bench.addPeer(2), { kind: 'audio', clockRate: 48000 });
  bench.table.addIngress(ingressId(5), {
    peer: sender.id,
    kind: 'audio',
    payloadType: 111,
    clockRate: 48000,
    csrc: 1,
    nack: false,
  });
  bench.table.setSource(slot, ingressId(5), { at: 'now' });
  const packet = { payloadType: 111, ssrc: 99, extensions: { 7: text('a0') } };
  expect(bench.sendRtp(sender, { ...packet, sequence: 1 }).events).toEqual([
    { type: 'unknown-ssrc', peer: sender.id, ssrc: 99, payloadType: 111, mid: 'a0' },
  ]);
  bench.now += 50;
  expect(bench.sendRtp(sender, { ...packet, sequence: 2 }).events).toEqual([]);
  bench.table.bindSsrc(ingressId(5), 99);
  expect(bench.tick().media).toMatchObject([{ sequence: 100 }, { sequence: 101 }]);
  expect(bench.sendRtp(sender, { ...packet, sequence: 3 }).media).toMatchObject([{ sequence: 102 }]);
});

test('held packets expire, are bounded in number, and are told of once a second', () => {
  const bench = new Bench();
  const sender = bench.addPeer(1);
  let told = 0;
  for (let i = 0; i < 40; i++) told += bench.sendRtp(sender, { sequence: i, ssrc: 99 }).events.length;
  expect(told).toBe(1);
  expect(bench.table.readCounters().dropped_unknown_ssrc).toBe(8);
  bench.tick(51);
  expect(bench.table.readCounters().dropped_unknown_ssrc).toBe(40);
  bench.now += 1000;
  expect(bench.sendRtp(sender, { sequence: 41, ssrc: 99 }).events).toHaveLength(1);
});

test('a peer may use only so many SSRCs', () => {
  const bench = new Bench({ maxSsrcsPerPeer: 4 });
  const sender = bench.addPeer(1);
  for (let i = 0; i < 10; i++) bench.sendRtp(sender, { sequence: 1, ssrc: 100 + i });
  expect(bench.table.readCounters().dropped_too_many_ssrcs).toBe(6);
});
