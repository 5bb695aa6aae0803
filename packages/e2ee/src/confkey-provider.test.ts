import { FormatError, toBase64 } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crypto, seededRandom } from '../test/seeded-random.ts';
import { encodeConfkey, MAX_KEYS_PER_MESSAGE, parseConfkey } from './confkey-message.ts';
import { ConfkeyProvider } from './confkey-provider.ts';
import { deriveNextSessionKey } from './key-derivation.ts';
import { freshKeyIndex } from './key-index.ts';
import type { KeyChange, KeyMessage, KeyProvider, MemberId } from './key-provider.ts';
import type { KeyRoster } from './key-roster.ts';

const conversationHash = 'b4f510b7ddb37f196f6cdecbb691c8a1';
const memberOf = (name: string): MemberId => ({ userId: `user-${name}`, clientId: 'd' });
const key = (byte: number) => new Uint8Array(32).fill(byte);

function roster(names: string, strangers = ''): KeyRoster {
  return {
    timestampMs: 1,
    sequenceNumber: 1,
    entropy: new Uint8Array(16),
    participants: [...names].map((name, i) => ({
      userHash: name,
      audioSsrc: i + 1,
      videoSsrc: i + 100,
      member: strangers.includes(name) ? undefined : memberOf(name),
    })),
  };
}

function provider(name: string): ConfkeyProvider {
  return new ConfkeyProvider(crypto, {
    userHash: name,
    member: memberOf(name),
    conversationHash,
    random: seededRandom(name),
  });
}

function keysText(from: string, keys: [number, Uint8Array][], response = true): string {
  return encodeConfkey({
    type: 'CONFKEY',
    sessionId: '',
    sourceUserId: `user-${from}`,
    sourceClientId: 'd',
    destinationUserId: '',
    destinationClientId: '',
    response,
    keys: keys.map(([index, sessionKey]) => ({ index, sessionKey })),
  });
}

function changes(from: KeyProvider): KeyChange[] {
  const all: KeyChange[] = [];
  for (let next = from.pollChange(); next !== undefined; next = from.pollChange()) all.push(next);
  return all;
}

function messages(from: KeyProvider): KeyMessage[] {
  const all: KeyMessage[] = [];
  for (let next = from.pollTransmit(); next !== undefined; next = from.pollTransmit()) all.push(next);
  return all;
}

describe('CONFKEY provider', () => {
  test('keys count from the generator only, whatever the text says of its sender', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('abc'));
    expect(await b.handleMessage(10, memberOf('c'), keysText('a', [[0, key(1)]]))).toBe('ignored');
    expect(
      await b.handleMessage(10, { userId: 'user-a', clientId: 'other' }, keysText('a', [[0, key(1)]])),
    ).toBe('ignored');
    expect(changes(b)).toEqual([]);
    expect(await b.handleMessage(10, memberOf('a'), keysText('c', [[0, key(2)]]))).toBe('accepted');
    expect(changes(b)).toEqual([
      { type: 'key', index: 0, sessionKey: key(2) },
      { type: 'send-with', index: 0 },
    ]);
  });

  test('who is no member makes no keys, gets none and is answered nothing', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('xbc', 'x'));
    expect(b.isGenerator).toBe(true);
    expect(messages(b).map(({ to }) => to)).toEqual([[memberOf('c')]]);
    expect(await b.handleMessage(1, memberOf('x'), keysText('x', [], false))).toBe('ignored');
    expect(messages(b)).toEqual([]);
    // A member who is removed from the conversation, though still in the list, is one who left.
    await b.handleRoster(100, roster('xbcd', 'xc'));
    const [message] = messages(b);
    expect(message!.to).toEqual([memberOf('d')]);
    expect(parseConfkey(message!.text).keys.map(({ index }) => index)).toEqual([0, 0x10000]);
    await b.handleTimeout(1100);
    expect(b.currentIndex).toBe(0x10000);
  });

  test('requests are answered with the keys in use, each member once a second', async () => {
    const a = provider('a');
    await a.handleRoster(0, roster('ab'));
    messages(a);
    const request = keysText('b', [], false);
    expect(await a.handleMessage(5, memberOf('b'), request)).toBe('accepted');
    expect(await a.handleMessage(6, memberOf('b'), request)).toBe('ignored');
    expect(await a.handleMessage(1005, memberOf('b'), request)).toBe('accepted');
    expect(messages(a).map(({ to }) => to)).toEqual([[memberOf('b')], [memberOf('b')]]);
  });

  test('without keys a member asks after a second, and then more and more rarely, but does not stop', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    const asked: number[] = [];
    for (let i = 0; i < 8; i++) {
      const at = b.pollTimeout()!;
      await b.handleTimeout(at);
      const [message] = messages(b);
      expect(message!.to).toEqual([memberOf('a')]);
      expect(parseConfkey(message!.text).response).toBe(false);
      asked.push(at);
    }
    expect(asked).toEqual([1000, 2000, 4000, 8000, 16000, 26000, 36000, 46000]);
  });

  test('a thousand frames that cannot be opened cause one request a second', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    await b.handleMessage(1, memberOf('a'), keysText('a', [[0, key(1)]]));
    for (let now = 100; now < 1100; now++) {
      await b.handleUnopened(now, { reason: 'missing-key', keyIndex: 0x50000 });
      await b.handleUnopened(now, { reason: 'bad-tag', keyIndex: 0 });
    }
    expect(messages(b).length).toBe(1);
    // What can be hashed to, or is older, is not asked for.
    await b.handleUnopened(9000, { reason: 'missing-key', keyIndex: 16 });
    expect(messages(b).length).toBe(0);
  });

  test('keys that came before the list that makes their sender the generator are taken then', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('b'));
    expect(b.currentIndex).toBe(0);
    await b.handleMessage(10, memberOf('a'), keysText('a', [[0x20000, key(3)]]));
    expect(b.currentIndex).toBe(0);
    await b.handleRoster(20, roster('ab'));
    await b.handleTimeout(1020);
    expect(b.currentIndex).toBe(0x20000);
    expect(messages(b)).toEqual([]);
  });

  test('follows others who moved on, by hashing, and no further than that', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    await b.handleMessage(1, memberOf('a'), keysText('a', [[4, key(1)]]));
    changes(b);
    await b.handleKeySeen(2, 3);
    await b.handleKeySeen(2, 21);
    await b.handleKeySeen(2, 0x10000);
    expect(changes(b)).toEqual([]);
    await b.handleKeySeen(3, 6);
    const next = await deriveNextSessionKey(crypto, key(1), conversationHash);
    const sessionKey = await deriveNextSessionKey(crypto, next, conversationHash);
    expect(changes(b)).toEqual([
      { type: 'key', index: 6, sessionKey },
      { type: 'send-with', index: 6 },
    ]);
    expect(b.pollTimeout()).toBe(30_003);
  });

  test('a lower index is never gone back to', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    await b.handleMessage(1, memberOf('a'), keysText('a', [[0x10000, key(1)]]));
    await b.handleMessage(2, memberOf('a'), keysText('a', [[5, key(2)]]));
    await b.handleTimeout(5000);
    expect(b.currentIndex).toBe(0x10000);
  });

  test('a listener opens what others still seal with the former key until their next rotation', async () => {
    // As seen of Wire's clients: a fresh key is given out, and used 30 s later unless somebody else was quicker.
    const b = provider('b');
    await b.handleRoster(0, roster('abc'));
    await b.handleMessage(
      0,
      memberOf('a'),
      keysText('a', [
        [1, key(1)],
        [0x10000, key(2)],
      ]),
    );
    const forgets: number[] = [];
    for (let now = b.pollTimeout(); now !== undefined && now <= 60_000; now = b.pollTimeout()) {
      await b.handleTimeout(now);
      if (changes(b).some(({ type }) => type === 'forget-below')) forgets.push(now);
    }
    expect(b.currentIndex).toBeGreaterThanOrEqual(0x10000);
    expect(forgets).toHaveLength(1);
    expect(forgets[0]).toBeGreaterThan(35_000);
  });

  test('forged indices push a generator ahead by little and rarely', async () => {
    const a = provider('a');
    await a.handleRoster(0, roster('ab'));
    for (let now = 1; now < 1000; now++) {
      await a.handleUnopened(now, { reason: 'missing-key', keyIndex: 0xffff0000 });
      await a.handleUnopened(now, { reason: 'missing-key', keyIndex: 0x00400000 });
      await a.handleUnopened(now, { reason: 'missing-key', keyIndex: 0x007f0000 });
    }
    await a.handleTimeout(2000);
    expect(a.currentIndex).toBe(0x00420000);
  });

  test('a generation that is used up is followed by a fresh key', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    await b.handleMessage(1, memberOf('a'), keysText('a', [[0xffff, key(1)]]));
    await b.handleTimeout(b.pollTimeout()!);
    expect(b.currentIndex).toBe(0xffff);
    await b.handleRoster(40_000, roster('b'));
    await b.handleTimeout(41_000);
    expect(b.currentIndex).toBe(0x20000);
    expect([freshKeyIndex(0xffffffff, false), freshKeyIndex(0xfffe1234, true)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(freshKeyIndex(0xfffe1234, false)).toBe(0xffff0000);
  });

  test('rejects what is no CONFKEY and goes on', async () => {
    const b = provider('b');
    await b.handleRoster(0, roster('ab'));
    await expect(b.handleMessage(1, memberOf('a'), '{')).rejects.toBeInstanceOf(FormatError);
    expect(await b.handleMessage(1, memberOf('a'), keysText('a', [[0, key(1)]]))).toBe('accepted');
  });
});

describe('CONFKEY message', () => {
  const data = toBase64(key(7));
  const message = (body: object) =>
    JSON.stringify({ version: '3.0', type: 'CONFKEY', sessid: '', resp: true, ...body });

  test('reads what clients write', () => {
    const text = `{"version":"3.0","type":"CONFKEY","sessid":"","src_userid":"u","src_clientid":"c","resp":true,"keys":[{"idx":0,"data":"IltpbnFrD\\/XwqtHTm4A8Mj5IopsyVH4wXraRF7tylAc="}]}`;
    const read = parseConfkey(text);
    expect(read).toMatchObject({ type: 'CONFKEY', sourceUserId: 'u', sourceClientId: 'c', response: true });
    expect(read.keys[0]!.index).toBe(0);
    expect(encodeConfkey(read)).toBe(text.replace('\\/', '/'));
  });

  test('a request needs no keys and brings none', () => {
    expect(parseConfkey(message({ resp: false })).keys).toEqual([]);
    expect(parseConfkey(message({ resp: false, keys: [{ idx: 0, data }] })).keys).toEqual([]);
  });

  test.each([
    [{}, 'missing-keys'],
    [{ keys: [] }, 'bad-keys'],
    [{ keys: {} }, 'bad-keys'],
    [{ keys: [1] }, 'bad-keys'],
    [{ keys: [{ data }] }, 'bad-idx'],
    [{ keys: [{ idx: -1, data }] }, 'bad-idx'],
    [{ keys: [{ idx: 2 ** 32, data }] }, 'bad-idx'],
    [{ keys: [{ idx: '0', data }] }, 'bad-idx'],
    [{ keys: [{ idx: 0 }] }, 'bad-data'],
    [{ keys: [{ idx: 0, data: 'AAAA' }] }, 'bad-data'],
    [{ keys: [{ idx: 0, data: toBase64(new Uint8Array(33)) }] }, 'bad-data'],
    [{ keys: [{ idx: 0, data: `${data.slice(0, -2)}*=` }] }, 'bad-base64'],
    [
      {
        keys: [
          { idx: 0, data },
          { idx: 0, data },
        ],
      },
      'duplicate-idx',
    ],
    [
      { keys: Array.from({ length: MAX_KEYS_PER_MESSAGE + 1 }, (_, idx) => ({ idx, data })) },
      'too-many-keys',
    ],
    [{ type: 'PING' }, 'not-confkey'],
    [{ pad: 'x'.repeat(9000) }, 'too-long'],
    [{ resp: 1 }, 'bad-resp'],
  ])('%o is refused: %s', (body, code) => {
    expect(() => parseConfkey(message(body))).toThrow(expect.objectContaining({ code }));
  });

  test('every message survives; any other text is refused with a FormatError', () => {
    const keys = fc.uniqueArray(
      fc.record({
        index: fc.integer({ min: 0, max: 0xffffffff }),
        sessionKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      }),
      { minLength: 1, maxLength: 16, selector: ({ index }) => index },
    );
    fc.assert(
      fc.property(keys, (list) => {
        const text = keysText(
          'a',
          list.map(({ index, sessionKey }) => [index, sessionKey]),
        );
        expect(parseConfkey(text).keys).toEqual(list);
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => parseConfkey(text)).toThrow(FormatError);
      }),
    );
  });
});
