import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type FirefoxBrowser, startFirefox } from './firefox.ts';
import { FirefoxVisitor } from './firefox-visitor.ts';
import { PageVisitor } from './page-visitor.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** From this loudness in dB on a tone is heard; nothing is about -90. */
const AUDIBLE_DB = -50;

const PEOPLE = {
  Ada: { frequency: 400, colour: '#e00000', screenColour: '#e0e000' },
  Bob: { frequency: 700, colour: '#00b000', screenColour: '#00c0c0' },
  Cleo: { frequency: 1100, colour: '#0000e0' },
} as const;
type Name = keyof typeof PEOPLE;
type Visitor = PageVisitor | FirefoxVisitor;

let sft: SftProcess;
let chromium: CallBrowser;
let firefox: FirefoxBrowser;
const open: Visitor[] = [];

beforeAll(async () => {
  const folder = fileURLToPath(new URL('../../apps/web/build/', import.meta.url));
  [sft, chromium, firefox] = await Promise.all([
    startSftProcess({ flags: ['--web', folder] }),
    startCallBrowser(),
    startFirefox(),
  ]);
});
afterEach(async () => {
  for (const visitor of open.splice(0)) {
    expect(visitor.complaints).toEqual([]);
    await visitor.close();
  }
});
afterAll(async () => {
  await Promise.all([chromium?.close(), firefox?.close(), sft?.stop()]);
});

async function visitInFirefox(name: Name): Promise<FirefoxVisitor> {
  const visitor = await FirefoxVisitor.open(firefox, PEOPLE[name]);
  open.push(visitor);
  return visitor;
}

async function visitInChromium(name: Name): Promise<PageVisitor> {
  const visitor = await PageVisitor.open(chromium, PEOPLE[name]);
  open.push(visitor);
  return visitor;
}

/** Ada makes a meeting in Firefox, and Bob joins it in Chromium. */
async function meet(): Promise<{ ada: FirefoxVisitor; bob: PageVisitor; link: string }> {
  const ada = await visitInFirefox('Ada');
  const link = await ada.makeMeeting(`${sft.url}/`, 'Ada');
  const bob = await visitInChromium('Bob');
  await bob.joinBy(link, 'Bob');
  return { ada, bob, link };
}

async function sees(visitor: Visitor, name: Name, colour: string = PEOPLE[name].colour): Promise<void> {
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) > 128);
  await eventually(
    `the picture of ${name} in ${colour}`,
    () => visitor.seen(name),
    (seen) => seen?.every((part, index) => part > 128 === wanted[index]) ?? false,
  );
}

/** Waits until exactly these people are heard. */
async function hears(visitor: Visitor, names: readonly Name[]): Promise<void> {
  const all = Object.keys(PEOPLE) as Name[];
  await eventually(
    `the voices of ${names.join(' and ') || 'nobody'}`,
    () => visitor.heard(all.map((name) => PEOPLE[name].frequency)),
    (levels) => all.every((name, index) => levels[index]! > AUDIBLE_DB === names.includes(name)),
  );
}

test('three people meet in Firefox and Chromium, hear and see each other, mute, share and leave', async () => {
  const { ada, bob, link } = await meet();
  const cleo = await visitInFirefox('Cleo');
  await cleo.joinBy(link, 'Cleo');
  for (const [visitor, others] of [
    [ada, ['Bob', 'Cleo']],
    [bob, ['Ada', 'Cleo']],
    [cleo, ['Ada', 'Bob']],
  ] as const) {
    for (const name of others) await sees(visitor, name);
    await hears(visitor, others);
  }
  for (const name of ['Bob', 'Cleo'])
    await ada.untilTile(name, (text) => text.includes('Encrypted with this meeting’s key'));

  await ada.press('Mute');
  await hears(bob, ['Cleo']);
  await cleo.untilTile('Ada', (text) => text.includes('Microphone off'));
  await ada.press('Unmute');
  await hears(bob, ['Ada', 'Cleo']);

  await ada.press('Camera');
  await cleo.untilTile('Ada', (text) => text.includes('Camera off'));
  await ada.press('Camera');
  await sees(bob, 'Ada');
  await sees(cleo, 'Ada');

  await ada.press('Share');
  await sees(bob, 'Ada', PEOPLE.Ada.screenColour);
  await sees(cleo, 'Ada', PEOPLE.Ada.screenColour);
  await ada.press('Stop sharing');
  await sees(bob, 'Ada');
  await bob.page.getByRole('button', { name: 'Share', exact: true }).click();
  await sees(ada, 'Bob', PEOPLE.Bob.screenColour);
  await bob.page.getByRole('button', { name: 'Stop sharing' }).click();
  await sees(ada, 'Bob');

  await cleo.press('Leave');
  await cleo.untilSaid('You left the meeting');
  await eventually(
    'one tile left',
    () => ada.tiles(),
    (tiles) => tiles.length === 1,
  );
  await hears(ada, ['Bob']);
  await hears(bob, ['Ada']);
});

test('a reload returns to the call, under the same name and as muted as before', async () => {
  const { ada, bob } = await meet();
  await sees(bob, 'Ada');
  await ada.press('Mute');
  await bob.tile('Ada').getByText('Microphone off').waitFor();
  await ada.page.reload();
  await ada.inCall();
  await sees(ada, 'Bob');
  await sees(bob, 'Ada');
  await bob.tile('Ada').getByText('Microphone off').waitFor();
  expect(await bob.page.locator('.tile:not(.own)').count()).toBe(1);
  await ada.press('Unmute');
  await hears(bob, ['Ada']);
});

test('with another secret one is alone in another meeting', async () => {
  const { ada, bob, link } = await meet();
  await sees(ada, 'Bob');
  const stranger = await visitInFirefox('Cleo');
  const at = link.indexOf('&s=') + 3;
  await stranger.joinBy(`${link.slice(0, at)}${link[at] === 'A' ? 'B' : 'A'}${link.slice(at + 1)}`, 'Cleo');
  await stranger.untilSaid('You are the first one here');
  expect(await stranger.heard(Object.values(PEOPLE).map(({ frequency }) => frequency))).toEqual(
    [0, 0, 0].map(() => expect.toSatisfy((db: number) => db < AUDIBLE_DB)),
  );
  expect(await stranger.tiles()).toEqual([]);
  expect(await ada.tiles()).toHaveLength(1);
  await hears(bob, ['Ada']);
});
