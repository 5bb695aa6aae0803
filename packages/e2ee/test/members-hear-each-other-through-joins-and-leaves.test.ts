import { describe, expect, test } from 'vitest';
import { parseConfkey } from '../src/index.ts';
import { ConfkeyConference } from './confkey-conference.ts';

const indicesOf = (text: string) => parseConfkey(text).keys.map(({ index }) => index);

describe('four members with CONFKEY', () => {
  test('all hear all within a second of joining, and through two minutes of rotation', async () => {
    const conference = new ConfkeyConference();
    for (const name of ['a', 'b', 'c', 'd']) {
      await conference.join(name);
      const joined = conference.now;
      await conference.run(2000);
      expect(conference.failuresSince(joined + 1000)).toEqual([]);
    }
    const quiet = conference.now;
    await conference.run(120_000);
    expect(conference.failuresSince(quiet)).toEqual([]);
    const indices = conference.devices.map(({ provider }) => provider.currentIndex!);
    expect(Math.min(...indices)).toBeGreaterThanOrEqual(4);
    expect(Math.max(...indices)).toBeLessThanOrEqual(8);
    // Only the first of the list gave keys; hashing needs no messages.
    expect(new Set(conference.sent.map(({ from }) => from))).toEqual(new Set(['a']));
    expect(conference.sent.filter(({ at }) => at > quiet + 6000)).toEqual([]);
    expect(indicesOf(conference.sent[0]!.message.text)).toEqual([0]);
  });

  test('who left opens nothing any more, and the rest loses nothing', async () => {
    const conference = new ConfkeyConference();
    const [, , c] = [await conference.join('a'), await conference.join('b'), await conference.join('c')];
    await conference.join('d');
    await conference.run(3000);
    const left = conference.now;
    await conference.leave(c);
    await conference.run(1500);
    expect(conference.failuresSince(left)).toEqual([]);
    expect(conference.devices.every(({ provider }) => provider.currentIndex === 0x10000)).toBe(true);
    for (let i = 0; i < 30; i++) {
      await conference.run(1000);
      expect(conference.frames.length).toBe(3);
      for (const { frame } of conference.frames) {
        expect(await c.decryptor.open('audio', frame)).toMatchObject({ ok: false, reason: 'missing-key' });
      }
    }
    expect(conference.failuresSince(left)).toEqual([]);
    // Nor can it be heard: the keys it knows are forgotten, when all that use them later than others are done.
    await conference.run(10_000);
    const old = await c.encryptor.seal('audio', Uint8Array.of(1));
    for (const { decryptor, senders, store } of conference.devices) {
      senders.setSenders([c.participant]);
      expect(await decryptor.open('audio', old)).toMatchObject({ ok: false, reason: 'missing-key' });
      expect(store.size).toBeLessThan(8);
    }
  });

  test('when the generator leaves, the next one makes a key two generations on', async () => {
    const conference = new ConfkeyConference();
    const a = await conference.join('a');
    for (const name of ['b', 'c', 'd']) await conference.join(name);
    await conference.run(3000);
    const left = conference.now;
    await conference.leave(a);
    await conference.run(4000);
    expect(conference.failuresSince(left + 1000)).toEqual([]);
    expect(conference.devices.map(({ provider }) => provider.currentIndex)).toEqual([
      0x20000, 0x20000, 0x20000,
    ]);
    expect(conference.devices.map(({ provider }) => provider.isGenerator)).toEqual([true, false, false]);
  });

  test('a generator that reconnects to the end of the list hands over without a gap', async () => {
    const conference = new ConfkeyConference();
    const a = await conference.join('a');
    for (const name of ['b', 'c', 'd']) await conference.join(name);
    await conference.run(3000);
    const moved = conference.now;
    conference.devices = [...conference.devices.filter((device) => device !== a), a];
    await conference.publish();
    await conference.run(40_000);
    expect(conference.failuresSince(moved)).toEqual([]);
    expect(conference.sent.some(({ from, at }) => from === 'b' && at === moved)).toBe(true);
  });

  test('lost messages cost a second or two, and no more requests than that', async () => {
    const conference = new ConfkeyConference();
    const lost = new Set<string>();
    // The first message of every sender to every receiver after each change is lost.
    conference.lose = (from, to) => {
      const route = `${from.name}>${to.userId}`;
      if (lost.has(route)) return false;
      lost.add(route);
      return true;
    };
    for (const name of ['a', 'b', 'c', 'd']) {
      lost.clear();
      await conference.join(name);
      const at = conference.now;
      await conference.run(4000);
      expect(conference.failuresSince(at + 2500)).toEqual([]);
    }
    lost.clear();
    const left = conference.now;
    await conference.leave(conference.devices[1]!);
    await conference.run(5000);
    expect(conference.failuresSince(left + 3500)).toEqual([]);
    lost.clear();
    await conference.leave(conference.devices[0]!);
    const again = conference.now;
    await conference.run(5000);
    expect(conference.failuresSince(again + 3500)).toEqual([]);
    const requests = conference.sent.filter(({ message }) => !parseConfkey(message.text).response);
    expect(requests.length).toBeGreaterThan(0);
    expect(requests.length).toBeLessThan(30);
  });

  test('lists that reach some later make two generators, who agree in the end', async () => {
    const conference = new ConfkeyConference();
    const a = conference.device('a');
    const b = conference.device('b');
    // Each of the two sees itself alone at first.
    for (const device of [a, b]) {
      conference.devices = [device];
      await conference.publish();
      expect(device.provider.isGenerator).toBe(true);
    }
    conference.devices = [a, b];
    await conference.publish();
    const merged = conference.now;
    await conference.join('c');
    await conference.run(6000);
    expect(conference.failuresSince(merged + 1500)).toEqual([]);
  });

  test('a generator whose predecessor’s keys never arrived jumps ahead of them', async () => {
    const conference = new ConfkeyConference();
    const a = await conference.join('a');
    const b = await conference.join('b');
    await conference.run(2000);
    for (let i = 0; i < 3; i++) {
      const guest = await conference.join(`guest${i}`);
      await conference.run(2000);
      await conference.leave(guest);
      await conference.run(2000);
    }
    expect(a.provider.currentIndex! >>> 16).toBe(3);
    // A third one with a key of its own comes to stand before them.
    const c = conference.device('c');
    conference.devices = [c];
    await conference.publish();
    conference.devices = [c, a, b];
    await conference.publish();
    const merged = conference.now;
    await conference.run(10_000);
    expect(conference.failuresSince(merged + 4000)).toEqual([]);
    expect(a.provider.currentIndex! >>> 16).toBeGreaterThan(3);
  });

  test('a laptop that slept for five minutes is heard and hears again', async () => {
    const conference = new ConfkeyConference();
    await conference.join('a');
    const b = await conference.join('b');
    await conference.join('c');
    await conference.run(2000);
    const all = conference.devices;
    conference.devices = all.filter((device) => device !== b);
    await conference.run(300_000);
    conference.devices = all;
    const awake = conference.now;
    await conference.run(3000);
    expect(conference.failuresSince(awake + 1000)).toEqual([]);
  });
});
