import { createHmac } from 'node:crypto';
import { Secret, toUtf8 } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import { issueToken, verifyToken } from './index.ts';

const NOW = 1_795_232_400;
const hmacSha512 = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  createHmac('sha512', key).update(data).digest();
const secret = (text: string): Secret<Uint8Array> => new Secret(toUtf8(text));
const sign = (username: string, key = 'key'): Secret<string> =>
  new Secret(createHmac('sha512', key).update(username).digest('base64'));

interface Case {
  readonly username?: string | undefined;
  readonly credential?: Secret<string> | undefined;
  readonly secrets?: readonly Secret<Uint8Array>[];
}

function verdictOf({ username, credential, secrets = [secret('key')] }: Case): string {
  return verifyToken({ username, credential, secrets, nowSeconds: NOW, hmacSha512 });
}

const name = (
  fields: { d?: number | string; v?: number; k?: number; s?: number | string; r?: string } = {},
): string =>
  `d=${fields.d ?? NOW + 60}.v=${fields.v ?? 1}.k=${fields.k ?? 0}.s=${fields.s ?? 1}.r=${fields.r ?? 'abc'}`;
const signed = (username: string, key?: string): Case => ({ username, credential: sign(username, key) });

describe('a token', () => {
  test.each<[string, Case, string]>([
    ['that lets start', signed(name()), 'start'],
    ['that lets join', signed(name({ s: 0 })), 'join'],
    ['with an unknown right', signed(name({ s: 2 })), 'join'],
    ['of another key number', signed(name({ k: 17 })), 'start'],
    ['without owner', signed(name({ r: '' })), 'start'],
    ['with text around it', signed(`sft-${name()}@example.org`), 'start'],
    ['that expires now', signed(name({ d: NOW })), 'start'],
    ['that expired a second ago', signed(name({ d: NOW - 1 })), 'expired'],
    [
      'that never was valid and is expired',
      { username: name({ d: 1 }), credential: new Secret('x') },
      'expired',
    ],
    ['that is expired and has no proof', { username: name({ d: 1 }) }, 'expired'],
    ['without user name', { credential: sign(name()) }, 'invalid'],
    ['without proof', { username: name() }, 'invalid'],
    ['with an empty proof', { username: name(), credential: new Secret('') }, 'invalid'],
    ['signed with another key', signed(name(), 'other'), 'invalid'],
    ['signed for another name', { username: name(), credential: sign(name({ s: 0 })) }, 'invalid'],
    [
      'with more rights than signed',
      { username: name({ s: 1 }), credential: sign(name({ s: 0 })) },
      'invalid',
    ],
    [
      'with a longer proof',
      { username: name(), credential: new Secret(`${sign(name()).reveal()}=`) },
      'invalid',
    ],
    [
      'with a cut proof',
      { username: name(), credential: new Secret(sign(name()).reveal().slice(0, 64)) },
      'invalid',
    ],
    [
      'with a proof that is not ASCII',
      { username: name(), credential: new Secret('é'.repeat(44)) },
      'invalid',
    ],
    ['of another version', signed(name({ v: 2 })), 'invalid'],
    ['of a TURN server', signed(`d=${NOW + 60}.v=1.k=0.t=s.r=abc`), 'invalid'],
    ['with an expiry that is no number', signed(name({ d: 'x' })), 'invalid'],
    ['with a negative expiry', signed(name({ d: '-1' })), 'invalid'],
    ['with an expiry of too many digits', signed(name({ d: '9'.repeat(21) })), 'invalid'],
    ['with an empty user name', signed(''), 'invalid'],
    ['with a very long user name', signed(name({ r: 'a'.repeat(500) })), 'invalid'],
    ['when no secret is configured', { ...signed(name()), secrets: [] }, 'invalid'],
  ])('%s', (_, token, verdict) => {
    expect(verdictOf(token)).toBe(verdict);
  });

  test.each(['old', 'new'])('signed with the %s of two secrets', (key) => {
    expect(verdictOf({ ...signed(name(), key), secrets: [secret('old'), secret('new')] })).toBe('start');
  });

  test('whose proof differs in any one character is invalid', () => {
    const proof = sign(name()).reveal();
    expect(proof).toHaveLength(88);
    for (let i = 0; i < proof.length; i++) {
      const other = proof.charAt(i) === 'A' ? 'B' : 'A';
      const forged = new Secret(proof.slice(0, i) + other + proof.slice(i + 1));
      expect(verdictOf({ username: name(), credential: forged })).toBe('invalid');
    }
  });
});

describe('issuing', () => {
  test('makes the name and proof that verifiers expect', () => {
    const token = issueToken({
      expiresAtSeconds: NOW,
      mayStart: true,
      owner: 'abc',
      secret: secret('key'),
      hmacSha512,
    });
    expect(token.username).toBe(`d=${NOW}.v=1.k=0.s=1.r=abc`);
    expect(token.credential.reveal()).toBe(sign(token.username).reveal());
    expect(JSON.stringify(token)).not.toContain(token.credential.reveal());
  });

  test.each([
    [true, 'start'],
    [false, 'join'],
  ])('mayStart %s is verified as %s', (mayStart, verdict) => {
    const grant = {
      expiresAtSeconds: NOW + 1,
      mayStart,
      owner: '',
      keyIndex: 3,
      secret: secret('key'),
      hmacSha512,
    };
    expect(verdictOf(issueToken(grant))).toBe(verdict);
  });

  test('refuses an owner that would break the name', () => {
    const grant = { expiresAtSeconds: NOW, mayStart: false, secret: secret('key'), hmacSha512 };
    expect(() => issueToken({ ...grant, owner: 'A.s=1' })).toThrow(RangeError);
  });
});
