import {
  createFlowTableHarness,
  type FlowTableHarness,
  type ForwarderEvent,
  type HarnessOutput,
  type Path,
  type PeerId,
  type SocketId,
} from '@conclave/forwarder';
import { describe, expect, it } from 'vitest';
import { FlowTableModel } from '../src/flow-table-model.ts';

const PEER = 1 as PeerId;
const START_MS = 10_000;

function pathTo(port: number): Path {
  return { socket: 1 as SocketId, address: '192.0.2.7', port };
}

/** A datagram that begins as a ClientHello does; `mark` tells one from another. */
function hello(mark = 0, length = 200): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([22, 254, 253]);
  bytes[13] = 1;
  bytes[length - 1] = mark;
  return bytes;
}

function dtlsOf({ events }: HarnessOutput): ForwarderEvent[] {
  return events.filter((event) => event.type === 'dtls');
}

describe.each([
  ['the addon', () => createFlowTableHarness()],
  ['the model', () => new FlowTableModel()],
])('%s', (_name, make) => {
  function table(): FlowTableHarness {
    const made = make();
    made.tick(START_MS);
    made.addPeer(PEER, {
      thread: 0,
      feedbackSsrc: 1,
      cname: 'c',
      extensions: {},
      transportFeedback: false,
    });
    return made;
  }

  it('tells a ClientHello once its path is validated, and only once', () => {
    const plane = table();
    expect(dtlsOf(plane.receive(START_MS, pathTo(5), hello(9)))).toEqual([]);
    plane.setPaths(PEER, [pathTo(5)], pathTo(5));
    const told = dtlsOf(plane.tick(START_MS + 20));
    expect(told).toEqual([{ type: 'dtls', peer: PEER, path: pathTo(5), bytes: hello(9) }]);
    plane.setPaths(PEER, [pathTo(5)], pathTo(5));
    expect(dtlsOf(plane.tick(START_MS + 40))).toEqual([]);
  });

  it('tells the last one of a path, of that path alone', () => {
    const plane = table();
    plane.receive(START_MS, pathTo(5), hello(1));
    plane.receive(START_MS, pathTo(5), hello(2));
    plane.receive(START_MS, pathTo(6), hello(3));
    plane.setPaths(PEER, [pathTo(5)], undefined);
    expect(dtlsOf(plane.tick(START_MS + 1))).toMatchObject([{ bytes: hello(2) }]);
  });

  it('forgets it after half a second', () => {
    const plane = table();
    plane.receive(START_MS, pathTo(5), hello());
    plane.tick(START_MS + 501);
    plane.setPaths(PEER, [pathTo(5)], undefined);
    expect(dtlsOf(plane.tick(START_MS + 502))).toEqual([]);
  });

  it.each([
    ['another handshake message', { at: 13, byte: 2 }],
    ['a record of data', { at: 0, byte: 23 }],
    ['an alert', { at: 0, byte: 21 }],
  ])('holds nothing but ClientHellos: not %s', (_what, { at, byte }) => {
    const plane = table();
    const bytes = hello();
    bytes[at] = byte;
    plane.receive(START_MS, pathTo(5), bytes);
    plane.setPaths(PEER, [pathTo(5)], undefined);
    expect(dtlsOf(plane.tick(START_MS + 1))).toEqual([]);
  });

  it.each([24, 1501])('holds none of %i bytes', (length) => {
    const plane = table();
    plane.receive(START_MS, pathTo(5), hello(0, length));
    plane.setPaths(PEER, [pathTo(5)], undefined);
    expect(dtlsOf(plane.tick(START_MS + 1))).toEqual([]);
  });

  it('holds the latest 128 of a flood, and counts all as dropped', () => {
    const plane = table();
    for (let port = 1; port <= 300; port++) plane.receive(START_MS, pathTo(port), hello(port % 256));
    const all = Array.from({ length: 300 }, (_, i) => pathTo(i + 1));
    plane.setPaths(PEER, all, undefined);
    const ports = dtlsOf(plane.tick(START_MS + 1)).map((event) => event.type === 'dtls' && event.path.port);
    expect(ports).toEqual(Array.from({ length: 128 }, (_, i) => i + 173));
    expect(plane.readCounters().dropped_no_path).toBe(300);
  });
});
