import { Secret } from '@conclave/bytes';
import { expect, test } from 'vitest';
import { type SealedRequest, SisterSeal } from './sister-seal.ts';

const NOW_MS = 1_795_232_000_000;
const utf8 = new TextEncoder();
const request: SealedRequest = {
  to: 'https://sft.example/sfts/1',
  action: 'pass',
  body: utf8.encode('{"hops":1}'),
};

function sealWith(words: readonly string[], clock = { nowMs: NOW_MS }): SisterSeal {
  const secrets = words.map((word) => new Secret(utf8.encode(word)));
  return new SisterSeal({ secrets: () => secrets, wallClockMs: () => clock.nowMs });
}

test('a seal of the same secret is accepted, once', () => {
  const seal = sealWith(['one']).make(request);
  const receiver = sealWith(['one']);
  expect(receiver.accepts(request, seal)).toBe(true);
  expect(receiver.accepts(request, seal)).toBe(false);
});

test('while the secret is being changed both are accepted', () => {
  expect(sealWith(['new', 'old']).accepts(request, sealWith(['old', 'new']).make(request))).toBe(true);
  expect(sealWith(['new', 'old']).accepts(request, sealWith(['new']).make(request))).toBe(true);
});

test.each([
  ['another server', { to: 'https://sft.example/sfts/2' }],
  ['another action', { action: 'prepare' }],
  ['another body', { body: utf8.encode('{"hops":2}') }],
  ['an empty body', { body: new Uint8Array() }],
] as const)('a seal for %s is refused', (_what, change) => {
  expect(sealWith(['one']).accepts({ ...request, ...change }, sealWith(['one']).make(request))).toBe(false);
});

test('a seal of another secret is refused, and all are where there is none', () => {
  const seal = sealWith(['one']).make(request);
  expect(sealWith(['two']).accepts(request, seal)).toBe(false);
  expect(sealWith([]).accepts(request, seal)).toBe(false);
  expect(() => sealWith([]).make(request)).toThrow(TypeError);
});

test.each([-30_001, 30_001])('a seal that is %i ms away is refused', (differenceMs) => {
  const seal = sealWith(['one'], { nowMs: NOW_MS + differenceMs }).make(request);
  expect(sealWith(['one']).accepts(request, seal)).toBe(false);
});

test('a seal cannot be used again when it is forgotten, since it is too old by then', () => {
  const clock = { nowMs: NOW_MS };
  const receiver = sealWith(['one'], clock);
  const seal = sealWith(['one'], { nowMs: NOW_MS + 30_000 }).make(request);
  expect(receiver.accepts(request, seal)).toBe(true);
  for (const later of [1, 30_000, 60_000, 60_001, 120_000]) {
    clock.nowMs = NOW_MS + later;
    expect(receiver.accepts(request, sealWith(['one'], clock).make(request))).toBe(true);
    expect(receiver.accepts(request, seal)).toBe(false);
  }
});

test.each(['', '.', 'x', `${NOW_MS}.${'0'.repeat(32)}.${'0'.repeat(64)}`, '9'.repeat(100_000), '1.2.3'])(
  'no seal: %.20s',
  (text) => {
    expect(sealWith(['one']).accepts(request, text)).toBe(false);
  },
);

test('every change of a character makes a seal bad', () => {
  const seal = sealWith(['one']).make(request);
  const receiver = sealWith(['one']);
  for (let i = 0; i < seal.length; i++) {
    const other = seal[i] === '0' ? '1' : '0';
    expect(receiver.accepts(request, seal.slice(0, i) + other + seal.slice(i + 1))).toBe(seal[i] === other);
  }
});
