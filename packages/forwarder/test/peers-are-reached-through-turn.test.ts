import { afterEach, expect, test } from 'vitest';
import {
  createForwarder,
  type Forwarder,
  type ForwarderEvent,
  type Path,
  type SocketId,
} from '../src/index.ts';
import { egressId, extensionIds, ingressId, parseRtp, rtp, TestPeer, UdpEnd } from './forwarding-fixture.ts';
import { channelData, Inbox, LOOPBACK } from './relay-fixture.ts';

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const thing of closing.splice(0)) thing.close();
});

const senderAt = { address: '203.0.113.5', port: 5000 };
const receiverAt = { address: '2001:db8::5', port: 6000 };
const stun = Uint8Array.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array(12).fill(7)]);

/** A forwarder, and a socket that plays the TURN server with which it has an allocation. */
async function startForwarder(): Promise<{
  forwarder: Forwarder;
  events: Inbox<ForwarderEvent>;
  server: UdpEnd;
  port: number;
  via: Path;
}> {
  const events = new Inbox<ForwarderEvent>();
  const forwarder = createForwarder({
    threads: [[{ address: LOOPBACK, port: 0, transport: 'udp' }]],
    onEvents: (batch) => {
      for (const event of batch) events.push(event);
    },
  });
  const server = await UdpEnd.open();
  closing.push(forwarder, server);
  const { socket, port } = forwarder.sockets[0]!;
  return { forwarder, events, server, port, via: { socket, address: LOOPBACK, port: server.port } };
}

test('media takes channels of a TURN server both ways', async () => {
  const { forwarder, server, port, via } = await startForwarder();
  const sender = new TestPeer(forwarder, 1, forwarder.addRelayedPath(via, 0x4000, senderAt));
  const receiver = new TestPeer(forwarder, 2, forwarder.addRelayedPath(via, 0x4fff, receiverAt));
  forwarder.addIngress(ingressId(1), {
    ...{
      peer: sender.id,
      kind: 'video',
      ssrc: 11,
      payloadType: 100,
      clockRate: 90_000,
      csrc: 77,
      nack: false,
    },
  });
  forwarder.addEgress(egressId(1), {
    ...{ peer: receiver.id, kind: 'video', ssrc: 22, payloadType: 100, clockRate: 90_000 },
    ...{ extensions: extensionIds, initialSequence: 5, initialTimestamp: 6, initialRtxSequence: 7 },
  });
  forwarder.setSource(egressId(1), ingressId(1), { at: 'now' });
  forwarder.readCounters();
  for (let i = 0; i < 50; i++) {
    const fields = { sequence: i, timestamp: 3000 * i, ssrc: 11, payload: [i, i + 1] };
    server.send(port, channelData(0x4000, sender.sender.protectRtp(rtp(fields))));
    const bytes = await server.next();
    expect([bytes[0], bytes[1], (bytes[2]! << 8) | bytes[3]!]).toEqual([0x4f, 0xff, bytes.length - 4]);
    const packet = parseRtp(receiver.receiver.unprotectRtp(bytes.subarray(4)));
    expect(packet).toMatchObject({ ssrc: 22, sequence: 5 + i, payload: [i, i + 1] });
  }
});

test('STUN in a channel comes on the path of its peer, STUN of the server on its own', async () => {
  const { forwarder, events, server, port, via } = await startForwarder();
  const path = forwarder.addRelayedPath(via, 0x4001, receiverAt);
  expect(path).toMatchObject(receiverAt);
  forwarder.readCounters();
  server.send(port, channelData(0x4001, stun));
  expect(await events.next('STUN')).toEqual({ type: 'stun', path, bytes: stun });
  forwarder.send(path, stun);
  expect(await server.next()).toEqual(channelData(0x4001, stun));
  server.send(port, stun);
  expect(await events.next('STUN')).toEqual({ type: 'stun', path: via, bytes: stun });
});

test('channels that are not bound, of others, cut short or closed carry nothing', async () => {
  const { forwarder, events, server, port, via } = await startForwarder();
  const other = await UdpEnd.open();
  closing.push(other);
  const path = forwarder.addRelayedPath(via, 0x4001, receiverAt);
  forwarder.readCounters();
  server.send(port, channelData(0x4002, stun));
  other.send(port, channelData(0x4001, stun));
  server.send(port, channelData(0x4001, stun).subarray(0, 20));
  server.send(port, Uint8Array.of(0x40));
  server.send(port, stun);
  await events.next('the STUN message behind them');
  other.send(port, stun);
  await events.next('the STUN message behind that');
  expect(forwarder.readCounters()).toMatchObject({ dropped_no_path: 2, dropped_malformed: 2 });

  forwarder.closePath(path.socket);
  forwarder.send(path, stun);
  forwarder.send({ ...path, socket: (path.socket + 64) as SocketId }, stun);
  expect(forwarder.readCounters()).toMatchObject({ dropped_no_socket: 2 });
});

test('a channel that is bound anew is the newer path’s', async () => {
  const { forwarder, events, server, port, via } = await startForwarder();
  const former = forwarder.addRelayedPath(via, 0x4001, receiverAt);
  const path = forwarder.addRelayedPath(via, 0x4001, senderAt);
  expect(path.socket).not.toBe(former.socket);
  forwarder.readCounters();
  server.send(port, channelData(0x4001, stun));
  expect(await events.next('STUN')).toMatchObject({ path });
  forwarder.send(former, stun);
  expect(forwarder.readCounters().dropped_no_socket).toBe(1);
  expect(() => forwarder.addRelayedPath(via, 0x5000, senderAt)).toThrow(TypeError);
  expect(() => forwarder.addRelayedPath(via, 0x4000, { address: 'x', port: 1 })).toThrow(TypeError);
});
