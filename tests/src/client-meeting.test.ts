import { randomBytes } from 'node:crypto';
import type { Participant } from '@conclave/client';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type BundledPage, serveBundledPage } from './bundled-page.ts';
import { eventually } from './call-page.ts';
import { startCallBrowser } from './chromium.ts';
import { startFirefox } from './firefox.ts';
import { MeetingPage } from './meeting-page-driver.ts';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';

/** From this loudness in dB on a tone is heard; nothing is about -90. */
const AUDIBLE_DB = -50;

/** Who takes part: a voice and a picture that others can tell. */
const PEOPLE = [
  { name: 'Ada', frequency: 400, colour: '#e00000' },
  { name: 'Bob', frequency: 700, colour: '#00b000' },
  { name: 'Cleo', frequency: 1100, colour: '#0000e0' },
] as const;
const TONES = PEOPLE.map(({ frequency }) => frequency);

type Kind = 'chromium' | 'firefox';
/** The browsers of {@link PEOPLE}: all of one kind, and each kind as the sender and the receiver of each other. */
const MIXES: readonly (readonly [string, readonly [Kind, Kind, Kind]])[] = [
  ['Chromium', ['chromium', 'chromium', 'chromium']],
  ['Firefox and Chromium', ['firefox', 'chromium', 'firefox']],
];

let sft: SftProcess;
let browsers: Record<Kind, Awaited<ReturnType<typeof startCallBrowser | typeof startFirefox>>>;
let served: BundledPage;
const open: MeetingPage[] = [];

beforeAll(async () => {
  const [chromium, firefox] = await Promise.all([startCallBrowser(), startFirefox()]);
  browsers = { chromium, firefox };
  [sft, served] = await Promise.all([startSftProcess(), serveBundledPage('meeting')]);
});
afterEach(async () => {
  for (const page of open.splice(0)) {
    expect(page.complaints).toEqual([]);
    await page.page.close();
  }
});
afterAll(async () => {
  await Promise.all([browsers?.chromium.close(), browsers?.firefox.close()]);
  await sft?.stop();
  await served?.close();
});

function newLink(server = sft): string {
  const secret = createMeetingSecret((size) => randomBytes(size));
  return formatMeetingFragment({ secret, server: server.url, passphrase: false });
}

async function openPage(kind: Kind): Promise<MeetingPage> {
  const page = await MeetingPage.open(browsers[kind], served);
  open.push(page);
  return page;
}

/** Lets the first of {@link PEOPLE} join one meeting. */
async function meet(kinds: readonly Kind[]): Promise<{ pages: MeetingPage[]; link: string }> {
  const link = newLink();
  const pages = await Promise.all(kinds.map(openPage));
  for (const [i, page] of pages.entries()) {
    expect(await page.join({ link, ...PEOPLE[i]! })).toBe('joined');
  }
  return { pages, link };
}

/** The participant of that name, once the page knows the name. */
async function named(page: MeetingPage, name: string): Promise<Participant> {
  const find = async () => (await page.state()).participants.find(({ profile }) => profile?.name === name);
  return (await eventually(`${name} by name`, find, (found) => found !== undefined))!;
}

async function becomes(page: MeetingPage, name: string, what: Partial<Participant>): Promise<void> {
  await eventually(
    `that ${name} is ${JSON.stringify(what)}`,
    () => named(page, name),
    (participant) =>
      Object.entries(what).every(([key, value]) => participant[key as keyof Participant] === value),
  );
}

/** Waits until exactly these tones are heard. */
async function hears(page: MeetingPage, expected: readonly number[], among: readonly number[] = TONES) {
  await eventually(
    `the tones ${expected.join(', ')}`,
    () => page.tones(among),
    (levels) => levels.every((level, i) => level > AUDIBLE_DB === expected.includes(among[i]!)),
  );
}

/** Waits until the picture of that participant has that colour. */
async function sees(page: MeetingPage, name: string, colour: string): Promise<void> {
  const wanted = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16) > 128);
  const { id } = await named(page, name);
  await eventually(
    `the picture of ${name} in ${colour}`,
    () => page.seen(id),
    (seen) => seen?.colour.every((part, i) => part > 128 === wanted[i]) ?? false,
  );
}

describe.each(MIXES)('a meeting by the client library in %s', (_, kinds) => {
  test('three who join by a link hear and see each other, encrypted, until they leave', async () => {
    const { pages } = await meet(kinds);
    for (const [i, page] of pages.entries()) {
      const others = PEOPLE.filter((_, other) => other !== i);
      for (const { name } of others) await named(page, name);
      await page.watchAll();
      for (const { name, colour } of others) {
        await sees(page, name, colour);
        await becomes(page, name, { encryption: 'encrypted', video: 'camera', muted: false, speaking: true });
      }
      await hears(
        page,
        others.map(({ frequency }) => frequency),
      );
    }
    const [ada, bob, cleo] = pages as [MeetingPage, MeetingPage, MeetingPage];
    const codes = await Promise.all(pages.map((page) => page.ask((m) => m.conference.safetyCode, null)));
    expect(codes[0]).toMatch(/^(\d{5} ){5}\d{5}$/);
    expect(new Set(codes).size).toBe(1);
    await ada.leave();
    expect(await ada.state()).toMatchObject({ status: 'ended', endedBecause: 'left' });
    for (const page of [bob, cleo]) {
      await eventually(
        'that Ada is gone',
        () => page.state(),
        ({ participants }) => participants.length === 1,
      );
    }
    await hears(bob, [1100]);
  });

  test('muting silences at once and is seen by the others', async () => {
    const { pages } = await meet(kinds.slice(0, 2));
    const [ada, bob] = pages as [MeetingPage, MeetingPage];
    await hears(ada, [700]);
    await bob.ask((m) => m.conference.setMuted(true), null);
    await hears(ada, []);
    await becomes(ada, 'Bob', { muted: true });
    expect(await bob.state()).toMatchObject({ muted: true });
    await bob.ask((m) => m.conference.setMuted(false), null);
    await hears(ada, [700]);
    await becomes(ada, 'Bob', { muted: false });
    await bob.ask((m) => m.conference.setProfile({ name: 'Bob', handRaised: true }), null);
    await eventually(
      'the raised hand',
      () => named(ada, 'Bob'),
      ({ profile }) => profile?.handRaised === true,
    );
  });

  test('a camera goes off and on, in the quality that the tile needs', async () => {
    const { pages } = await meet(kinds.slice(0, 2));
    const [ada, bob] = pages as [MeetingPage, MeetingPage];
    const { id } = await named(ada, 'Bob');
    await ada.watchAll(720);
    await eventually(
      'the high layer',
      () => ada.seen(id),
      (seen) => seen?.width === 640,
    );
    await ada.watchAll(180);
    await eventually(
      'the low layer',
      () => ada.seen(id),
      (seen) => seen?.width === 320,
    );
    await bob.ask((m) => m.camera(null), null);
    await becomes(ada, 'Bob', { video: 'off' });
    expect(await ada.seen(id)).toBeNull();
    await bob.ask((m) => m.camera('#0000e0'), null);
    await becomes(ada, 'Bob', { video: 'camera' });
    await sees(ada, 'Bob', '#0000e0');
  });

  test('a screen takes the place of the camera, with its sound, and gives it back', async () => {
    const { pages } = await meet(kinds.slice(0, 2));
    const [ada, bob] = pages as [MeetingPage, MeetingPage];
    const { id } = await named(ada, 'Bob');
    await ada.watchAll();
    await sees(ada, 'Bob', '#00b000');
    await bob.ask((m) => m.screen('#0000e0', 1500), null);
    await becomes(ada, 'Bob', { video: 'screen' });
    await sees(ada, 'Bob', '#0000e0');
    await eventually(
      'the whole screen',
      () => ada.seen(id),
      (seen) => seen?.width === 1280 && seen.height === 720,
    );
    await hears(ada, [700, 1500], [700, 1500]);
    await bob.ask((m) => m.conference.setMuted(true), null);
    await hears(ada, [1500], [700, 1500]);
    // As when the browser's own button ends it.
    await bob.ask((m) => m.sharedScreen.getVideoTracks()[0]!.dispatchEvent(new Event('ended')), null);
    await becomes(ada, 'Bob', { video: 'camera' });
    await sees(ada, 'Bob', '#00b000');
    await hears(ada, [], [700, 1500]);
    await bob.ask((m) => m.conference.setMuted(false), null);
    await hears(ada, [700], [700, 1500]);
  });

  test('a reconnection is hardly noticed by the others', async () => {
    const { pages } = await meet(kinds.slice(0, 2));
    const [ada, bob] = pages as [MeetingPage, MeetingPage];
    await Promise.all([named(ada, 'Bob'), named(bob, 'Ada')]);
    for (const page of pages) await page.watchAll();
    await sees(ada, 'Bob', '#00b000');
    await sees(bob, 'Ada', '#e00000');
    const before = await named(ada, 'Bob');
    await bob.ask((m) => m.conference.reconnect(), null);
    await eventually(
      'a new connection',
      () => bob.ask((m) => m.states.map(({ status }) => status), null),
      (states) => states.includes('reconnecting') && states.at(-1) === 'joined',
    );
    await hears(ada, [700]);
    await hears(bob, [400]);
    await sees(ada, 'Bob', '#00b000');
    await sees(bob, 'Ada', '#e00000');
    expect(await named(ada, 'Bob')).toMatchObject({ id: before.id, order: before.order });
    const seenBy = await ada.ask((m) => m.states.map(({ participants }) => participants), null);
    expect(seenBy.slice(seenBy.indexOf(1))).not.toContain(0);
  });

  test('a page that is loaded anew comes back as somebody new, and its former self is gone', async () => {
    const { pages, link } = await meet(kinds.slice(0, 2));
    const [ada, bob] = pages as [MeetingPage, MeetingPage];
    const former = await named(ada, 'Bob');
    await bob.load(served);
    expect(await bob.join({ link, ...PEOPLE[1] })).toBe('joined');
    await eventually(
      'the new Bob alone',
      () => ada.state(),
      ({ participants }) => participants.length === 1 && participants[0]!.id !== former.id,
    );
    await hears(ada, [700]);
    await hears(bob, [400]);
  });

  test('whoever has another secret gets nothing', async () => {
    const { pages } = await meet(kinds.slice(0, 2));
    const stranger = await openPage(kinds[2]);
    expect(await stranger.join({ link: newLink(), name: 'Eve', frequency: 1100 })).toBe('joined');
    await hears(pages[0]!, [700]);
    expect((await stranger.state()).participants).toEqual([]);
    expect((await pages[0]!.state()).participants).toHaveLength(1);
    expect(await stranger.tones(TONES)).toEqual(TONES.map(() => expect.toSatisfy((db) => db < AUDIBLE_DB)));
  });
});

describe('a server that is started anew', () => {
  test('gets all its people back by themselves', async () => {
    const ports = { signalling: await freePort(), metrics: await freePort(), media: await freePort() };
    let server = await startSftProcess({ ports });
    try {
      const link = newLink(server);
      const pages = await Promise.all([openPage('chromium'), openPage('chromium')]);
      for (const [i, page] of pages.entries()) {
        expect(await page.join({ link, ...PEOPLE[i]! })).toBe('joined');
        await page.watchAll();
      }
      const [ada, bob] = pages as [MeetingPage, MeetingPage];
      await hears(ada, [700]);
      expect(await ada.statistics()).toMatchObject({ path: 'udp' });
      const before = await named(ada, 'Bob');
      await server.stop();
      await eventually(
        'that the loss was noticed',
        () => ada.state(),
        ({ status }) => status === 'reconnecting',
        30_000,
      );
      server = await startSftProcess({ ports });
      for (const page of pages) {
        await eventually(
          'the way back',
          () => page.state(),
          ({ status, participants }) => status === 'joined' && participants.length === 1,
          30_000,
        );
      }
      expect((await named(ada, 'Bob')).id).toBe(before.id);
      await ada.watchAll();
      await sees(ada, 'Bob', '#00b000');
      await hears(ada, [700]);
      await hears(bob, [400]);
      // While the server is away, the browser reports each request that it does not answer.
      for (const page of open.splice(0)) await page.page.close();
    } finally {
      await server.stop();
    }
  });
});
