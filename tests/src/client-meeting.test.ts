import { randomBytes } from 'node:crypto';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BundledPage, serveBundledPage } from './bundled-page.ts';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { MeetingPage } from './meeting-page-driver.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** From this loudness in dB on a tone is heard; nothing is about -90. */
const AUDIBLE_DB = -50;

let sft: SftProcess;
let browser: CallBrowser;
let served: BundledPage;

beforeAll(async () => {
  [sft, browser, served] = await Promise.all([
    startSftProcess(),
    startCallBrowser(),
    serveBundledPage('meeting'),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await sft?.stop();
  await served?.close();
});

function newLink(): string {
  const secret = createMeetingSecret((size) => randomBytes(size));
  return formatMeetingFragment({ secret, server: sft.url, passphrase: false });
}

describe('a meeting by the client library', () => {
  test('two who join by a link hear and see each other', async () => {
    const link = newLink();
    const ada = await MeetingPage.open(browser, served);
    const bob = await MeetingPage.open(browser, served);
    expect(await ada.join({ link, frequency: 400, colour: '#c00000', name: 'Ada' })).toBe('joined');
    expect(await bob.join({ link, frequency: 700, colour: '#0000c0', name: 'Bob' })).toBe('joined');
    for (const [page, name, tone] of [
      [ada, 'Bob', 1],
      [bob, 'Ada', 0],
    ] as const) {
      const { participants } = await eventually(
        `${name} by name`,
        () => page.state(),
        (state) => state.participants[0]?.profile?.name === name,
      );
      await page.watchAll();
      await eventually(
        'a picture',
        () => page.seen(participants[0]!.id),
        (seen) =>
          seen !== null && seen.colour[tone === 0 ? 0 : 2] > 128 && seen.colour[tone === 0 ? 2 : 0] < 64,
      );
      await eventually(
        'the voice',
        () => page.tones([400, 700]),
        (tones) => tones[tone]! > AUDIBLE_DB && tones[1 - tone]! < AUDIBLE_DB,
      );
      expect(page.complaints).toEqual([]);
    }
    await ada.leave();
    expect(await ada.state()).toMatchObject({ status: 'ended', endedBecause: 'left' });
    await eventually(
      'that Ada left',
      () => bob.state(),
      ({ participants }) => participants.length === 0,
    );
  });
});
