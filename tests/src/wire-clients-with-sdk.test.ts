import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type BundledPage, serveBundledPage } from './bundled-page.ts';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { Conversation } from './conversation.ts';
import { SdkMember, type StartedConference } from './sdk-member.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';
import { WireClient } from './wire-client.ts';

/** Louder than this in dB counts as heard; silence reads below -80. */
const HEARD = -60;
const SILENT = -75;

type Member = WireClient | SdkMember;

let sft: SftProcess;
let browser: CallBrowser;
let served: BundledPage;
let wire: [WireClient, WireClient];
let sdk: SdkMember;
let conversation: Conversation;

beforeAll(async () => {
  [sft, browser, served] = await Promise.all([
    startSftProcess(),
    startCallBrowser(),
    serveBundledPage('meeting'),
  ]);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await sft?.stop();
  await served?.close();
});

beforeEach(async () => {
  wire = [new WireClient(400), new WireClient(630)];
  sdk = new SdkMember(860, () => conversation);
  conversation = new Conversation([...wire, sdk]);
  for (const client of wire) await client.open(browser, conversation, sft.url);
  await sdk.open(browser, served);
});

afterEach(async () => {
  expect(sdk.page.complaints).toEqual([]);
  for (const client of wire) await client.close();
  await sdk.page.page.close();
});

async function hasMedia(client: WireClient): Promise<void> {
  await eventually(
    'media',
    () => client.ask<string>('client.state'),
    (state) => state === 'MEDIA_ESTAB',
  );
}

async function answers(client: WireClient): Promise<void> {
  await eventually('the call is told of', () => client.ask<boolean>('client.incoming'), Boolean);
  await client.ask('client.answer()');
  await hasMedia(client);
}

/** Waits until these, and nobody else, hear each other, and each sees new pictures of each other. */
async function hearAndSee(present: readonly Member[]): Promise<void> {
  const all = [...wire, sdk];
  const frequencies = all.map(({ frequency }) => frequency);
  for (const listener of present) {
    const expected = all.map((member) => member !== listener && present.includes(member));
    const { tones } = listener instanceof WireClient ? listener : listener.page;
    const heard = () => tones.call(listener instanceof WireClient ? listener : listener.page, frequencies);
    await eventually(`the voices at ${nameOf(listener)}`, heard, (levels) =>
      levels.every((level, i) => all[i] === listener || (expected[i] ? level > HEARD : level < SILENT)),
    );
    const others = present.filter((member) => member !== listener);
    const before = await picturesAt(listener, others);
    await eventually(
      `the pictures at ${nameOf(listener)}`,
      () => picturesAt(listener, others),
      (frames) => frames.every((n, i) => n > before[i]! + 10),
    );
  }
}

function nameOf(member: Member): string {
  return member instanceof WireClient ? `Wire client ${wire.indexOf(member)}` : 'the SDK';
}

/** Frames that a participant has shown of each of these. */
async function picturesAt(viewer: Member, others: readonly Member[]): Promise<number[]> {
  if (viewer instanceof WireClient) {
    const frames = await viewer.framesShown();
    return others.map(({ userId, clientId }) => frames[`${userId}.${clientId}`] ?? 0);
  }
  await viewer.page.watchAll(180);
  const frames = await viewer.page.ask((meeting) => meeting.framesShown(), null);
  return others.map((other) => frames[viewer.hashOf(other)] ?? 0);
}

async function untilKeyIs(what: string, accept: (index: number) => boolean): Promise<void> {
  await eventually(
    what,
    () => sdk.keyState(),
    ({ index }) => index !== undefined && accept(index),
    45_000,
  );
}

/** Frames that the Wire clients could not decrypt, which counts no frames of keys they do not have yet. */
async function failures(): Promise<number[]> {
  return Promise.all(wire.map(async (client) => (await client.crypto()).failed));
}

test('who joins two Wire clients hears and sees them, and is heard and seen', async () => {
  const [first, second] = wire;
  await first.ask('client.start()');
  await hasMedia(first);
  await answers(second);
  expect(await sdk.answer(conversation.newest('CONFSTART') as unknown as StartedConference)).toBe('joined');
  await hearAndSee([first, second, sdk]);
  expect(await sdk.keyState()).toMatchObject({ makesKeys: false });
  await untilKeyIs('the key is rotated', (index) => index > 0);
  await hearAndSee([first, second, sdk]);

  // The maker of the keys leaves: the next in the list makes new ones.
  await first.ask('client.end()');
  await untilKeyIs('a fresh key', (index) => index >= 0x10000);
  await hearAndSee([second, sdk]);
  await first.ask('client.answer()');
  await hasMedia(first);
  await hearAndSee([first, second, sdk]);
  expect(await failures()).toEqual([0, 0]);
});

test('who begins the conference makes the keys of two Wire clients', async () => {
  const [first, second] = wire;
  expect(await sdk.start(sft.url)).toBe('joined');
  await answers(first);
  await answers(second);
  await hearAndSee([first, second, sdk]);
  expect(await sdk.keyState()).toMatchObject({ makesKeys: true });
  await untilKeyIs('the key is rotated', (index) => index > 0);
  await hearAndSee([first, second, sdk]);

  await second.ask('client.end()');
  await untilKeyIs('a fresh key', (index) => index >= 0x10000);
  await hearAndSee([first, sdk]);

  // Its connection made anew it is the last in the list: a Wire client makes the keys from then on.
  await sdk.page.ask((meeting) => meeting.conference.reconnect(), null);
  await eventually(
    'another makes the keys',
    () => sdk.keyState(),
    ({ makesKeys }) => !makesKeys,
  );
  await hearAndSee([first, sdk]);
  await second.ask('client.answer()');
  await hasMedia(second);
  await hearAndSee([first, second, sdk]);
  expect(await failures()).toEqual([0, 0]);
});

test('who only listens stays with Wire clients that use a fresh key half a minute after it was given out', async () => {
  const [first, second] = wire;
  await first.ask('client.start()');
  await hasMedia(first);
  await answers(second);
  expect(await sdk.answer(conversation.newest('CONFSTART') as unknown as StartedConference, false)).toBe(
    'joined',
  );
  await untilKeyIs('a fresh key', (index) => index >= 0x10000);
  const refused = async () =>
    (await sdk.page.statistics()).participants.reduce((sum, { framesRefused }) => sum + framesRefused, 0);
  const before = await refused();
  // A list of keys of one generation comes about every half minute: the next rotation is past the one in question.
  await untilKeyIs('the rotation after it', (index) => index > 0x10000);
  expect(await refused()).toBe(before);
  const { participants } = await sdk.page.statistics();
  expect(participants.map(({ framesOpened }) => framesOpened > 500)).toEqual([true, true]);
}, 180_000);

test('Wire clients see a mute, and take no harm from the encrypted names that they cannot read', async () => {
  const [first, second] = wire;
  await first.ask('client.start()');
  await hasMedia(first);
  await answers(second);
  expect(await sdk.answer(conversation.newest('CONFSTART') as unknown as StartedConference)).toBe('joined');
  for (const client of wire) {
    await eventually(
      'three',
      () => client.members(),
      (members) => members.length === 3,
    );
  }
  const muted = async () => (await first.members()).find((m) => m.userid === sdk.userId)?.muted;
  await sdk.page.ask((meeting) => meeting.conference.setMuted(true), null);
  await eventually('muted', muted, (value) => value === 1);
  await sdk.page.ask((m) => m.conference.setProfile({ name: 'x'.repeat(60), handRaised: true }), null);
  await sdk.page.ask((meeting) => meeting.conference.setMuted(false), null);
  await eventually('not muted', muted, (value) => value === 0);
  await first.ask('client.mute(true)');
  await eventually(
    'the mute of a Wire client',
    () => sdk.page.state(),
    ({ participants }) => participants.find(({ id }) => id === sdk.hashOf(first))?.muted === true,
  );
  await first.ask('client.mute(false)');
  await hearAndSee([first, second, sdk]);
});
