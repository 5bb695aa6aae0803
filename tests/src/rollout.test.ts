import { randomBytes } from 'node:crypto';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { SisterServers } from './sister-servers.ts';
import { TalkingBot } from './talking-bot.ts';

const SERVERS = 3;
const CALLS = 6;
const CALL_SIZE = 3;

let servers: SisterServers;
const links: string[] = [];
const calls: TalkingBot[][] = [];

beforeAll(async () => {
  servers = await SisterServers.start(SERVERS);
}, 60_000);

afterAll(async () => {
  for (const bot of calls.flat()) await bot.leave();
  await servers?.close();
}, 60_000);

async function expectAllTogether(): Promise<void> {
  for (const call of calls) {
    const ids = call.map(({ id }) => id);
    for (const bot of call) {
      await eventually(
        'everybody else in the list, in one order, and heard',
        async () => ({ ids, others: bot.others, unheard: bot.unheard(ids), status: bot.status }),
        ({ others, unheard, status }) =>
          status === 'joined' &&
          unheard.length === 0 &&
          others.join() === ids.filter((id) => id !== bot.id).join(),
        30_000,
      );
    }
  }
}

test('calls run at three servers', async () => {
  for (let i = 0; i < CALLS; i++) {
    const secret = createMeetingSecret((size) => randomBytes(size));
    const server = servers.urls[i % SERVERS];
    const link = formatMeetingFragment({ secret, server, passphrase: false });
    links.push(link);
    const call: TalkingBot[] = [];
    calls.push(call);
    for (let j = 0; j < CALL_SIZE; j++) call.push(await TalkingBot.join(link, `bot ${i}.${j}`));
  }
  await expectAllTogether();
}, 60_000);

test('all servers are replaced one after the other under running calls, and nobody is dropped', async () => {
  for (let i = 0; i < SERVERS; i++) {
    const before = await servers.at(i).metric('sft_participants');
    for (const bot of calls.flat()) bot.forget();
    const startedMs = performance.now();
    const load = await (await fetch(`${servers.at(i).metricsUrl}/load`)).json();
    expect(load).toMatchObject({ url: servers.urls[i], participants: before, draining: false });
    expect(await servers.replace(i), servers.at(i).output()).toBe(0);
    const tookMs = performance.now() - startedMs;
    await expectAllTogether();
    const gaps = calls.flat().map((bot) => Math.round(bot.longestGapMs));
    // Under a second where nothing else runs; what this guards against takes many seconds.
    expect(Math.max(...gaps)).toBeLessThan(5000);
    console.log(
      `server ${i} with ${before} clients replaced in ${Math.round(tookMs)} ms; longest silence of anybody at each: ${gaps.join(' ')} ms`,
    );
    expect(calls.flat().every((bot) => bot.status === 'joined')).toBe(true);
  }
}, 180_000);

test('whoever comes later by the URL where the call began finds it', async () => {
  for (const [i, link] of links.entries()) calls[i]!.push(await TalkingBot.join(link, `late ${i}`));
  await expectAllTogether();
}, 60_000);

test('a call that has begun at one server is found by all', async () => {
  for (const [i, link] of links.entries())
    calls[i]!.push(await TalkingBot.join(link, `later ${i}`, servers.urls));
  await expectAllTogether();
}, 60_000);
