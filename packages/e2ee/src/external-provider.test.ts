import { describe, expect, test } from 'vitest';
import { ExternalProvider } from './external-provider.ts';
import type { KeyChange } from './key-provider.ts';

const key = (byte: number) => new Uint8Array(32).fill(byte);

function sendsWith(provider: ExternalProvider): (number | string)[] {
  const all: (number | string)[] = [];
  for (let c: KeyChange | undefined = provider.pollChange(); c !== undefined; c = provider.pollChange()) {
    all.push(c.type === 'key' ? `key ${c.index}` : c.type === 'forget-below' ? `forget ${c.index}` : c.index);
  }
  return all;
}

describe('keys of an application', () => {
  test('the first is used at once, the next when all have it, older ones go a minute later', async () => {
    const provider = new ExternalProvider();
    expect(provider.pollTimeout()).toBeUndefined();
    provider.handleEpoch(0, 7, key(1));
    expect(sendsWith(provider)).toEqual(['key 7', 7]);
    provider.handlePeers(10, ['a', 'b']);
    provider.handleEpoch(1000, 8, key(2));
    provider.handlePeerEpoch(1100, 'a', 8);
    provider.handlePeerEpoch(1100, 'stranger', 8);
    expect(sendsWith(provider)).toEqual(['key 8']);
    expect([provider.currentEpoch, provider.announcedEpoch]).toEqual([7, 8]);
    provider.handlePeerEpoch(1200, 'b', 9);
    expect(sendsWith(provider)).toEqual([8]);
    expect(provider.pollTimeout()).toBe(61_200);
    await provider.handleTimeout(61_200);
    expect(sendsWith(provider)).toEqual(['forget 8']);
    expect(provider.pollTimeout()).toBeUndefined();
  });

  test('a key is used after a minute although some have not announced it', async () => {
    const provider = new ExternalProvider();
    provider.handleEpoch(0, 1, key(1));
    provider.handlePeers(0, ['a']);
    provider.handleEpoch(5000, 2, key(2));
    sendsWith(provider);
    await provider.handleTimeout(64_999);
    expect(provider.currentEpoch).toBe(1);
    await provider.handleTimeout(65_000);
    expect(provider.currentEpoch).toBe(2);
  });

  test('who goes is not waited for', () => {
    const provider = new ExternalProvider();
    provider.handleEpoch(0, 1, key(1));
    provider.handlePeers(0, ['a', 'b']);
    provider.handleEpoch(1, 2, key(2));
    provider.handlePeerEpoch(2, 'a', 2);
    provider.handlePeers(3, ['a']);
    expect(provider.currentEpoch).toBe(2);
  });

  test('an epoch never comes twice or goes back, and bounds are kept', () => {
    const provider = new ExternalProvider();
    provider.handleEpoch(0, 5, key(1));
    provider.handleEpoch(0, 5, key(2));
    provider.handleEpoch(0, 4, key(3));
    expect(sendsWith(provider)).toEqual(['key 5', 5]);
    expect(() => provider.handleEpoch(0, 2 ** 32, key(1))).toThrow(RangeError);
    expect(() => provider.handleEpoch(0, 6, new Uint8Array(15))).toThrow(RangeError);
    expect(() => provider.handleEpoch(0, 6, new Uint8Array(65))).toThrow(RangeError);
  });
});
