import { concatBytes } from '@conclave/bytes';
import { StunBuilder, stunMethod } from '@conclave/stun';
import { describe, expect, it } from 'vitest';
import { encodeChannelData } from './channel-data.ts';
import { TurnStreamFramer } from './turn-stream-framer.ts';

const binding = new StunBuilder({
  class: 'request',
  method: stunMethod.binding,
  transactionId: new Uint8Array(12),
})
  .text(0x8022, 'abc')
  .finish();
const messages = [
  encodeChannelData(0x4000, Uint8Array.of(1, 2, 3, 4, 5), false),
  binding,
  encodeChannelData(0x4fff, new Uint8Array(0), false),
  encodeChannelData(0x4abc, new Uint8Array(301).fill(7), false),
  binding,
];
const stream = concatBytes(...messages.map((m) => concatBytes(m, new Uint8Array((4 - (m.length % 4)) % 4))));

function framed(chunks: Uint8Array[]): Uint8Array[] {
  const framer = new TurnStreamFramer();
  const out: Uint8Array[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (let m = framer.next(); m; m = framer.next()) out.push(m);
  }
  if (framer.pendingBytes !== 0) throw new Error(`${framer.pendingBytes} bytes were left`);
  return out;
}

function shown(parts: readonly Uint8Array[]): string {
  return parts.map((part) => part.join()).join(';');
}

describe('TurnStreamFramer', () => {
  it('finds the same messages at every split, in two, three and single bytes', () => {
    // Compared as one text: thousands of deep comparisons would take most of the time.
    const whole = shown(messages);
    for (let i = 0; i <= stream.length; i++) {
      if (shown(framed([stream.subarray(0, i), stream.subarray(i)])) !== whole)
        expect(i).toBe('a split that works');
      for (let j = i; j <= stream.length; j += 17) {
        const parts = [stream.subarray(0, i), stream.subarray(i, j), stream.subarray(j)];
        if (shown(framed(parts)) !== whole) expect([i, j]).toBe('splits that work');
      }
    }
    expect(framed([...stream].map((b) => Uint8Array.of(b)))).toEqual(messages);
  });

  it.each([
    ['what is behind the last channel', [0x80]],
    ['media', [0xc0]],
    ['a wrong cookie, at its first byte', [0, 1, 0, 0, 0x22]],
    ['a STUN length that is no multiple of four', [0, 1, 0, 3]],
  ])('refuses %s and stays silent', (_name, bytes) => {
    const framer = new TurnStreamFramer();
    framer.push(Uint8Array.from(bytes));
    expect(() => framer.next()).toThrow('neither STUN nor ChannelData');
    framer.push(binding);
    expect(framer.next()).toBeUndefined();
    expect(framer.pendingBytes).toBe(0);
  });

  it('does not change a message that it gave out before', () => {
    const framer = new TurnStreamFramer();
    framer.push(stream.subarray(0, 3));
    framer.push(stream.subarray(3, 50));
    const first = framer.next()!;
    for (const b of stream.subarray(50)) framer.push(Uint8Array.of(b));
    expect(first).toEqual(messages[0]);
    expect(framer.next()).toEqual(messages[1]);
  });

  it('gives the rest away', () => {
    const framer = new TurnStreamFramer();
    framer.push(concatBytes(binding, Uint8Array.of(0xff, 1, 2)));
    expect(framer.next()).toEqual(binding);
    expect(framer.takeRest()).toEqual(Uint8Array.of(0xff, 1, 2));
    expect(framer.next()).toBeUndefined();
  });
});
