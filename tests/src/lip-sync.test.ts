import { captureDelayMs, NodeClient } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallPage } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const CONVERSATION = 'lipsync';
const MAX_APART_MS = 80;

let sft: SftProcess;
let browser: CallBrowser;

beforeAll(async () => {
  [sft, browser] = await Promise.all([startSftProcess(), startCallBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await sft?.stop();
});

// Chromium no longer tells when it plays what (estimatedPlayoutTimestamp), so a listener of our own does the sum that a
// browser does: the sender reports of both slots say when each packet was captured.
test('by the sender reports of its slots, audio and video of one person are within 80 ms', async () => {
  const page = await CallPage.create(await browser.openPage(), {
    sft: sft.url,
    conversation: CONVERSATION,
    frequency: 440,
    video: { width: 640, height: 360, frameRate: 20 },
  });
  await page.ask('call.media().then(() => undefined)');
  await page.join();
  const listener = new NodeClient({ sft: sft.url, conversation: CONVERSATION });
  await listener.join();
  await listener.until('both in the list', () => listener.roster.length === 2);
  listener.send({
    type: 'CONFSTREAMS',
    resp: false,
    dest_userid: 'SFT',
    dest_clientid: 'SFT',
    mode: 'list',
    streams: [{ userid: page.userId, quality: 2 }],
  });
  const reported = (clockRate: number) =>
    [...listener.received.values()].find(
      (s) => s.clockRate === clockRate && s.packets > 20 && s.report !== undefined,
    );
  await listener.until('reports of both slots', () => Boolean(reported(48_000) && reported(90_000)), 15_000);

  const apart: number[] = [];
  for (let look = 0; look < 20; look++) {
    const packets = reported(90_000)!.packets;
    await listener.until('the next picture', () => reported(90_000)!.packets > packets);
    apart.push(captureDelayMs(reported(48_000)!)! - captureDelayMs(reported(90_000)!)!);
  }
  apart.sort((a, b) => a - b);
  expect(Math.abs(apart[10]!), `differences ${apart.map(Math.round)}`).toBeLessThan(MAX_APART_MS);
  listener.close();
});
