import { expect, test } from 'vitest';
import type { SocketId } from './flow-table.ts';
import { RecordWriter } from './record-codec.ts';

test.each([
  ['u8', (w: RecordWriter, i: number) => w.u8(i & 0xff), 1],
  ['u16', (w: RecordWriter, i: number) => w.u16(i), 2],
  ['u32', (w: RecordWriter, i: number) => w.u32(i), 4],
  ['f64', (w: RecordWriter, i: number) => w.f64(i), 8],
  ['bytes', (w: RecordWriter, i: number) => w.bytes(Uint8Array.of(i & 0xff)), 3],
  ['text', (w: RecordWriter) => w.text('x'), 3],
  [
    'path',
    (w: RecordWriter, i: number) => w.path({ socket: i as SocketId, address: '192.0.2.1', port: i }),
    15,
  ],
] as const)('a record of %s may outgrow its buffer again and again', (_name, write, size) => {
  const writer = new RecordWriter();
  const small = Array.from({ length: 20 }, (_, i) => i);
  writer.begin(1);
  for (const i of small) write(writer, i);
  const start = writer.finish().slice(5);
  writer.begin(1);
  for (let i = 0; i < 9000; i++) write(writer, i);
  const record = writer.finish();
  expect(record).toHaveLength(5 + 9000 * size);
  expect(new DataView(record.buffer, record.byteOffset).getUint32(0, true)).toBe(record.length);
  expect(record.slice(5, 5 + start.length)).toEqual(start);
});
