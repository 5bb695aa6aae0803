import { expect, it } from 'vitest';
import { serverIceServers } from './server-ice-servers.ts';

const turn = { urls: ['turn:a.example:3478?transport=udp'], username: 'u', credential: 'c' };

/** A source whose server answers with these texts, one after the other, and a clock. */
function source(...answers: (() => Response)[]) {
  const asked: [string, RequestInit][] = [];
  const clock = { now: 0 };
  const ask = serverIceServers('https://sft.example/', {
    now: () => clock.now,
    fetch: async (url, init) => {
      asked.push([url, init]);
      return answers[Math.min(asked.length, answers.length) - 1]!();
    },
  });
  return { ask, asked, clock };
}

const says = (value: unknown) => () =>
  new Response(typeof value === 'string' ? value : JSON.stringify(value));

it('asks once, without cookies, and anew when half of the time has passed', async () => {
  const { ask, asked, clock } = source(says({ iceServers: [turn], validForSeconds: 100 }));
  expect([await ask(), await ask()]).toEqual([[turn], [turn]]);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject([
    'https://sft.example/config.json',
    { credentials: 'omit', cache: 'no-store' },
  ]);
  clock.now = 49_999;
  await ask();
  expect(asked).toHaveLength(1);
  clock.now = 50_000;
  expect(await ask()).toEqual([turn]);
  expect(asked).toHaveLength(2);
});

it('knows none after no answer, and asks again the next time', async () => {
  const { ask, asked } = source(
    () => {
      throw new TypeError('no network');
    },
    () => new Response('not found', { status: 404 }),
    says({ iceServers: [turn], validForSeconds: 100 }),
  );
  expect([await ask(), await ask(), await ask()]).toEqual([[], [], [turn]]);
  expect(asked).toHaveLength(3);
});

it.each([
  ['a page', '<!doctype html>'],
  ['null', 'null'],
  ['no list', { iceServers: turn }],
  ['nothing of a server', { iceServers: [null, 3, {}, { urls: 'https://x.example' }] }],
  ['a relay without credential', { iceServers: [{ urls: ['turn:a.example'] }] }],
  [
    'an endless name',
    { iceServers: [{ urls: [`turn:${'a'.repeat(2000)}`], username: 'u', credential: 'c' }] },
  ],
])('takes %s for none', async (_what, value) => {
  expect(await source(says(value)).ask()).toEqual([]);
});

it('takes STUN servers without credential, and a bounded number of all', async () => {
  const stun = { urls: ['stun:a.example'] };
  expect(await source(says({ iceServers: [{ urls: 'stun:a.example' }, turn] })).ask()).toEqual([stun, turn]);
  expect(await source(says({ iceServers: Array.from({ length: 100 }, () => stun) })).ask()).toHaveLength(8);
});
