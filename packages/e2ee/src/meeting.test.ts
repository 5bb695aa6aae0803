import { hkdfSync, pbkdf2Sync } from 'node:crypto';
import { FormatError, fromHex, toHex, toUtf8 } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crypto, seededRandom } from '../test/seeded-random.ts';
import { formatMeetingFragment, type MeetingLink, parseMeetingLink } from './meeting-link.ts';
import { createMeetingIdentity, createMeetingSecret, deriveMeetingKeys } from './meeting-secret.ts';
import { MAX_BOX_CONTENT_LENGTH, PropertyBox } from './property-box.ts';

const secret = Uint8Array.from({ length: 32 }, (_, i) => i);
const SECRET_TEXT = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8';

function codeOf(text: string): string {
  try {
    parseMeetingLink(text);
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('meeting secret', () => {
  test('is derived from as documented, by another implementation', async () => {
    const hkdf = (material: Uint8Array, info: string, length: number) =>
      Buffer.from(hkdfSync('sha512', material, 'conclave meeting v1', info, length));
    const keys = await deriveMeetingKeys(crypto, secret);
    const root = hkdf(secret, 'root', 32);
    expect(keys.conferenceId).toBe(hkdf(root, 'conference id', 16).toString('hex'));
    expect(toHex(keys.userHashSecret)).toBe(hkdf(root, 'user hashes', 16).toString('hex'));
    expect(toHex(keys.sessionKey)).toBe(hkdf(root, 'media', 32).toString('hex'));
    expect(toHex(keys.boxKey)).toBe(hkdf(root, 'properties', 32).toString('hex'));
    const code = hkdf(root, 'safety code', 30);
    const groups = [0, 5, 10, 15, 20, 25].map((at) => String(code.readUIntBE(at, 5) % 1e5).padStart(5, '0'));
    expect(keys.safetyCode).toBe(groups.join(' '));
    expect(keys.safetyCode).toMatch(/^\d{5}( \d{5}){5}$/);
    const hash = Buffer.from(
      hkdfSync('sha512', keys.userHashSecret, fromHex('07'.repeat(16)), 'user hash', 16),
    );
    expect(await createMeetingIdentity(crypto, keys, (size) => new Uint8Array(size).fill(7))).toEqual({
      clientId: '07'.repeat(16),
      userHash: hash.toString('hex'),
    });
  });

  test('with a passphrase everything is different, and derived as documented', async () => {
    const plain = await deriveMeetingKeys(crypto, secret);
    const keys = await deriveMeetingKeys(crypto, secret, 'e\u0301te\u0301');
    const salt = Buffer.concat([Buffer.from('conclave meeting v1'), secret]);
    const stretched = pbkdf2Sync(Buffer.from('\u00e9t\u00e9'), salt, 600_000, 32, 'sha512');
    const material = Buffer.concat([secret, stretched]);
    const root = Buffer.from(hkdfSync('sha512', material, 'conclave meeting v1', 'root with passphrase', 32));
    const id = Buffer.from(hkdfSync('sha512', root, 'conclave meeting v1', 'conference id', 16));
    expect(keys.conferenceId).toBe(id.toString('hex'));
    for (const name of ['conferenceId', 'userHashSecret', 'sessionKey', 'boxKey', 'safetyCode'] as const) {
      expect(keys[name]).not.toEqual(plain[name]);
    }
  });

  test('wrong lengths are refused', async () => {
    expect(createMeetingSecret(seededRandom('meeting')).length).toBe(32);
    await expect(deriveMeetingKeys(crypto, secret.subarray(1))).rejects.toThrow(RangeError);
    await expect(deriveMeetingKeys(crypto, secret, '')).rejects.toThrow(RangeError);
    await expect(deriveMeetingKeys(crypto, secret, 'x'.repeat(1025))).rejects.toThrow(RangeError);
  });
});

describe('meeting link', () => {
  test('is written and read', () => {
    const link: MeetingLink = { secret, server: 'https://sft.example:4443/a', passphrase: true };
    const text = `#v=1&s=${SECRET_TEXT}&u=https%3A%2F%2Fsft.example%3A4443%2Fa&p=1`;
    expect(formatMeetingFragment(link)).toBe(text);
    expect(parseMeetingLink(`https://meet.example/${text}`)).toEqual(link);
    expect(parseMeetingLink(`#s=${SECRET_TEXT}&v=1&later=x&flag`)).toEqual({
      secret,
      server: undefined,
      passphrase: false,
    });
  });

  test('every link survives writing and reading', () => {
    const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const servers = fc.constantFrom(
      undefined,
      'https://a.example',
      'http://127.0.0.1:8080/',
      'https://[::1]:1/x',
    );
    fc.assert(
      fc.property(secrets, servers, fc.boolean(), (s, server, passphrase) => {
        const link = { secret: s, server, passphrase };
        expect(parseMeetingLink(formatMeetingFragment(link))).toEqual(link);
      }),
    );
  });

  test.each([
    [`v=1&s=${SECRET_TEXT}`, 'missing-fragment'],
    ['#', 'missing-version'],
    [`#s=${SECRET_TEXT}`, 'missing-version'],
    [`#v=2&s=${SECRET_TEXT}`, 'unsupported-version'],
    [`#v=1&v=1&s=${SECRET_TEXT}`, 'duplicate-parameter'],
    ['#v=1', 'missing-secret'],
    ['#v=1&s=', 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT}A`, 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT.slice(1)}`, 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT}=`, 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT.slice(0, -1)}9`, 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT.slice(0, -1)}+`, 'bad-secret'],
    [`#v=1&s=${SECRET_TEXT}&p=2`, 'bad-passphrase-flag'],
    [`#v=1&s=${SECRET_TEXT}&u=javascript:alert(1)`, 'bad-server'],
    [`#v=1&s=${SECRET_TEXT}&u=https://user@evil.example/`, 'bad-server'],
    [`#v=1&s=${SECRET_TEXT}&u=https://a.example/%0a`, 'bad-server'],
    [`#v=1&s=${SECRET_TEXT}&u=https://a.example?x`, 'bad-server'],
    [`#v=1&s=${SECRET_TEXT}&u=https://${'a'.repeat(600)}/`, 'bad-server'],
    [`#v=1&s=${SECRET_TEXT}&u=%ff`, 'bad-escape'],
    [`#v=1&s=${SECRET_TEXT}&x=${'y'.repeat(2048)}`, 'too-long'],
  ])('%s is refused: %s', (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  test('whatever text comes, it is read or refused, and errors do not quote the secret', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        codeOf(`#v=1&${text}`);
      }),
    );
    try {
      parseMeetingLink(`#v=1&s=${SECRET_TEXT}x`);
    } catch (error) {
      expect(String(error)).not.toContain(SECRET_TEXT.slice(0, 8));
    }
  });

  test('what would not be read is not written', () => {
    expect(() => formatMeetingFragment({ secret: secret.subarray(1), passphrase: false })).toThrow(
      FormatError,
    );
    expect(() => formatMeetingFragment({ secret, server: 'ftp://x', passphrase: false })).toThrow(
      FormatError,
    );
  });
});

describe('property box', () => {
  const box = () => new PropertyBox(crypto, secret, seededRandom('box'));

  test('opens for the one it was sealed for, and each time has another nonce', async () => {
    const boxes = box();
    const sealed = await boxes.seal('user', toUtf8('Ada'));
    expect(await box().open('user', sealed)).toEqual(toUtf8('Ada'));
    expect(await boxes.seal('user', toUtf8('Ada'))).not.toBe(sealed);
    await expect(box().open('other', sealed)).rejects.toMatchObject({ code: 'box-tag' });
    const stranger = new PropertyBox(crypto, secret.slice().reverse(), seededRandom('box'));
    await expect(stranger.open('user', sealed)).rejects.toMatchObject({ code: 'box-tag' });
  });

  test('holds up to its bound', async () => {
    const full = await box().seal('user', new Uint8Array(MAX_BOX_CONTENT_LENGTH));
    expect(full.length).toBe(1368);
    expect((await box().open('user', full)).length).toBe(MAX_BOX_CONTENT_LENGTH);
    await expect(box().seal('user', new Uint8Array(MAX_BOX_CONTENT_LENGTH + 1))).rejects.toThrow(RangeError);
    expect((await box().open('user', await box().seal('user', new Uint8Array(0)))).length).toBe(0);
  });

  test('anything else is refused', async () => {
    const sealed = Buffer.from(await box().seal('user', toUtf8('Ada')), 'base64');
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = changed[at]! ^ 0x10;
      const code = at === 0 ? 'box-version' : 'box-tag';
      await expect(box().open('user', changed.toString('base64'))).rejects.toMatchObject({ code });
      const cut = sealed.subarray(0, at).toString('base64');
      await expect(box().open('user', cut)).rejects.toBeInstanceOf(FormatError);
    }
    await expect(box().open('user', 'not base64')).rejects.toMatchObject({ code: 'bad-base64' });
    await expect(box().open('user', 'A'.repeat(1372))).rejects.toMatchObject({ code: 'bad-box' });
  });
});
