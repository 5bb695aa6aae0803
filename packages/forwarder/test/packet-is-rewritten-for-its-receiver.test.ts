import { expect, test } from 'vitest';
import { SrtpProfile } from '../src/index.ts';
import { Bench, deltaFrameDescriptor, rtp } from './forwarding-fixture.ts';

for (const profile of Object.values(SrtpProfile)) {
  test(`header is made from the original and the slot, profile ${profile}`, () => {
    const bench = new Bench();
    const sender = bench.addPeer(1, {}, profile);
    const receiver = bench.addPeer(2, {}, profile);
    const source = bench.addIngress(1, sender);
    const slot = bench.addEgress(1, receiver, {
      payloadType: 98,
      extensions: { genericFrameDescriptor: 9, absSendTime: 8 },
    });
    bench.table.setSource(slot, source, { at: 'now' });
    bench.now = 2500;
    const { media, events } = bench.sendRtp(sender, {
      sequence: 65535,
      timestamp: 0xfffffff0,
      ssrc: 1001,
      marker: true,
      csrcs: [1, 2],
      extensions: { 2: [9, 9, 9], 3: [0, 1], 4: [0x68], 11: deltaFrameDescriptor },
      payload: [10, 11, 12],
      padding: 4,
    });
    expect(events).toEqual([{ type: 'switched', egress: slot, ingress: source }]);
    expect(media).toHaveLength(1);
    expect(media[0]).toMatchObject({
      peer: receiver,
      payloadType: 98,
      marker: true,
      sequence: 100,
      timestamp: 50000,
      ssrc: 2001,
      csrcs: [7001],
      payload: [10, 11, 12],
    });
    // 2.5 s in 6.18 fixed point is 0x0a0000.
    expect(media[0]!.extensions).toEqual({ 8: [0x0a, 0, 0], 9: deltaFrameDescriptor });

    bench.now = 2533;
    const next = bench.sendRtp(sender, { sequence: 0, timestamp: 2974 - 16, ssrc: 1001 });
    expect(next.media[0]).toMatchObject({ sequence: 101, timestamp: 52974, marker: false, extensions: {} });
  });
}

test('two-byte extension elements are read', () => {
  const bench = new Bench();
  const sender = bench.addPeer(1);
  const slot = bench.addEgress(1, bench.addPeer(2));
  bench.table.setSource(slot, bench.addIngress(1, sender), { at: 'now' });
  const plain = Buffer.from(
    rtp({ sequence: 1, ssrc: 1001, extensions: { 1: [0], 2: [0, 0, 0, 0, 0, 0, 0, 0, 0] } }),
  );
  // Two-byte profile; id 11 with 4 bytes, padding, id 1 with none, id 6 with a length beyond the block.
  plain.set([0x10, 0x00, 0, 3, 11, 4, 1, 2, 3, 4, 0, 1, 0, 6, 200, 1], 12);
  const { sent } = bench.table.receive(
    bench.now,
    sender.path,
    sender.sender.protectRtp(new Uint8Array(plain)),
  );
  const { media } = bench.open({ sent, events: [] });
  expect(media[0]!.extensions).toEqual({ 11: [1, 2, 3, 4] });
});

test('packets of another payload type, from elsewhere, without keys or replayed are dropped and counted', () => {
  const bench = new Bench();
  const sender = bench.addPeer(1);
  const slot = bench.addEgress(1, bench.addPeer(2));
  bench.table.setSource(slot, bench.addIngress(1, sender), { at: 'now' });
  expect(bench.sendRtp(sender, { sequence: 1, ssrc: 1001, payloadType: 99 }).media).toEqual([]);
  const packet = sender.sender.protectRtp(rtp({ sequence: 2, ssrc: 1001 }));
  const elsewhere = { ...sender.path, port: 1 };
  expect(bench.table.receive(bench.now, elsewhere, packet).sent).toEqual([]);
  const broken = packet.slice();
  broken[14]! ^= 1;
  expect(bench.table.receive(bench.now, sender.path, broken).sent).toEqual([]);
  expect(bench.table.receive(bench.now, sender.path, packet).sent).toHaveLength(1);
  expect(bench.table.receive(bench.now, sender.path, packet).sent).toEqual([]);
  expect(bench.table.receive(bench.now, sender.path, new Uint8Array([70, 1])).sent).toEqual([]);
  expect(bench.table.readCounters()).toMatchObject({
    received_packets: 6,
    sent_packets: 1,
    dropped_payload_type: 1,
    dropped_no_path: 1,
    dropped_bad_tag: 1,
    dropped_replayed: 1,
    dropped_not_demultiplexed: 1,
  });
});
