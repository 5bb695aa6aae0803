import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  createForwarder,
  type Forwarder,
  type ForwarderEvent,
  type ForwarderOptions,
  type Path,
} from '../src/index.ts';
import { egressId, extensionIds, ingressId, parseRtp, rtp, TestPeer, UdpEnd } from './forwarding-fixture.ts';

const stun = (n: number): Uint8Array =>
  Uint8Array.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array(11).fill(7), n]);

const framed = (...datagrams: Uint8Array[]): Buffer =>
  Buffer.concat(datagrams.flatMap((d) => [Buffer.from([d.length >> 8, d.length & 255]), Buffer.from(d)]));

/** A forwarder with a UDP socket and a TCP listener, and its events as they come. */
class Rig {
  readonly forwarder: Forwarder;
  readonly events: ForwarderEvent[] = [];
  #wanted: (() => void) | undefined;

  constructor(options: Partial<ForwarderOptions> = {}) {
    this.forwarder = createForwarder({
      threads: [
        [
          { address: '127.0.0.1', port: 0, transport: 'udp' },
          { address: '127.0.0.1', port: 0, transport: 'tcp' },
        ],
      ],
      onEvents: (events) => {
        this.events.push(...events);
        this.#wanted?.();
      },
      ...options,
    });
  }

  get udp(): { socket: Path['socket']; port: number } {
    return this.forwarder.sockets[0]!;
  }

  async connect(): Promise<Socket> {
    const socket = connect(this.forwarder.sockets[1]!.port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  async next<T extends ForwarderEvent['type']>(type: T): Promise<Extract<ForwarderEvent, { type: T }>> {
    for (;;) {
      const at = this.events.findIndex((e) => e.type === type);
      if (at >= 0) return this.events.splice(at, 1)[0] as Extract<ForwarderEvent, { type: T }>;
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
  }

  /** Repeats a reading until it is as wanted; the test's own time limit bounds it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }
}

const rigs: Rig[] = [];
const open = (options?: Partial<ForwarderOptions>): Rig => {
  const rig = new Rig(options);
  rigs.push(rig);
  return rig;
};
afterEach(() => {
  for (const rig of rigs.splice(0)) rig.forwarder.close();
});

test('frames are put together however they are split', async () => {
  const rig = open();
  const frames = framed(stun(1), stun(2), new Uint8Array(0), stun(3));
  for (let split = 1; split < frames.length; split++) {
    const socket = await rig.connect();
    socket.write(frames.subarray(0, split));
    const first: number[] = [];
    // The first part must have been read before the second is sent; a byte count tells.
    const whole = [22, 44, 68].filter((end) => split >= end).length;
    while (first.length < whole) first.push((await rig.next('stun')).bytes[19]!);
    socket.write(frames.subarray(split));
    while (first.length < 3) first.push((await rig.next('stun')).bytes[19]!);
    expect(first).toEqual([1, 2, 3]);
    socket.destroy();
    await rig.next('path-closed');
  }
  expect(rig.events).toEqual([]);
});

test('one byte at a time', async () => {
  const rig = open();
  const socket = await rig.connect();
  for (const byte of framed(stun(1), stun(2))) {
    await new Promise<void>((resolve) => {
      socket.write(Buffer.from([byte]), () => resolve());
    });
  }
  const [first, second] = [await rig.next('stun'), await rig.next('stun')];
  expect([first.bytes, second.bytes]).toEqual([stun(1), stun(2)]);
  expect(first.path).toMatchObject({ address: '127.0.0.1', port: socket.localPort });
  rig.forwarder.send(first.path, Uint8Array.from([1, 2, 3]));
  expect((await once(socket, 'data'))[0]).toEqual(Buffer.from([0, 3, 1, 2, 3]));
  rig.forwarder.closePath(first.path.socket);
  await once(socket, 'close');
  expect(await rig.next('path-closed')).toEqual({ type: 'path-closed', socket: first.path.socket });
});

test('a connection whose first frame is not STUN, or whose frame is too long, is closed', async () => {
  const rig = open();
  for (const bytes of [
    framed(Uint8Array.from([22, 254, 253, ...new Array(30).fill(0)])),
    framed(stun(1).subarray(0, 19)),
    framed(new Uint8Array(0)),
    Buffer.concat([framed(stun(1)), Buffer.from([0xff, 0xff])]),
  ]) {
    const socket = await rig.connect();
    socket.write(bytes);
    socket.resume();
    await once(socket, 'close');
    await rig.next('path-closed');
  }
  expect(rig.forwarder.readCounters().dropped_malformed).toBe(4);
});

test('connections over the bounds are refused, and places are given back', async () => {
  const rig = open({ maxTcpConnections: 3, maxTcpConnectionsPerAddress: 2 });
  const [a, b] = [await rig.connect(), await rig.connect()];
  a.write(framed(stun(1)));
  b.write(framed(stun(1)));
  await rig.next('stun');
  await rig.next('stun');
  const refused = await rig.connect();
  refused.resume();
  await once(refused, 'close');
  expect(rig.forwarder.readCounters().dropped_tcp_limit).toBe(1);
  a.destroy();
  await rig.next('path-closed');
  const c = await rig.connect();
  c.write(framed(stun(1)));
  await rig.next('stun');
  b.destroy();
  c.destroy();
});

function addStream(rig: Rig, sender: TestPeer, receivers: readonly TestPeer[]): void {
  rig.forwarder.addIngress(ingressId(1), {
    peer: sender.id,
    kind: 'video',
    ssrc: 11,
    payloadType: 100,
    clockRate: 90000,
    csrc: 77,
    nack: false,
  });
  for (const receiver of receivers) {
    const id = egressId(receiver.id);
    rig.forwarder.addEgress(id, {
      peer: receiver.id,
      kind: 'video',
      ssrc: 22,
      payloadType: 100,
      clockRate: 90000,
      extensions: extensionIds,
      initialSequence: 0,
      initialTimestamp: 6,
      initialRtxSequence: 7,
    });
    rig.forwarder.setSource(id, ingressId(1), { at: 'now' });
  }
}

test('a reader that stops loses media, delays nobody, and still gets control traffic', async () => {
  const rig = open({ tcpQueueBytes: 65536 });
  const [from, to] = [await UdpEnd.open(), await UdpEnd.open()];
  const slow = await rig.connect();
  slow.pause();
  slow.write(framed(stun(1)));
  const { path } = await rig.next('stun');
  const pathOf = (end: UdpEnd): Path => ({ socket: rig.udp.socket, address: '127.0.0.1', port: end.port });
  const sender = new TestPeer(rig.forwarder, 1, pathOf(from));
  const fast = new TestPeer(rig.forwarder, 2, pathOf(to));
  const stalled = new TestPeer(rig.forwarder, 3, path);
  addStream(rig, sender, [stalled, fast]);
  rig.forwarder.readCounters();
  let sent = 0;
  // Until the kernel's buffers and the queue are full; each packet reaches the other receiver meanwhile.
  while (rig.forwarder.readCounters().dropped_queue_full! < 20) {
    for (let i = 0; i < 50; i++, sent++) {
      const packet = rtp({
        sequence: sent & 0xffff,
        ssrc: 11,
        payload: new Uint8Array(1400).fill(sent & 255),
      });
      from.send(rig.udp.port, sender.sender.protectRtp(packet));
      const { payload } = parseRtp(fast.receiver.unprotectRtp(await to.next()));
      expect(payload[0]).toBe(sent & 255);
    }
  }
  rig.forwarder.send(path, stun(99));
  // Now the slow one reads on: whole frames, and the STUN message at the end.
  let buffered = Buffer.alloc(0);
  let frames = 0;
  let last: Buffer = Buffer.alloc(0);
  slow.on('data', (data: Buffer) => {
    buffered = Buffer.concat([buffered, data]);
    while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
      last = buffered.subarray(2, 2 + buffered.readUInt16BE(0));
      buffered = buffered.subarray(2 + last.length);
      if (last[0]! >= 128) stalled.receiver.unprotectRtp(new Uint8Array(last));
      frames++;
    }
  });
  slow.resume();
  await rig.until(() => last[0] === 0);
  expect(new Uint8Array(last)).toEqual(stun(99));
  expect(frames - 1).toBe(sent - rig.forwarder.readCounters().dropped_queue_full!);
  slow.destroy();
  from.close();
  to.close();
}, 60_000);

test('removing a peer closes its connection', async () => {
  const rig = open();
  const socket = await rig.connect();
  socket.write(framed(stun(1)));
  const { path } = await rig.next('stun');
  const peer = new TestPeer(rig.forwarder, 1, path);
  rig.forwarder.removePeer(peer.id);
  socket.resume();
  await once(socket, 'close');
  expect(await rig.next('path-closed')).toEqual({ type: 'path-closed', socket: path.socket });
});

test('a closed forwarder leaves no descriptors, events or threads', async () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const threads = (): number => readdirSync('/proc/self/task').length;
  const warm = open();
  warm.forwarder.close();
  const before = [descriptors(), threads()];
  for (let i = 0; i < 10; i++) {
    const rig = open();
    const socket = await rig.connect();
    socket.write(framed(stun(1)));
    await rig.next('stun');
    socket.write(framed(stun(2)));
    rig.forwarder.close();
    rig.forwarder.send({ socket: rig.udp.socket, address: '127.0.0.1', port: 9 }, stun(1));
    expect(rig.forwarder.readIngressStats()).toEqual([]);
    socket.destroy();
    await once(socket, 'close');
    expect(rig.events).toEqual([]);
  }
  expect([descriptors(), threads()]).toEqual(before);
});

test('a port that is taken is told by its code', () => {
  const rig = open();
  const { port } = rig.udp;
  const again = (): Forwarder =>
    createForwarder({ threads: [[{ address: '127.0.0.1', port, transport: 'udp' }]], onEvents: () => {} });
  expect(again).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
});

test('IPv6 sockets serve IPv6 alone', async () => {
  const rig = open({ threads: [[{ address: '::1', port: 0, transport: 'tcp' }]] });
  const socket = connect(rig.forwarder.sockets[0]!.port, '::1');
  socket.on('error', () => {});
  socket.write(framed(stun(1)));
  const { path } = await rig.next('stun');
  expect(path).toMatchObject({ address: '::1', port: socket.localPort });
  socket.destroy();
});
