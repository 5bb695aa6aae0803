import { createHash } from 'node:crypto';
import { FormatError } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { conversationHash, loggable, parseConversationHash, parseUserHash, userHash } from './index.ts';

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);

describe('hashes', () => {
  // Values computed by the reference client's library.
  test('of a conversation', () => {
    expect(conversationHash(SECRET, '11111111-2222-4333-8444-555555555555', sha256)).toBe(
      'b4f510b7ddb37f196f6cdecbb691c8a1',
    );
  });

  test('of a user', () => {
    expect(userHash(SECRET, 'aaaaaaaa-0000-4000-8000-000000000001', '1111111111111111', sha256)).toBe(
      '19096cfb419cca18619a47d3a1df6eb4',
    );
  });

  test('are over UTF-8', () => {
    const expected = createHash('sha256')
      .update(SECRET)
      .update('käthe@example.org')
      .digest('hex')
      .slice(0, 32);
    expect(conversationHash(SECRET, 'käthe@example.org', sha256)).toBe(expected);
  });
});

describe('conversation ids from a path', () => {
  test.each(['b4f510b7ddb37f196f6cdecbb691c8a1', 'G', 'a.b', 'room-1@example.org', 'x'.repeat(127), '..a'])(
    '%s is accepted',
    (id) => {
      expect(parseConversationHash(id)).toBe(id);
    },
  );

  test.each([
    '',
    '.',
    '..',
    '...',
    '../etc',
    'a/b',
    'a\\b',
    'a b',
    'a%2f',
    'a\r\nb',
    'a\n',
    'ä',
    '<x>',
    'x'.repeat(128),
  ])('%j is refused', (id) => {
    expect(() => parseConversationHash(id)).toThrow(FormatError);
  });
});

describe('user ids', () => {
  test.each(['19096cfb419cca18619a47d3a1df6eb4', '_', 'sft.P.P', 'ü', 'a b'])('%s is accepted', (id) => {
    expect(parseUserHash(id)).toBe(id);
  });

  test.each(['', 'a/b', 'a\\b', 'a\n', '\u0000', '\u2028', '\ud800', 'x'.repeat(128)])(
    '%j is refused',
    (id) => {
      expect(() => parseUserHash(id)).toThrow(FormatError);
    },
  );
});

test.each([
  ['19096cfb419cca18619a47d3a1df6eb4', '19096c…'],
  ['_', '_…'],
  ['', '…'],
  ['a\r\nb[31m', 'a??b?3…'],
  ['\u202eabcdefg', '?abcde…'],
])('%j is logged as %s', (id, shown) => {
  expect(loggable(id)).toBe(shown);
});
