import { expect, test } from 'vitest';
import { createForwarder } from '../src/index.ts';
import { egressId, ingressId, isRtcp, parseRtp, rtcp, rtp, TestPeer, UdpEnd } from './forwarding-fixture.ts';

const receiverCount = 200;
const packetsPerStream = 60;
/** Payload sizes of three streams: equal ones, those of a frame whose last packet is short, and ever changing ones. */
const sizes: readonly ((i: number) => number)[] = [
  () => 900,
  (i) => (i % 4 === 3 ? 40 : 1100),
  (i) => 1 + ((i * 389) % 1700),
];
const payloadOf = (stream: number, i: number): number[] =>
  Array.from({ length: sizes[stream]!(i) }, (_, at) => (at === 0 ? i : stream));

test.each([
  ['127.0.0.1', true],
  ['127.0.0.1', false],
  ['::1', true],
  ['::1', false],
] as const)(
  '200 receivers on %s get every packet in order, segmentation offload %s',
  async (address, segmentationOffload) => {
    const forwarder = createForwarder({
      threads: [[{ address, port: 0, transport: 'udp' }]],
      sending: segmentationOffload ? 'segmented' : 'batched',
      onEvents: () => {},
    });
    const source = await UdpEnd.open(address);
    const ends = await Promise.all(Array.from({ length: receiverCount }, () => UdpEnd.open(address)));
    try {
      const [bound] = forwarder.sockets;
      const pathOf = (end: UdpEnd) => ({ socket: bound!.socket, address, port: end.port });
      const sender = new TestPeer(forwarder, 1, pathOf(source));
      sizes.forEach((_, stream) => {
        forwarder.addIngress(ingressId(stream), {
          peer: sender.id,
          kind: 'video',
          ssrc: 10 + stream,
          payloadType: 100,
          clockRate: 90000,
          csrc: 70 + stream,
          nack: false,
        });
      });
      const receivers = ends.map((end, i) => new TestPeer(forwarder, 2 + i, pathOf(end)));
      receivers.forEach((receiver, i) => {
        sizes.forEach((_, stream) => {
          const egress = egressId(sizes.length * i + stream);
          forwarder.addEgress(egress, {
            peer: receiver.id,
            kind: 'video',
            ssrc: 20 + stream,
            payloadType: 100,
            clockRate: 90000,
            extensions: {},
            initialSequence: 500,
            initialTimestamp: 0,
            initialRtxSequence: 0,
          });
          forwarder.setSource(egress, ingressId(stream), { at: 'now' });
        });
      });
      // The rules hold as soon as this was answered.
      forwarder.readCounters();

      // What a receiver gets is compared with the order in which the forwarder took the packets.
      const expected: string[] = [];
      const media = ends.map((): string[] => []);
      for (let i = 0; i < packetsPerStream; i++) {
        for (let stream = 0; stream < sizes.length; stream++) {
          const payload = payloadOf(stream, i);
          const packet = rtp({ sequence: i, timestamp: 3000 * i, ssrc: 10 + stream, payload });
          source.send(bound!.port, sender.sender.protectRtp(packet));
          expected.push(`${20 + stream} ${500 + i} ${payload.join()}`);
        }
        // Bursts of twelve packets; receivers are let in between, so that no queue overflows.
        if (i % 4 !== 3) continue;
        for (const [at, end] of ends.entries()) {
          while (media[at]!.length < expected.length) {
            const bytes = await end.next();
            if (isRtcp(bytes)) continue;
            const { ssrc, sequence, payload } = parseRtp(receivers[at]!.receiver.unprotectRtp(bytes));
            media[at]!.push(`${ssrc} ${sequence} ${payload.join()}`);
          }
        }
      }
      for (const packets of media) expect(packets.join(';') === expected.join(';')).toBe(true);

      const counters = forwarder.readCounters();
      expect(counters.sent_packets).toBeGreaterThanOrEqual(receiverCount * expected.length);
      expect(counters).toMatchObject({
        refused_segmented: 0,
        dropped_queue_full: 0,
        dropped_socket_error: 0,
        dropped_receive_queue: 0,
      });
      if (!segmentationOffload) {
        expect(counters).toMatchObject({ sent_segmented_messages: 0, sent_segmented_packets: 0 });
      }
    } finally {
      forwarder.close();
      source.close();
      for (const end of ends) end.close();
    }
  },
);

/** Sizes of payloads that are sent again in one answer, and the messages they make with segmentation offload. */
const answers: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['a shorter packet ends a run', [900, 900, 900, 400, 900, 900], [4, 2]],
  ['a longer packet begins one', [300, 300, 301, 301, 301, 300], [2, 4]],
  ['ever shorter ones go in pairs', [500, 400, 300, 200, 100], [2, 2, 1]],
  ['no run has more than 64 packets', new Array(140).fill(50), [64, 64, 12]],
  ['no run exceeds a UDP datagram', new Array(70).fill(1150), [55, 15]],
  ['packets that Ethernet would fragment go alone', [1600, 1600, 1600], [1, 1, 1]],
];

test.each(
  answers.flatMap(([name, payloads, runs]) => [
    { name, payloads, runs, segmentationOffload: true },
    { name, payloads, runs, segmentationOffload: false },
  ]),
)('$name, segmentation offload $segmentationOffload', async ({ payloads, runs, segmentationOffload }) => {
  const address = '127.0.0.1';
  const forwarder = createForwarder({
    threads: [[{ address, port: 0, transport: 'udp' }]],
    sending: segmentationOffload ? 'segmented' : 'batched',
    reportIntervalMs: 3_600_000,
    onEvents: () => {},
  });
  const [source, end] = [await UdpEnd.open(), await UdpEnd.open()];
  try {
    const [bound] = forwarder.sockets;
    const pathOf = ({ port }: UdpEnd) => ({ socket: bound!.socket, address, port });
    const sender = new TestPeer(forwarder, 1, pathOf(source));
    const receiver = new TestPeer(forwarder, 2, pathOf(end));
    forwarder.addIngress(ingressId(1), {
      peer: sender.id,
      kind: 'video',
      ssrc: 11,
      payloadType: 100,
      clockRate: 90000,
      csrc: 77,
      nack: false,
    });
    forwarder.addEgress(egressId(1), {
      peer: receiver.id,
      kind: 'video',
      ssrc: 22,
      payloadType: 100,
      rtxSsrc: 23,
      rtxPayloadType: 101,
      clockRate: 90000,
      extensions: {},
      initialSequence: 0,
      initialTimestamp: 0,
      initialRtxSequence: 0,
    });
    forwarder.setSource(egressId(1), ingressId(1), { at: 'now' });
    forwarder.readCounters();
    const numbers = payloads.map((_, sequence) => sequence);
    for (const sequence of numbers) {
      const payload = new Uint8Array(payloads[sequence]!).fill(sequence);
      source.send(bound!.port, sender.sender.protectRtp(rtp({ sequence, ssrc: 11, payload })));
      receiver.receiver.unprotectRtp(await end.next());
    }

    const before = forwarder.readCounters();
    const nack = rtcp(205, 1, [9, 22, ...numbers.map((sequence) => sequence << 16)]);
    end.send(bound!.port, receiver.sender.protectRtcp(nack));
    const repaired: number[][] = [];
    while (repaired.length < numbers.length) {
      const { ssrc, payload } = parseRtp(receiver.receiver.unprotectRtp(await end.next()));
      expect(ssrc).toBe(23);
      // First the number it was sent under (RFC 4588 §4).
      repaired.push([payload[1]!, payload.length - 2, ...new Set(payload.slice(2))]);
    }
    expect(repaired).toEqual(numbers.map((sequence) => [sequence, payloads[sequence]!, sequence]));

    const after = forwarder.readCounters();
    const counted = (name: string): number => after[name]! - before[name]!;
    const segmented = segmentationOffload ? runs.filter((run) => run > 1) : [];
    expect({
      packets: counted('sent_packets'),
      segmentedMessages: counted('sent_segmented_messages'),
      segmentedPackets: counted('sent_segmented_packets'),
      batches: counted('sent_batches'),
    }).toEqual({
      packets: numbers.length,
      segmentedMessages: segmented.length,
      segmentedPackets: segmented.reduce((sum, run) => sum + run, 0),
      batches: 1,
    });
  } finally {
    forwarder.close();
    source.close();
    end.close();
  }
});
