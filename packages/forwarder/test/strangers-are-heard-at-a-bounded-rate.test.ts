import { expect, test } from 'vitest';
import { createFlowTableHarness, type FlowTableHarness, type Path } from '../src/index.ts';
import { peerId, socketId } from './forwarding-fixture.ts';

const binding = Uint8Array.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, ...new Array<number>(12).fill(7)]);

function from(address: string, port = 5000): Path {
  return { socket: socketId(1), address, port };
}

function heard(table: FlowTableHarness, path: Path, count: number, atMs: number): number {
  let events = 0;
  for (let i = 0; i < count; i++) events += table.receive(atMs, path, binding).events.length;
  return events;
}

test('an address that floods is heard a second worth at once and then at the rate', () => {
  const table = createFlowTableHarness({ stunPerSecond: 100 });
  expect(heard(table, from('192.0.2.1'), 1000, 0)).toBe(100);
  expect(heard(table, from('192.0.2.1', 5001), 1000, 500)).toBe(50);
  expect(table.readCounters().dropped_stun_rate).toBe(1850);
});

test('others are heard meanwhile', () => {
  const table = createFlowTableHarness({ stunPerSecond: 100 });
  heard(table, from('192.0.2.1'), 1000, 0);
  expect(heard(table, from('192.0.2.2'), 50, 0)).toBe(50);
  expect(heard(table, from('2001:db8::1'), 50, 0)).toBe(50);
});

test('an IPv6 /64 counts as one address', () => {
  const table = createFlowTableHarness({ stunPerSecond: 100 });
  expect(heard(table, from('2001:db8::1'), 100, 0)).toBe(100);
  expect(heard(table, from('2001:db8::2'), 100, 0)).toBe(0);
  expect(heard(table, from('2001:db8:0:1::2'), 100, 0)).toBe(100);
});

test('a validated path is not limited', () => {
  const table = createFlowTableHarness({ stunPerSecond: 100 });
  table.addPeer(peerId(1), {
    thread: 0,
    feedbackSsrc: 1,
    cname: 'a',
    extensions: {},
    transportFeedback: false,
  });
  table.setPaths(peerId(1), [from('192.0.2.1')], undefined);
  expect(heard(table, from('192.0.2.1'), 1000, 0)).toBe(1000);
});
