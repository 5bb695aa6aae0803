import { createCipheriv, hkdfSync } from 'node:crypto';
import { concatBytes, fromHex, type RandomBytes, toHex, toUtf8 } from '@conclave/bytes';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crypto, seededRandom } from '../test/seeded-random.ts';
import { FrameDecryptor, type OpenResult } from './frame-decryptor.ts';
import { FrameEncryptor, SealError } from './frame-encryptor.ts';
import { parseFrameHeader } from './frame-header.ts';
import { deriveNextSessionKey, type MediaKind } from './key-derivation.ts';
import { KeyStore } from './key-store.ts';
import { SenderDirectory } from './sender-directory.ts';

const sessionKey = Uint8Array.from({ length: 32 }, (_, i) => 0x20 + i);
const conversationHash = 'b4f510b7ddb37f196f6cdecbb691c8a1';
const userHash = '19096cfb419cca18619a47d3a1df6eb4';
const VECTOR = '1030a1b2c3d43101020304af6bf70a1f69e2435ef96ce282abc0595457389c67';

const counterAt =
  (start: number): RandomBytes =>
  () =>
    Uint8Array.of(start >>> 24, start >>> 16, start >>> 8, start);

async function storeWith(keys: [number, Uint8Array][], sendIndex?: number, forwardHashing = true) {
  const store = new KeyStore(crypto, { conversationHash, forwardHashing });
  for (const [index, key] of keys) await store.add(index, key);
  if (sendIndex !== undefined) store.sendWith(sendIndex);
  return store;
}

async function sender(start: number, index = 0, key: Uint8Array = sessionKey, maxFramesPerKey?: number) {
  const store = await storeWith([[index, key]], index);
  const limit = maxFramesPerKey === undefined ? {} : { maxFramesPerKey };
  const encryptor = new FrameEncryptor(crypto, store, { userHash, random: counterAt(start), ...limit });
  encryptor.setStreamId('audio', 0x01020304);
  encryptor.setStreamId('video', 0x05060708);
  return { store, encryptor };
}

async function receiver(keys: [number, Uint8Array][], replayWindowFrames = 1024, forwardHashing = true) {
  const store = await storeWith(keys, undefined, forwardHashing);
  const senders = new SenderDirectory(crypto);
  senders.setSenders([{ userHash, audioSsrc: 0x01020304, videoSsrc: 0x05060708 }]);
  return { store, senders, decryptor: new FrameDecryptor(crypto, store, senders, { replayWindowFrames }) };
}

const outcome = (result: OpenResult) => (result.ok ? 'opened' : result.reason);

describe('frame encryption', () => {
  test('the vector of the format is made and read', async () => {
    const { encryptor } = await sender(0xa1b2c3d4);
    expect(toHex(await encryptor.seal('audio', toUtf8('hello')))).toBe(VECTOR);
    const { decryptor } = await receiver([[0, sessionKey]]);
    const opened = await decryptor.open('audio', fromHex(VECTOR));
    expect(opened).toEqual({ ok: true, frame: toUtf8('hello'), userHash, keyIndex: 0, movedOn: false });
  });

  test('a frame made by another implementation is read', async () => {
    const mediaKey = Buffer.from(hkdfSync('sha512', sessionKey, conversationHash, 'media_key', 32));
    const iv = Buffer.from(hkdfSync('sha512', userHash, 'video_iv', '', 12));
    // Key index 0x12345, counter 0xfffe, an extension that nobody knows, then the stream id.
    const header = Buffer.from('101a012345fffe87423105060708', 'hex');
    for (const [i, byte] of [0, 0, 0xff, 0xfe, 0, 1, 0x23, 0x45].entries()) iv[i] = iv[i]! ^ byte;
    const cipher = createCipheriv('aes-256-gcm', mediaKey, iv).setAAD(header);
    const body = Buffer.concat([cipher.update('a picture'), cipher.final()]);
    const frame = Buffer.concat([header, body, cipher.getAuthTag()]);
    const { decryptor } = await receiver([[0x12345, sessionKey]]);
    const opened = await decryptor.open('video', frame);
    expect(opened.ok && Buffer.from(opened.frame).toString()).toBe('a picture');
  });

  test('every frame survives, with any counter, index and content', async () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    const kinds = fc.constantFrom<MediaKind>('audio', 'video');
    await fc.assert(
      fc.asyncProperty(
        word,
        word,
        kinds,
        fc.uint8Array({ maxLength: 300 }),
        async (start, index, kind, content) => {
          const { encryptor } = await sender(start, index);
          const { decryptor } = await receiver([[index, sessionKey]]);
          const opened = await decryptor.open(kind, await encryptor.seal(kind, content));
          expect(opened.ok && toHex(opened.frame)).toBe(toHex(content));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test('any flipped bit and any missing end is noticed', async () => {
    const { decryptor } = await receiver([[0, sessionKey]]);
    const frame = fromHex(VECTOR);
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const changed = frame.slice();
      changed[bit >>> 3] = changed[bit >>> 3]! ^ (1 << (bit & 7));
      expect(outcome(await decryptor.open('audio', changed)), `bit ${bit}`).not.toBe('opened');
    }
    for (let end = 0; end < frame.length; end++) {
      expect(outcome(await decryptor.open('audio', frame.subarray(0, end))), `end ${end}`).not.toBe('opened');
    }
    expect(outcome(await decryptor.open('audio', concatBytes(frame, Uint8Array.of(0))))).toBe('bad-tag');
    expect(outcome(await decryptor.open('audio', frame))).toBe('opened');
  });

  test('what was sent in clear is not passed on', async () => {
    const { decryptor } = await receiver([[0, sessionKey]]);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (clear) => {
        expect(outcome(await decryptor.open('video', clear, 0x05060708))).not.toBe('opened');
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  test('wrong key, wrong kind, other sender, no key', async () => {
    const frame = fromHex(VECTOR);
    const wrong = await receiver([[0, sessionKey.slice().reverse()]]);
    expect(outcome(await wrong.decryptor.open('audio', frame))).toBe('bad-tag');
    const { decryptor, senders } = await receiver([[1, sessionKey]]);
    expect(await decryptor.open('audio', frame)).toEqual({
      ok: false,
      reason: 'missing-key',
      userHash,
      keyIndex: 0,
    });
    expect(outcome(await decryptor.open('video', frame))).toBe('unknown-sender');
    senders.setSenders([]);
    expect(outcome(await decryptor.open('audio', frame))).toBe('unknown-sender');
    const posing = await receiver([[0, sessionKey]]);
    posing.senders.setSenders([{ userHash: 'f'.repeat(32), audioSsrc: 0x01020304, videoSsrc: 0 }]);
    expect(outcome(await posing.decryptor.open('audio', frame))).toBe('bad-tag');
  });

  test('without a stream id the contributing source tells the sender', async () => {
    const { encryptor } = await sender(5);
    encryptor.setStreamId('audio', 0);
    const frame = await encryptor.seal('audio', toUtf8('x'));
    expect(frame.length).toBe(3 + 1 + 16);
    const { decryptor } = await receiver([[0, sessionKey]]);
    expect(outcome(await decryptor.open('audio', frame))).toBe('unknown-sender');
    expect(outcome(await decryptor.open('audio', frame, 7))).toBe('unknown-sender');
    expect(outcome(await decryptor.open('audio', frame, 0x01020304))).toBe('opened');
  });

  test('nothing is sealed without a key', async () => {
    const store = await storeWith([[0, sessionKey]]);
    const encryptor = new FrameEncryptor(crypto, store, { userHash, random: seededRandom('no key') });
    await expect(encryptor.seal('audio', toUtf8('x'))).rejects.toMatchObject({ code: 'no-key' });
    expect(store.sendWith(1)).toBe(false);
    expect(store.sendWith(0)).toBe(true);
    await encryptor.seal('audio', toUtf8('x'));
  });
});

describe('frame counter', () => {
  test('numbers all frames of a sender once, also those sealed at the same time, and wraps', async () => {
    const { encryptor } = await sender(0xfffffff8);
    const frames = await Promise.all(
      Array.from({ length: 20 }, (_, i) => encryptor.seal(i % 3 === 0 ? 'audio' : 'video', Uint8Array.of(i))),
    );
    const counters = frames.map((frame) => parseFrameHeader(frame).frameCounter);
    expect(counters).toEqual(Array.from({ length: 20 }, (_, i) => (0xfffffff8 + i) % 2 ** 32));
    const { decryptor } = await receiver([[0, sessionKey]]);
    for (const [i, frame] of frames.entries()) {
      expect(outcome(await decryptor.open(i % 3 === 0 ? 'audio' : 'video', frame))).toBe('opened');
      expect(outcome(await decryptor.open(i % 3 === 0 ? 'audio' : 'video', frame))).toBe('replayed');
    }
  });

  test('a key seals no more than its frames, also when it is taken up again; another one goes on', async () => {
    const { encryptor, store } = await sender(1, 0, sessionKey, 5);
    await store.add(1, sessionKey.slice().reverse());
    for (let i = 0; i < 3; i++) await encryptor.seal('audio', Uint8Array.of(i));
    store.sendWith(1);
    for (let i = 0; i < 2; i++) await encryptor.seal('audio', Uint8Array.of(i));
    store.sendWith(0);
    // The counter has gone on meanwhile: five numbers from the first use are over.
    const refused = encryptor.seal('audio', Uint8Array.of(9));
    await expect(refused).rejects.toBeInstanceOf(SealError);
    await expect(refused).rejects.toMatchObject({ code: 'key-exhausted' });
    store.sendWith(1);
    for (let i = 0; i < 3; i++) await encryptor.seal('audio', Uint8Array.of(i));
    await expect(encryptor.seal('audio', Uint8Array.of(9))).rejects.toMatchObject({ code: 'key-exhausted' });
    expect(encryptor.frames).toBe(8);
  });
});

describe('replay', () => {
  test('of two copies opened at the same time one is refused', async () => {
    const { decryptor } = await receiver([[0, sessionKey]]);
    const frame = fromHex(VECTOR);
    const results = await Promise.all([decryptor.open('audio', frame), decryptor.open('audio', frame)]);
    expect(results.map(outcome).sort()).toEqual(['opened', 'replayed']);
  });

  test('late frames are opened within the window only', async () => {
    const { encryptor } = await sender(0xfffffff0);
    const frames: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) frames.push(await encryptor.seal('audio', Uint8Array.of(i)));
    const { decryptor } = await receiver([[0, sessionKey]], 16);
    const open = async (i: number) => outcome(await decryptor.open('audio', frames[i]!));
    expect(await open(20)).toBe('opened');
    expect(await open(5)).toBe('opened');
    expect(await open(4)).toBe('replayed');
    expect(await open(39)).toBe('opened');
    expect(await open(20)).toBe('replayed');
    expect(await open(24)).toBe('opened');
    expect(await open(24)).toBe('replayed');
  });

  test('a forged counter does not move the window', async () => {
    const { decryptor } = await receiver([[0, sessionKey]]);
    const forged = fromHex(VECTOR);
    forged[2] = 0xff;
    expect(outcome(await decryptor.open('audio', forged))).toBe('bad-tag');
    expect(outcome(await decryptor.open('audio', fromHex(VECTOR)))).toBe('opened');
  });

  test('windows are of a sender, a kind and a key, and can be switched off', async () => {
    const frame = fromHex(VECTOR);
    const off = await receiver([[0, sessionKey]], 0);
    expect(outcome(await off.decryptor.open('audio', frame))).toBe('opened');
    expect(outcome(await off.decryptor.open('audio', frame))).toBe('opened');
    const on = await receiver([
      [0, sessionKey],
      [1, sessionKey],
    ]);
    for (const index of [0, 1]) {
      for (const kind of ['audio', 'video'] as const) {
        const { encryptor } = await sender(77, index);
        expect(outcome(await on.decryptor.open(kind, await encryptor.seal(kind, frame)))).toBe('opened');
      }
    }
  });
});

describe('hashing forward', () => {
  async function hashed(steps: number): Promise<Uint8Array> {
    let key: Uint8Array = sessionKey;
    for (let i = 0; i < steps; i++) key = await deriveNextSessionKey(crypto, key, conversationHash);
    return key;
  }

  test('reaches 16 steps, not 17, and never back or into the next generation', async () => {
    for (const [from, to, expected] of [
      [3, 19, 'opened'],
      [3, 20, 'missing-key'],
      [3, 2, 'missing-key'],
      [0xfffe, 0xffff, 'opened'],
      [0xffff, 0x10000, 'missing-key'],
    ] as const) {
      const { encryptor } = await sender(1, to, await hashed(Math.max(0, to - from)));
      const { decryptor } = await receiver([[from, sessionKey]]);
      expect(outcome(await decryptor.open('audio', await encryptor.seal('audio', Uint8Array.of(1))))).toBe(
        expected,
      );
    }
  });

  test('is not done where an application brings the keys', async () => {
    const { encryptor } = await sender(1, 1, await hashed(1));
    const { decryptor } = await receiver([[0, sessionKey]], 1024, false);
    expect(outcome(await decryptor.open('audio', await encryptor.seal('audio', Uint8Array.of(1))))).toBe(
      'missing-key',
    );
  });

  test('a forged index keeps nothing; an authentic one says once that others moved on', async () => {
    const { decryptor, store } = await receiver([[0, sessionKey]]);
    const forged = fromHex(VECTOR);
    for (let index = 1; index < 8; index++) {
      forged[1] = 0x30 | index;
      expect(outcome(await decryptor.open('audio', forged))).toBe('bad-tag');
    }
    expect([store.size, store.highestIndex]).toEqual([1, 0]);
    const { encryptor } = await sender(1, 5, await hashed(5));
    const first = await decryptor.open('audio', await encryptor.seal('audio', Uint8Array.of(1)));
    const second = await decryptor.open('audio', await encryptor.seal('audio', Uint8Array.of(2)));
    expect([first.ok && first.movedOn, second.ok && second.movedOn]).toEqual([true, false]);
    expect([store.size, store.highestIndex, store.sendKey]).toEqual([2, 5, undefined]);
    // A member who is slower is still heard.
    const slower = await sender(9, 3, await hashed(3));
    expect(
      outcome(await decryptor.open('audio', await slower.encryptor.seal('audio', Uint8Array.of(1)))),
    ).toBe('opened');
  });
});

describe('key store', () => {
  test('is bounded, keeps the key that seals, and forgets below an index', async () => {
    const store = await storeWith([[0, sessionKey]], 0, false);
    for (let i = 1; i < 40; i++) await store.add(i, sessionKey);
    expect(store.size).toBe(32);
    expect(store.sendKey?.index).toBe(0);
    expect(await store.receiveKey(8)).toBeUndefined();
    expect(await store.receiveKey(9)).toBeDefined();
    store.sendWith(20);
    store.forgetBelow(39);
    expect([store.size, store.sendKey?.index]).toEqual([2, 20]);
  });

  test('keeps a copy of a key, also of one in a Node buffer, and leaves the memory of its owner alone', async () => {
    const owned = Buffer.from(sessionKey);
    const store = await storeWith([[0, owned]], 0);
    await store.add(1, sessionKey);
    store.sendWith(1);
    store.forgetBelow(1);
    expect(new Uint8Array(owned)).toEqual(sessionKey);
  });

  test('a forgotten key does not come back by hashing', async () => {
    const store = await storeWith([[0, sessionKey]], 0);
    const key = (await store.receiveKey(3))!;
    await store.add(0x10000, sessionKey.slice().reverse());
    store.sendWith(0x10000);
    store.forgetBelow(0x10000);
    expect(store.confirm(key)).toBe(false);
    expect(await store.receiveKey(3)).toBeUndefined();
  });

  test('the same key once more is the same object; another one replaces it', async () => {
    const store = await storeWith([[0, sessionKey]], 0);
    const first = store.sendKey;
    await store.add(0, sessionKey.slice());
    expect(store.sendKey).toBe(first);
    await store.add(0, sessionKey.slice().reverse());
    expect(store.sendKey).not.toBe(first);
  });
});
