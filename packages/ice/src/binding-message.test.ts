import { FormatError } from '@conclave/bytes';
import { StunBuilder } from '@conclave/stun';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseUfrags, stunUsernameOf, transactionTagOf } from './binding-message.ts';

const transactionId: Uint8Array = Uint8Array.from([0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8]);

it('a request shows its username and no tag, a response its tag and no username', () => {
  for (const kind of ['request', 'indication', 'success', 'error'] as const) {
    const bytes = new StunBuilder({ class: kind, method: 1, transactionId })
      .text(0x8022, 'abc')
      .text(0x0006, 'local:remote')
      .fingerprint()
      .finish();
    // A view into a larger buffer, as sockets hand them out.
    const view = new Uint8Array([9, 9, 9, ...bytes]).subarray(3);
    const isResponse = kind === 'success' || kind === 'error';
    expect(stunUsernameOf(view)).toBe(kind === 'request' ? 'local:remote' : undefined);
    expect(transactionTagOf(view)).toBe(isResponse ? 0xdeadbeef : undefined);
  }
});

it('other bytes show neither, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (tail, isStunLike) => {
      const head = isStunLike ? [0, 1, 0, tail.length & ~3, 0x21, 0x12, 0xa4, 0x42, ...transactionId] : [];
      const bytes = new Uint8Array([...head, ...tail.subarray(0, tail.length & ~3)]);
      stunUsernameOf(bytes);
      expect(transactionTagOf(bytes)).toBeUndefined();
    }),
    { seed: 4 },
  );
});

it('a username is two fragments of ice characters', () => {
  expect(parseUfrags('ab+/:CD09')).toEqual({ local: 'ab+/', remote: 'CD09' });
  for (const bad of ['', ':', 'a:', ':b', 'a', 'a:b:c', 'a b:c', 'ä:b', `${'a'.repeat(257)}:b`, 'a:b\n']) {
    expect(() => parseUfrags(bad)).toThrow(FormatError);
  }
});
