import { expect, test } from 'vitest';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { FormatError } from './format-error.ts';

test('what was written is read again, at every size the buffer had to grow from', () => {
  for (let capacity = 1; capacity < 40; capacity++) {
    const bytes = new ByteWriter(capacity)
      .u8(1)
      .u16(0x0203)
      .u24(0x040506)
      .u32(0xfedcba98)
      .u64(0x0123456789abcdefn)
      .bytes(Uint8Array.of(7, 8, 9))
      .padTo(8)
      .finish();
    expect(bytes).toHaveLength(24);
    const reader = new ByteReader(bytes);
    expect(reader.u8()).toBe(1);
    expect(reader.u16()).toBe(0x0203);
    expect(reader.u24()).toBe(0x040506);
    expect(reader.u32()).toBe(0xfedcba98);
    expect(reader.u64()).toBe(0x0123456789abcdefn);
    expect(reader.bytes(3)).toEqual(Uint8Array.of(7, 8, 9));
    expect(reader.rest()).toEqual(new Uint8Array(3));
    expect(reader.remaining).toBe(0);
  }
});

test('fields written before can be patched', () => {
  const writer = new ByteWriter().u16(0).u32(0);
  expect(writer.patchU16(0, 0xabcd).patchU32(2, 0x12345678).finish()).toEqual(
    Uint8Array.of(0xab, 0xcd, 0x12, 0x34, 0x56, 0x78),
  );
});

test('nothing is read past the end, and a failed read takes nothing', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3));
  for (const read of [() => reader.u32(), () => reader.u64(), () => reader.bytes(4), () => reader.skip(-1)]) {
    expect(read).toThrow(FormatError);
  }
  expect(reader.offset).toBe(0);
  expect(reader.u24()).toBe(0x010203);
  expect(() => reader.u8()).toThrow(FormatError);
});

test('a reader of part of a buffer stays within it', () => {
  const whole = Uint8Array.of(9, 1, 2, 9);
  const reader = new ByteReader(whole.subarray(1, 3));
  expect(reader.u16()).toBe(0x0102);
  expect(() => reader.u8()).toThrow(FormatError);
});
