import { randomBytes } from 'node:crypto';
import { FormatError } from '@conclave/bytes';
import { expect, it } from 'vitest';
import { checkIceCredentials, makeIceCredentials } from './ice-credentials.ts';

it('makes credentials that pass the check, of the length asked for', () => {
  for (let i = 0; i < 50; i++) {
    const credentials = makeIceCredentials(randomBytes, 8);
    expect(credentials.ufrag).toHaveLength(8);
    expect(() => checkIceCredentials(credentials)).not.toThrow();
  }
});

it.each([
  ['short ufrag', 'abc', 'x'.repeat(22)],
  ['long ufrag', 'a'.repeat(257), 'x'.repeat(22)],
  ['ufrag with a colon', 'ab:cd', 'x'.repeat(22)],
  ['short pwd', 'abcd', 'x'.repeat(21)],
  ['long pwd', 'abcd', 'x'.repeat(257)],
  ['pwd with a space', 'abcd', `${'x'.repeat(22)} `],
])('refuses %s', (_name, ufrag, pwd) => {
  expect(() => checkIceCredentials({ ufrag, pwd })).toThrow(FormatError);
});
