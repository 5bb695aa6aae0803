import { expect, test } from 'vitest';
import { createForwarder } from '../src/index.ts';
import { egressId, ingressId, isRtcp, parseRtp, rtp, TestPeer, UdpEnd } from './forwarding-fixture.ts';

const PADDING_BIT = 0x20;
/** As encoders split a frame: evenly, the last packets longer by a byte. */
const frameSizes = [700, 700, 701, 701, 701];
const mostFrames = 2000;

/** The packet as its receiver takes it: without the padding, of which the last byte tells the length. */
function withoutPadding(bytes: Uint8Array): { readonly padding: number; readonly payload: number[] } {
  const { payload } = parseRtp(bytes);
  const padding = (bytes[0]! & PADDING_BIT) === 0 ? 0 : payload.at(-1)!;
  return { padding, payload: payload.slice(0, payload.length - padding) };
}

test('packets of one frame that are read together are made equally long and leave as one message', async () => {
  const address = '127.0.0.1';
  const forwarder = createForwarder({
    threads: [[{ address, port: 0, transport: 'udp' }]],
    onEvents: () => {},
  });
  const [source, end] = [await UdpEnd.open(), await UdpEnd.open()];
  try {
    const [bound] = forwarder.sockets;
    const pathOf = ({ port }: UdpEnd) => ({ socket: bound!.socket, address, port });
    const sender = new TestPeer(forwarder, 1, pathOf(source));
    const receiver = new TestPeer(forwarder, 2, pathOf(end));
    const common = { kind: 'video', payloadType: 100, clockRate: 90000 } as const;
    forwarder.addIngress(ingressId(1), { ...common, peer: sender.id, ssrc: 11, csrc: 77, nack: false });
    forwarder.addEgress(egressId(1), {
      ...common,
      peer: receiver.id,
      ssrc: 22,
      extensions: {},
      initialSequence: 0,
      initialTimestamp: 0,
      initialRtxSequence: 0,
    });
    forwarder.setSource(egressId(1), ingressId(1), { at: 'now' });
    forwarder.readCounters();

    let sequence = 0;
    let together = false;
    // How many packets of a burst the thread reads at once is the kernel's affair: again until it was a whole frame.
    for (let frame = 0; frame < mostFrames && !together; frame++) {
      const packets = frameSizes.map((size) => {
        const payload = new Uint8Array(size).fill(sequence & 0xff);
        return sender.sender.protectRtp(
          rtp({ sequence: sequence++, timestamp: 3000 * frame, ssrc: 11, payload }),
        );
      });
      for (const packet of packets) source.send(bound!.port, packet);
      const paddings: number[] = [];
      while (paddings.length < frameSizes.length) {
        const bytes = await end.next();
        if (isRtcp(bytes)) continue;
        const { padding, payload } = withoutPadding(receiver.receiver.unprotectRtp(bytes));
        const number = sequence - frameSizes.length + paddings.length;
        expect(payload).toEqual(new Array(frameSizes[paddings.length]!).fill(number & 0xff));
        expect(padding).toBeLessThanOrEqual(701 - payload.length);
        paddings.push(padding);
      }
      together = paddings[0] === 1 && paddings[1] === 1;
    }
    expect(together).toBe(true);
    expect(forwarder.readCounters().sent_segmented_packets).toBeGreaterThanOrEqual(frameSizes.length);
  } finally {
    forwarder.close();
    source.close();
    end.close();
  }
});
