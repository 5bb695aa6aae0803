import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { FederatedServers } from './federation.ts';
import type { SftProcess } from './sft-process.ts';

const TONES = [440, 770, 1210];
/** Louder than this in dB counts as heard; silence reads below -100. */
const HEARD = -60;
const SILENT = -75;
const CONVERSATION = 'federated';

let federation: FederatedServers;
let browser: CallBrowser;
let alpha: SftProcess;
let beta: SftProcess;
let calls: CallPage[];

beforeAll(async () => {
  [federation, browser] = await Promise.all([FederatedServers.create(), startCallBrowser()]);
  alpha = await federation.start('alpha.example', ['beta.example']);
  beta = await federation.start('beta.example', ['alpha.example']);
});

afterAll(async () => {
  await browser?.close();
  await federation?.close();
});

async function joinAt(
  sft: SftProcess,
  frequency: number,
  anchor?: { url: string; tuple: string },
): Promise<CallPage> {
  const call = await CallPage.create(await browser.openPage(), {
    sft: sft.url,
    conversation: CONVERSATION,
    frequency,
    video: { width: 640, height: 360, frameRate: 15 },
    ...(anchor ? { anchor } : {}),
  });
  await call.join();
  return call;
}

test('people of two domains are in one list, in one order', async () => {
  const ann = await joinAt(alpha, TONES[0]!);
  const anchor = await ann.ask<{ url: string; tuple: string }>('call.anchor');
  expect(anchor.url).toBe('https://sft.alpha.example');
  expect(anchor.tuple).toMatch(/^127\.0\.0\.1:\d+$/);
  const bob = await joinAt(beta, TONES[1]!, anchor);
  const bea = await joinAt(beta, TONES[2]!, anchor);
  calls = [ann, bob, bea];
  for (const call of calls) {
    const roster = await eventually(
      'all three in the list',
      () => call.roster(),
      (list) => list.length === 3,
    );
    expect(roster.map((entry) => entry.userid)).toEqual(calls.map((each) => each.userId));
  }
  expect(await alpha.metric('conclave_sft_links')).toBe(1);
  expect(await alpha.metric('sft_participants')).toBe(1);
  expect(await beta.metric('sft_participants')).toBe(2);
});

test('everybody hears everybody else, across the link and not', async () => {
  for (const [me, call] of calls.entries()) {
    await eventually(
      `tones at client ${me}`,
      () => call.tones(TONES),
      (levels) => levels.every((level, speaker) => (speaker === me ? level < SILENT : level > HEARD)),
    );
  }
});

test('everybody sees everybody else in full size, and in the small layer when that is asked for', async () => {
  for (const [quality, width] of [
    [2, 640],
    [1, 320],
  ] as const) {
    for (const call of calls) await call.select('all', quality);
    for (const call of calls) {
      await eventually(
        `two videos of width ${width}`,
        async () => (await call.stats()).inbound.filter((s) => s.kind === 'video' && s.packets > 0),
        (videos) => videos.filter((s) => s.width === width && (s.frames ?? 0) > 5).length === 2,
        20_000,
      );
    }
  }
});

test('mute and camera of one domain are seen in the other', async () => {
  await calls[0]!.ask("call.setProps({ muted: 'true' })");
  await eventually(
    'muted',
    () => calls[1]!.ask<string | undefined>(`call.props.get('${calls[0]!.userId}')?.muted`),
    (muted) => muted === 'true',
  );
});

test('who leaves is gone in both domains, and the link goes with the last one behind it', async () => {
  await calls[1]!.ask('call.leave()');
  await eventually(
    'two in the list at the anchor',
    () => calls[0]!.roster(),
    (list) => list.length === 2,
  );
  await calls[2]!.ask('call.leave()');
  await eventually(
    'one in the list at the anchor',
    () => calls[0]!.roster(),
    (list) => list.length === 1,
  );
  await eventually(
    'no link',
    () => beta.metric('conclave_sft_links'),
    (links) => links === 0,
  );
  expect(await beta.metric('sft_calls')).toBe(0);
  expect(await alpha.metric('sft_calls')).toBe(1);
});
