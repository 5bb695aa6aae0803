import { randomBytes } from 'node:crypto';
import { toHex } from '@conclave/bytes';
import { expect, test } from 'vitest';
import {
  applyKeyChange,
  createMeetingIdentity,
  deriveBaseIv,
  deriveMeetingKeys,
  FrameEncryptor,
  formatMeetingFragment,
  frameNonce,
  KeyStore,
  LinkSecretProvider,
  parseFrameHeader,
  parseMeetingLink,
} from '../src/index.ts';
import { crypto } from './seeded-random.ts';

test('a hundred reloads of a meeting page repeat no nonce under the link key', async () => {
  // Real randomness: that it is used afresh each time is what is shown.
  const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
  const link = formatMeetingFragment({ secret: random(32), passphrase: false });
  const seen = new Set<string>();
  const users = new Set<string>();
  let frames = 0;
  for (let reload = 0; reload < 100; reload++) {
    const keys = await deriveMeetingKeys(crypto, parseMeetingLink(link).secret);
    const { userHash } = await createMeetingIdentity(crypto, keys, random);
    users.add(userHash);
    const store = new KeyStore(crypto, { conversationHash: keys.conferenceId, forwardHashing: false });
    const provider = new LinkSecretProvider(keys);
    for (let change = provider.pollChange(); change !== undefined; change = provider.pollChange()) {
      await applyKeyChange(store, change);
    }
    const encryptor = new FrameEncryptor(crypto, store, { userHash, random });
    for (const kind of ['audio', 'video'] as const) {
      const baseIv = await deriveBaseIv(crypto, userHash, kind);
      for (let i = 0; i < 20; i++) {
        const { frameCounter, keyIndex } = parseFrameHeader(await encryptor.seal(kind, Uint8Array.of(i)));
        seen.add(toHex(frameNonce(baseIv, frameCounter, keyIndex)));
        frames++;
      }
    }
  }
  expect(users.size).toBe(100);
  expect(seen.size).toBe(frames);
});
