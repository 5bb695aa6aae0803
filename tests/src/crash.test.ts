import { randomBytes } from 'node:crypto';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { SisterServers } from './sister-servers.ts';
import { TalkingBot } from './talking-bot.ts';

const CALLS = 2;
const CALL_SIZE = 3;
/** Until everybody is together again, from when the last one noticed. */
const REFORMED_WITHIN_MS = 10_000;
/** Clients notice by four pings without an answer, five seconds apart. */
const NOTICED_WITHIN_MS = 45_000;

let servers: SisterServers;
const calls: TalkingBot[][] = [];

beforeAll(async () => {
  servers = await SisterServers.start(3);
}, 60_000);

afterAll(async () => {
  for (const bot of calls.flat()) await bot.leave();
  await servers?.close();
}, 60_000);

async function expectAllTogether(timeoutMs: number): Promise<void> {
  for (const call of calls) {
    const ids = call.map(({ id }) => id).sort();
    for (const bot of call) {
      await eventually(
        'everybody else in the list, and heard',
        async () => ({ status: bot.status, others: bot.others, unheard: bot.unheard(ids) }),
        ({ status, others, unheard }) =>
          status === 'joined' && unheard.length === 0 && [...others, bot.id].sort().join() === ids.join(),
        timeoutMs,
      );
    }
  }
}

test('a server is killed, and its calls come together at the others', async () => {
  const [first = '', ...others] = servers.urls;
  for (let i = 0; i < CALLS; i++) {
    const secret = createMeetingSecret((size) => randomBytes(size));
    const link = formatMeetingFragment({ secret, server: first, passphrase: false });
    const call: TalkingBot[] = [];
    calls.push(call);
    for (let j = 0; j < CALL_SIZE; j++)
      call.push(await TalkingBot.join(link, `bot ${i}.${j}`, undefined, others));
  }
  await expectAllTogether(30_000);
  expect(await servers.at(0).metric('sft_calls')).toBe(CALLS);

  const killedMs = performance.now();
  await servers.at(0).stop('SIGKILL');
  await eventually(
    'everybody notices',
    async () => calls.flat().filter((bot) => bot.lostAtMs.length === 0).length,
    (unaware) => unaware === 0,
    NOTICED_WITHIN_MS,
  );
  await expectAllTogether(30_000);
  const togetherMs = performance.now();
  const noticedMs = Math.max(...calls.flat().map((bot) => bot.lostAtMs[0]!));
  console.log(
    `noticed ${Math.round(noticedMs - killedMs)} ms after the crash, together again ${Math.round(togetherMs - noticedMs)} ms later`,
  );
  expect(togetherMs - noticedMs).toBeLessThan(REFORMED_WITHIN_MS);
  const held = await Promise.all([1, 2].map((i) => servers.at(i).metric('sft_calls')));
  expect(held.reduce((sum, count) => sum + count)).toBe(CALLS);
}, 150_000);
