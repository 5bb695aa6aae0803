import { expect, test } from 'vitest';
import { createForwarder, type ForwarderEvent } from '../src/index.ts';
import {
  egressId,
  extensionIds,
  ingressId,
  parseRtp,
  rtcp,
  rtp,
  TestPeer,
  UdpEnd,
} from './forwarding-fixture.ts';

/** Collects events and waits for one of a kind. */
class EventLog {
  readonly events: ForwarderEvent[] = [];
  #wanted: (() => void) | undefined;
  readonly onEvents = (events: readonly ForwarderEvent[]): void => {
    this.events.push(...events);
    this.#wanted?.();
  };
  async next<T extends ForwarderEvent['type']>(type: T): Promise<Extract<ForwarderEvent, { type: T }>> {
    for (;;) {
      const at = this.events.findIndex((e) => e.type === type);
      if (at >= 0) return this.events.splice(at, 1)[0] as Extract<ForwarderEvent, { type: T }>;
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }
}

test('media is forwarded from one peer to the other, STUN and DTLS go up, datagrams go down', async () => {
  const log = new EventLog();
  const forwarder = createForwarder({
    threads: [[{ address: '127.0.0.1', port: 0, transport: 'udp' }]],
    onEvents: log.onEvents,
  });
  const [a, b] = [await UdpEnd.open(), await UdpEnd.open()];
  try {
    const [bound] = forwarder.sockets;
    expect(bound).toMatchObject({ address: '127.0.0.1', transport: 'udp', thread: 0 });
    const port = bound!.port;
    const pathOf = (end: UdpEnd) => ({ socket: bound!.socket, address: '127.0.0.1', port: end.port });
    const [pathA, pathB] = [pathOf(a), pathOf(b)];

    const stun = Uint8Array.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array(12).fill(7)]);
    a.send(port, stun);
    expect(await log.next('stun')).toEqual({ type: 'stun', path: pathA, bytes: stun });
    forwarder.send(pathA, stun);
    expect(await a.next()).toEqual(stun);

    const sender = new TestPeer(forwarder, 1, pathA);
    const receiver = new TestPeer(forwarder, 2, pathB);
    const dtls = Uint8Array.from([22, 254, 253, 1, 2, 3]);
    // Reading waits until the rules are in force.
    forwarder.readCounters();
    b.send(port, dtls);
    expect(await log.next('dtls')).toEqual({ type: 'dtls', peer: receiver.id, path: pathB, bytes: dtls });

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
      clockRate: 90000,
      extensions: extensionIds,
      initialSequence: 5,
      initialTimestamp: 6,
      initialRtxSequence: 7,
    });
    forwarder.setSource(egressId(1), ingressId(1), { at: 'now' });
    forwarder.readCounters();
    for (let i = 0; i < 200; i++) {
      a.send(
        port,
        sender.sender.protectRtp(rtp({ sequence: i, timestamp: 3000 * i, ssrc: 11, payload: [i] })),
      );
      const packet = parseRtp(receiver.receiver.unprotectRtp(await b.next()));
      expect(packet).toMatchObject({
        ssrc: 22,
        sequence: 5 + i,
        timestamp: 6 + 3000 * i,
        csrcs: [77],
        payload: [i],
      });
    }
    expect(await log.next('switched')).toEqual({ type: 'switched', egress: 1, ingress: 1 });

    // A storm of reports does not become a storm of events.
    for (let i = 0; i < 100; i++) {
      b.send(port, receiver.sender.protectRtcp(rtcp(201, 1, [9, 22, 0, i, 0, 0, 0])));
    }
    b.send(port, dtls);
    await log.next('dtls');
    const reports = log.events.filter((e) => e.type === 'receiver-report');
    expect(reports.length).toBeGreaterThan(0);
    expect(reports.length).toBeLessThan(50);

    expect(forwarder.readIngressStats()).toMatchObject([{ ingress: 1, packets: 200, lostPackets: 0 }]);
    expect(forwarder.readEgressStats()).toMatchObject([{ egress: 1, packets: 200 }]);
    expect(forwarder.readCounters()).toMatchObject({ received_packets: 303 });
  } finally {
    forwarder.close();
    forwarder.close();
    a.close();
    b.close();
  }
});

test('each thread serves its own peers; rules across threads do nothing', async () => {
  const request = { address: '127.0.0.1', port: 0, transport: 'udp' } as const;
  const log = new EventLog();
  const forwarder = createForwarder({ threads: [[request], [request]], onEvents: log.onEvents });
  const ends = [await UdpEnd.open(), await UdpEnd.open()];
  try {
    expect(forwarder.sockets.map((s) => s.thread)).toEqual([0, 1]);
    const peers = ends.map((end, thread) => {
      const path = { socket: forwarder.sockets[thread]!.socket, address: '127.0.0.1', port: end.port };
      const peer = new TestPeer(forwarder, thread + 1, path, { thread });
      forwarder.addIngress(ingressId(thread), {
        peer: peer.id,
        kind: 'video',
        ssrc: 11,
        payloadType: 100,
        clockRate: 90000,
        csrc: 70 + thread,
        nack: false,
      });
      forwarder.addEgress(egressId(thread), {
        peer: peer.id,
        kind: 'video',
        ssrc: 22,
        payloadType: 100,
        clockRate: 90000,
        extensions: {},
        initialSequence: 0,
        initialTimestamp: 0,
        initialRtxSequence: 0,
      });
      return peer;
    });
    // The second does nothing, so the first stays.
    forwarder.setSource(egressId(0), ingressId(0), { at: 'now' });
    forwarder.setSource(egressId(0), ingressId(1), { at: 'now' });
    forwarder.setSource(egressId(1), ingressId(1), { at: 'now' });
    forwarder.readCounters();
    for (const thread of [0, 1]) {
      const [end, peer] = [ends[thread]!, peers[thread]!];
      end.send(forwarder.sockets[thread]!.port, peer.sender.protectRtp(rtp({ sequence: 1, ssrc: 11 })));
      expect(parseRtp(peer.receiver.unprotectRtp(await end.next())).csrcs).toEqual([70 + thread]);
    }
    expect(forwarder.readEgressStats()).toMatchObject([{ packets: 1 }, { packets: 1 }]);
  } finally {
    forwarder.close();
    for (const end of ends) end.close();
  }
});
