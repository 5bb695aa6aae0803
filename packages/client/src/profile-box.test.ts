import { webcrypto } from 'node:crypto';
import { toUtf8 } from '@conclave/bytes';
import { MAX_BOX_CONTENT_LENGTH, MediaCrypto, PropertyBox } from '@conclave/e2ee';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cleanName, MAX_NAME_LENGTH, openProfile, sealProfile } from './profile-box.ts';

const crypto = new MediaCrypto(webcrypto.subtle);
const random = (size: number) => webcrypto.getRandomValues(new Uint8Array(size));
const box = new PropertyBox(crypto, new Uint8Array(32), random);

describe('profile box', () => {
  test('gives back what was put in', async () => {
    const content = {
      number: 7,
      profile: { name: 'Ada Lovelace', handRaised: true },
      quality: 'fair' as const,
    };
    expect(await openProfile(box, 'ada', await sealProfile(box, 'ada', content))).toEqual(content);
  });

  test('any name fits, and comes out as it is shown', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 400 }), async (name) => {
        const content = {
          number: Number.MAX_SAFE_INTEGER,
          profile: { name, handRaised: false },
          quality: undefined,
        };
        const opened = await openProfile(box, 'ada', await sealProfile(box, 'ada', content));
        expect(opened.profile.name).toBe(cleanName(name));
      }),
      { numRuns: 200 },
    );
  });

  test('the longest name fits', () => {
    const name = cleanName('\u{10ffff}'.repeat(300));
    expect(Array.from(name)).toHaveLength(MAX_NAME_LENGTH);
    expect(toUtf8(JSON.stringify(name)).length).toBeLessThan(MAX_BOX_CONTENT_LENGTH - 100);
  });

  test('a name cannot break its line or turn the text around it', () => {
    expect(cleanName(' a\nb\u0000c\u202ed\u2066e\u2028f ')).toBe('a b c d e f');
  });

  test.each([
    'null',
    '[]',
    '"x"',
    '{',
    '{}',
    '{"n":1}',
    '{"n":-1,"name":""}',
    '{"n":0.5,"name":""}',
    '{"n":1,"name":2}',
  ])('what is no profile is refused: %s', async (text) => {
    const sealed = await box.seal('ada', toUtf8(text));
    await expect(openProfile(box, 'ada', sealed)).rejects.toThrow(
      expect.objectContaining({ name: 'FormatError' }),
    );
  });

  test('an unknown quality counts as none', async () => {
    const sealed = await box.seal('ada', toUtf8('{"n":1,"name":"a","hand":"yes","quality":"superb"}'));
    expect(await openProfile(box, 'ada', sealed)).toEqual({
      number: 1,
      profile: { name: 'a', handRaised: false },
      quality: undefined,
    });
  });
});
