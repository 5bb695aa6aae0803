import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { PageVisitor } from './page-visitor.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** From this loudness in dB on a tone is heard; nothing is about -90. */
const AUDIBLE_DB = -50;

const PEOPLE = {
  Ada: { frequency: 400, colour: '#e00000' },
  Bob: { frequency: 700, colour: '#00b000' },
  Cleo: { frequency: 1100, colour: '#0000e0', screenColour: '#00c0c0' },
} as const;
type Name = keyof typeof PEOPLE;

let sft: SftProcess;
let browser: CallBrowser;
const open: PageVisitor[] = [];

beforeAll(async () => {
  const folder = fileURLToPath(new URL('../../apps/web/build/', import.meta.url));
  [sft, browser] = await Promise.all([startSftProcess({ flags: ['--web', folder] }), startCallBrowser()]);
});
afterEach(async () => {
  for (const visitor of open.splice(0)) {
    expect(visitor.complaints).toEqual([]);
    await visitor.close();
  }
});
afterAll(async () => {
  await browser?.close();
  await sft?.stop();
});

async function visit(name: Name): Promise<PageVisitor> {
  const visitor = await PageVisitor.open(browser, PEOPLE[name]);
  open.push(visitor);
  return visitor;
}

/** Makes a meeting of these people, the first of whom makes it. */
async function meet(names: readonly Name[]): Promise<{ visitors: PageVisitor[]; link: string }> {
  const [first, ...rest] = names;
  const maker = await visit(first!);
  const link = await maker.makeMeeting(`${sft.url}/`, first!);
  const visitors = [maker];
  for (const name of rest) {
    const visitor = await visit(name);
    await visitor.joinBy(link, name);
    visitors.push(visitor);
  }
  return { visitors, link };
}

async function sees(visitor: PageVisitor, name: Name, colour: string = PEOPLE[name].colour): Promise<void> {
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) > 128);
  await eventually(
    `the picture of ${name} in ${colour}`,
    () => visitor.seen(name),
    (seen) => seen?.every((part, index) => part > 128 === wanted[index]) ?? false,
  );
}

/** Waits until exactly these people are heard. */
async function hears(visitor: PageVisitor, names: readonly Name[]): Promise<void> {
  const all = Object.keys(PEOPLE) as Name[];
  await eventually(
    `the voices of ${names.join(' and ') || 'nobody'}`,
    () => visitor.heard(all.map((name) => PEOPLE[name].frequency)),
    (levels) => all.every((name, index) => levels[index]! > AUDIBLE_DB === names.includes(name)),
  );
}

describe('the meeting page', () => {
  test('lets three people meet by a link, hear and see each other, mute, raise hands, share a screen and leave', async () => {
    const { visitors } = await meet(['Ada', 'Bob', 'Cleo']);
    const [ada, bob, cleo] = visitors as [PageVisitor, PageVisitor, PageVisitor];
    for (const [visitor, others] of [
      [ada, ['Bob', 'Cleo']],
      [bob, ['Ada', 'Cleo']],
      [cleo, ['Ada', 'Bob']],
    ] as const) {
      for (const name of others) await sees(visitor, name);
      await hears(visitor, others);
      for (const name of others)
        await visitor.tile(name).getByText('Encrypted with this meeting’s key').waitFor();
    }

    await bob.page.keyboard.press('m');
    await ada.tile('Bob').getByText('Microphone off').waitFor();
    await hears(ada, ['Cleo']);
    await bob.page.getByRole('button', { name: 'Unmute' }).click();
    await hears(ada, ['Bob', 'Cleo']);

    await bob.page.getByRole('button', { name: 'Camera' }).click();
    await ada.tile('Bob').getByText('Camera off').waitFor();
    await bob.page.getByRole('button', { name: 'Camera' }).click();
    await sees(ada, 'Bob');

    await bob.page.getByRole('button', { name: 'Hand' }).click();
    await ada.tile('Bob').getByText('Hand raised').waitFor();
    await ada.page.getByRole('status').getByText('Bob raised a hand').waitFor();

    await cleo.page.getByRole('button', { name: 'Share', exact: true }).click();
    await ada.page.locator('.tile-stage').getByText('Cleo’s screen').waitFor();
    await sees(ada, 'Cleo', PEOPLE.Cleo.screenColour);
    await cleo.page.getByRole('button', { name: 'Stop sharing' }).click();
    await sees(ada, 'Cleo');

    await cleo.page.getByRole('button', { name: 'Leave' }).click();
    await cleo.page.getByRole('heading', { name: 'You left the meeting' }).waitFor();
    await ada.tile('Cleo').waitFor({ state: 'detached' });
    await ada.page.getByRole('status').getByText('Cleo left').waitFor();
    await hears(ada, ['Bob']);
  });

  test('shows the same safety code to all', async () => {
    const { visitors } = await meet(['Ada', 'Bob']);
    const codes = await Promise.all(
      visitors.map(async ({ page }) => {
        await page.getByRole('button', { name: 'End-to-end encrypted' }).click();
        return page.locator('.code').textContent();
      }),
    );
    expect(codes[0]).toMatch(/^(\d{5} ){6}$/);
    expect(codes[1]).toBe(codes[0]);
  });

  test('is back in the call after a reload, under the same name and as muted as before', async () => {
    const { visitors } = await meet(['Ada', 'Bob']);
    const [ada, bob] = visitors as [PageVisitor, PageVisitor];
    await sees(ada, 'Bob');
    await bob.page.keyboard.press('m');
    await ada.tile('Bob').getByText('Microphone off').waitFor();
    await bob.page.reload();
    await bob.inCall();
    await sees(bob, 'Ada');
    await sees(ada, 'Bob');
    await ada.tile('Bob').getByText('Microphone off').waitFor();
    expect(await ada.page.locator('.tile:not(.own)').count()).toBe(1);
    await bob.page.getByRole('button', { name: 'Unmute' }).click();
    await hears(ada, ['Bob']);
  });

  test('lets nobody in with another secret: that is another, empty meeting', async () => {
    const { visitors, link } = await meet(['Ada', 'Bob']);
    await sees(visitors[0]!, 'Bob');
    const stranger = await visit('Cleo');
    const at = link.indexOf('&s=') + 3;
    const wrong = `${link.slice(0, at)}${link[at] === 'A' ? 'B' : 'A'}${link.slice(at + 1)}`;
    await stranger.joinBy(wrong, 'Cleo');
    await stranger.page.getByRole('heading', { name: 'You are the first one here' }).waitFor();
    await hears(stranger, []);
    expect(await stranger.page.locator('.tile:not(.own)').count()).toBe(0);
    expect(await visitors[0]!.page.locator('.tile:not(.own)').count()).toBe(1);
  });

  test('asks for the passphrase of a meeting that has one, and says what another one leads to', async () => {
    const ada = await visit('Ada');
    await ada.page.goto(`${sft.url}/`);
    await ada.page.getByLabel('Protect with a passphrase').check();
    await ada.page.getByLabel('Passphrase', { exact: true }).fill('owls at noon');
    await ada.page.getByRole('button', { name: 'New meeting' }).click();
    await ada.enter('Ada');
    const link = ada.page.url();
    const bob = await visit('Bob');
    await bob.page.goto(link);
    await bob.page.getByLabel('Passphrase of this meeting').fill('owls at noon');
    await bob.enter('Bob');
    await sees(ada, 'Bob');
    const cleo = await visit('Cleo');
    await cleo.page.goto(link);
    await cleo.page.getByLabel('Passphrase of this meeting').fill('owls at night');
    await cleo.enter('Cleo');
    await cleo.page.getByText('check the passphrase').waitFor();
  });

  test('returns from leaving, and makes a new meeting in place of the old one', async () => {
    const { visitors, link } = await meet(['Ada', 'Bob']);
    const [ada, bob] = visitors as [PageVisitor, PageVisitor];
    await sees(ada, 'Bob');
    await bob.page.getByRole('button', { name: 'Leave' }).click();
    await bob.page.getByRole('button', { name: 'Join again' }).click();
    await bob.enter('Bob');
    await sees(ada, 'Bob');
    await ada.page.getByRole('button', { name: 'Invite', exact: true }).click();
    await ada.page.getByRole('button', { name: 'New link' }).click();
    await ada.page.getByRole('button', { name: 'Leave and make a new link' }).click();
    await ada.page.getByRole('heading', { name: 'Your meeting is ready' }).waitFor();
    expect(ada.page.url()).not.toBe(link);
    await bob.page.getByRole('heading', { name: 'You are the first one here' }).waitFor();
  });

  test('finds out that calls work here, step by step', async () => {
    const ada = await visit('Ada');
    await ada.page.goto(`${sft.url}/`);
    await ada.page.getByRole('button', { name: 'Why does my call not connect?' }).click();
    await ada.page.getByRole('button', { name: 'Start the test' }).click();
    await ada.page.getByRole('button', { name: 'Test again' }).waitFor();
    expect(await ada.page.locator('.verdict').textContent()).toBe('Calls will work here.');
    expect(await ada.page.locator('.step-passed').count()).toBe(await ada.page.locator('.step').count());
    expect(await ada.page.getByLabel('For the administrator of your network').inputValue()).toContain(
      sft.url,
    );
  });

  test('offers a button when the browser holds back the sound', async () => {
    const ada = await visit('Ada');
    await ada.page.addInitScript(`
      const play = HTMLAudioElement.prototype.play;
      HTMLAudioElement.prototype.play = function () {
        if (navigator.userActivation.isActive && globalThis.soundAllowed) return play.call(this);
        return Promise.reject(new DOMException('no click yet', 'NotAllowedError'));
      };`);
    const link = await ada.makeMeeting(`${sft.url}/`, 'Ada');
    const bob = await visit('Bob');
    await bob.joinBy(link, 'Bob');
    const button = ada.page.getByRole('button', { name: 'Turn on sound' });
    await button.waitFor();
    await ada.page.evaluate('globalThis.soundAllowed = true');
    await button.click();
    await eventually(
      'that all voices play',
      () =>
        ada.page.evaluate<boolean>(`[...document.querySelectorAll('audio')].every(({ paused }) => !paused)`),
      Boolean,
    );
    expect(await button.count()).toBe(0);
  });

  test('says what is wrong when the server is gone', async () => {
    const own = await startSftProcess({
      flags: ['--web', fileURLToPath(new URL('../../apps/web/build/', import.meta.url))],
    });
    const ada = await visit('Ada');
    await ada.page.goto(`${own.url}/`);
    await ada.page.getByRole('button', { name: 'New meeting' }).click();
    await own.stop();
    await ada.page.getByLabel('Your name').fill('Ada');
    await ada.page.getByRole('button', { name: 'Join now' }).click();
    await ada.page.getByRole('heading', { name: 'The server does not answer' }).waitFor();
    // The browser tells of requests without an answer by itself.
    expect(ada.complaints.splice(0).every((text) => text.includes('ERR_CONNECTION_REFUSED'))).toBe(true);
  });
});
