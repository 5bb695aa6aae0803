import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Bot,
  type FrameLoss,
  joinConferenceAsBot,
  joinMeetingAsBot,
  type OpenDatagramSocket,
  openUdpSocket,
  type ReceivedVideoFrame,
} from '@conclave/bot';
import type { Conference, Meeting } from '@conclave/client';
import {
  createMeetingSecret,
  ExternalProvider,
  formatMeetingFragment,
  parseMeetingLink,
} from '@conclave/e2ee';
import { SeededRandom } from '@conclave/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BundledPage, serveBundledPage } from './bundled-page.ts';
import { eventually as eventuallyWithin } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type FirefoxBrowser, startFirefox } from './firefox.ts';
import { MeetingPage } from './meeting-page-driver.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const EXAMPLES = new URL('../../packages/bot/dist/examples/', import.meta.url);

/** From this loudness in dB on a tone is heard; nothing is about -90. */
const AUDIBLE_DB = -50;

/** Only a failure takes as long. */
const PATIENCE_MS = 60_000;

let sft: SftProcess;

beforeAll(async () => {
  sft = await startSftProcess();
});

afterAll(async () => {
  await sft?.stop();
});

function eventually<Value>(
  what: string,
  read: () => Promise<Value>,
  accept: (value: Value) => boolean,
): Promise<Value> {
  return eventuallyWithin(what, read, accept, PATIENCE_MS);
}

function newLink(): string {
  const secret = createMeetingSecret((size) => randomBytes(size));
  return formatMeetingFragment({ secret, server: sft.url, passphrase: false });
}

/** What a bot has got, by the number that stands in each frame. */
class Collector {
  readonly audio = new Map<number, Uint8Array>();
  readonly video = new Map<number, ReceivedVideoFrame>();
  readonly losses: FrameLoss[] = [];
  keyFramesWanted = 0;
}

interface TestBot<Joined extends Conference = Conference> {
  readonly bot: Bot<Joined>;
  readonly got: Collector;
}

async function joinBot(link: string, name: string, openSocket = openUdpSocket): Promise<TestBot<Meeting>> {
  const got = new Collector();
  const bot = await joinMeetingAsBot({
    link: parseMeetingLink(link),
    profile: { name, handRaised: false },
    openSocket,
    listener: {
      audio: ({ data }) => got.audio.set(numberOf(data, 1), data),
      video: (frame) => got.video.set(numberOf(frame.data, 10), frame),
      lost: (loss) => got.losses.push(loss),
      keyFrameWanted: () => {
        got.keyFramesWanted++;
      },
    },
  });
  return { bot, got };
}

function numberOf(data: Uint8Array, at: number): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(at);
}

/**
 * A packet of Opus by its first byte (20 ms), and nothing that a decoder would take. A `Buffer` of shared memory, as
 * programs have them.
 */
function audioFrame(number: number): Uint8Array {
  const data = randomBytes(60);
  data[0] = 0x78;
  data.writeUInt32BE(number, 1);
  return data;
}

/** A frame of VP8 by its first ten bytes, of several packets. */
function videoFrame(number: number, isKeyFrame: boolean): Uint8Array {
  const data = new Uint8Array(randomBytes(isKeyFrame ? 9000 : 2500));
  data.set([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
  if (!isKeyFrame) data[0] = 0x11;
  new DataView(data.buffer).setUint32(10, number);
  return data;
}

/** Sends voice and picture until `enough` holds; a key frame whenever one is wanted. Returns what was sent. */
async function talk(
  { bot, got }: TestBot,
  enough: () => boolean,
  firstNumber = 0,
): Promise<{ readonly audio: Uint8Array[]; readonly video: Uint8Array[] }> {
  const sent = { audio: [] as Uint8Array[], video: [] as Uint8Array[] };
  let wantedBefore = -1;
  const deadline = performance.now() + PATIENCE_MS;
  while (!enough()) {
    if (performance.now() > deadline) throw new Error('not enough has arrived');
    const isKeyFrame = got.keyFramesWanted !== wantedBefore;
    wantedBefore = got.keyFramesWanted;
    sent.audio.push(audioFrame(firstNumber + sent.audio.length));
    sent.video.push(videoFrame(firstNumber + sent.video.length, isKeyFrame));
    bot.sendAudioFrame({ data: sent.audio.at(-1)! });
    bot.sendVideoFrame({ data: sent.video.at(-1)! });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return sent;
}

/** Waits until a bot sees somebody, and watches everybody. */
async function watchAll({ bot }: TestBot, count: number): Promise<void> {
  const { participants } = await eventually(
    `${count} others`,
    async () => bot.conference.state,
    (state) => state.participants.length === count,
  );
  bot.conference.watch(participants.map(({ id }) => ({ id, heightPx: 360 })));
}

describe('two bots in a meeting', () => {
  let ada: TestBot<Meeting>;
  let bob: TestBot<Meeting>;

  beforeAll(async () => {
    const link = newLink();
    [ada, bob] = [await joinBot(link, 'Ada'), await joinBot(link, 'Bob')];
    await watchAll(bob, 1);
  });

  test('know each other by name and by the same safety code', async () => {
    await eventually(
      'the name',
      async () => bob.bot.conference.state.participants[0]?.profile?.name,
      (name) => name === 'Ada',
    );
    expect(bob.bot.conference.safetyCode).toBe(ada.bot.conference.safetyCode);
  });

  test('get frames as they were sent, from whom they were sent', async () => {
    const sent = await talk(ada, () => bob.got.audio.size >= 50 && bob.got.video.size >= 50);
    const adaId = ada.bot.conference.state.selfId;
    for (const [number, data] of bob.got.audio) expect(data).toEqual(new Uint8Array(sent.audio[number]!));
    for (const [number, frame] of bob.got.video) {
      expect(frame.data).toEqual(sent.video[number]);
      expect(frame).toMatchObject({ from: adaId, decodable: true, slot: 0 });
    }
    const [first] = bob.got.video.values();
    expect(first).toMatchObject({ isKeyFrame: true, size: { widthPx: 640, heightPx: 360 } });
    expect(bob.got.losses).toEqual([]);
  });

  test('are heard, seen and found encrypted by the conference', async () => {
    const talking = { enough: false };
    const sent = talk(ada, () => talking.enough, 1_000_000);
    await eventually(
      'that Ada speaks',
      async () => bob.bot.conference.state,
      ({ participants, speakers }) =>
        participants[0]?.encryption === 'encrypted' &&
        participants[0].video === 'camera' &&
        speakers[0] === participants[0].id,
    );
    const statistics = await eventually(
      'figures of the picture',
      () => bob.bot.conference.statistics(),
      ({ participants }) => participants[0]?.video !== undefined,
    );
    expect(statistics.participants[0]?.video).toMatchObject({ width: 640, height: 360 });
    talking.enough = true;
    await sent;
  });

  test('go on over a new connection', async () => {
    ada.bot.conference.reconnect();
    const before = bob.got.video.size;
    await talk(ada, () => bob.got.video.size > before + 100, 2_000_000);
    expect(ada.bot.conference.state.status).toBe('joined');
  });

  test('send nothing of the voice while muted', async () => {
    ada.bot.conference.setMuted(true);
    expect(ada.bot.sendAudioFrame({ data: audioFrame(1) })).toBe(false);
    await eventually(
      'that Ada is muted',
      async () => bob.bot.conference.state.participants[0]?.muted,
      (muted) => muted === true,
    );
  });

  test('leave', async () => {
    await ada.bot.conference.leave();
    expect(ada.bot.sendVideoFrame({ data: videoFrame(1, true) })).toBe(false);
    await eventually(
      'that Ada left',
      async () => bob.bot.conference.state.participants.length,
      (count) => count === 0,
    );
    await bob.bot.conference.leave();
  });
});

/** Sockets that lose a share of the media packets, each way. */
function lossySocket(seed: number, share: number): OpenDatagramSocket {
  const random = new SeededRandom(seed);
  const isLost = (bytes: Uint8Array): boolean => bytes[0]! >= 128 && bytes[0]! < 192 && random.chance(share);
  return async (address, receive) => {
    const socket = await openUdpSocket(address, (bytes, ...from) => {
      if (!isLost(bytes)) receive(bytes, ...from);
    });
    return {
      ...socket,
      send(bytes, ...to) {
        if (!isLost(bytes)) socket.send(bytes, ...to);
      },
    };
  };
}

describe('bots whose application brings the keys', () => {
  test('hear who has the same key, through a change of it, and nobody hears who has another', async () => {
    const conferenceId = randomBytes(16).toString('hex');
    const join = async (key: Uint8Array) => {
      const selfId = randomBytes(16).toString('hex');
      const keys = new ExternalProvider({ userHash: selfId });
      keys.handleEpoch(performance.now(), 1, key);
      const got = new Collector();
      const bot = await joinConferenceAsBot({
        conferenceId,
        selfId,
        servers: [sft.url],
        keys,
        profile: { name: '', handRaised: false },
        listener: { audio: ({ data }) => got.audio.set(numberOf(data, 1), data) },
      });
      return { bot, got, keys };
    };
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const ada = await join(first);
    const bob = await join(first);
    const mallory = await join(randomBytes(32));
    await talk(ada, () => bob.got.audio.size >= 20);
    for (const { bot, keys } of [ada, bob]) {
      keys.handleEpoch(performance.now(), 2, second);
      bot.conference.refresh();
    }
    // Everybody announces the new key to everybody; Mallory, who cannot have it, only claims to.
    mallory.keys.handleEpoch(performance.now(), 2, randomBytes(32));
    mallory.bot.conference.refresh();
    await eventually(
      'that Ada seals with the new key',
      async () => ada.keys.currentEpoch,
      (epoch) => epoch === 2,
    );
    const before = bob.got.audio.size;
    await talk(ada, () => bob.got.audio.size >= before + 20, 1_000_000);
    await eventually(
      "that Mallory cannot open Ada's frames",
      async () => mallory.bot.conference.state.participants[0]?.encryption,
      (encryption) => encryption === 'failing',
    );
    expect(mallory.got.audio.size).toBe(0);
    await Promise.all([ada, bob, mallory].map(({ bot }) => bot.conference.leave()));
  });
});

describe('bots where a tenth of all media packets is lost on each way', () => {
  test('repair what they can, and what they hand up is whole', async () => {
    const link = newLink();
    const ada = await joinBot(link, 'Ada', lossySocket(1, 0.1));
    const bob = await joinBot(link, 'Bob', lossySocket(2, 0.1));
    await watchAll(bob, 1);
    const sent = await talk(ada, () => bob.got.video.size >= 200);
    for (const [number, data] of bob.got.audio) expect(data).toEqual(new Uint8Array(sent.audio[number]!));
    for (const [number, { data }] of bob.got.video) expect(data).toEqual(sent.video[number]);
    const numbers = [...bob.got.video.keys()];
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(ada.bot.totals?.repeatedPackets).toBeGreaterThan(20);
    expect(bob.bot.totals?.repairedPackets).toBeGreaterThan(20);
    // Sound is not asked for again: about two in ten are lost on the two ways, and all of these are reported.
    const sounds = [...bob.got.audio.keys()];
    const missing = sounds.at(-1)! - sounds[0]! + 1 - sounds.length;
    const reported = bob.got.losses
      .filter(({ kind }) => kind === 'audio')
      .reduce((sum, { packets }) => sum + packets, 0);
    expect(missing).toBeGreaterThan(0);
    expect(reported).toBe(missing);
    // Whatever is missing of the picture was reported as well.
    const gaps = numbers.filter((number, at) => at > 0 && number !== numbers[at - 1]! + 1).length;
    expect(bob.got.losses.filter(({ kind }) => kind === 'video').length).toBeGreaterThanOrEqual(gaps);
    await Promise.all([ada.bot.conference.leave(), bob.bot.conference.leave()]);
  });
});

describe.each([
  ['Chromium', startCallBrowser],
  ['Firefox', startFirefox],
])('the bots of the examples and a page in %s', (_name, startBrowser) => {
  let browser: CallBrowser | FirefoxBrowser;
  let served: BundledPage;
  let page: MeetingPage;
  let link: string;
  let folder: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    [browser, served] = await Promise.all([startBrowser(), serveBundledPage('meeting')]);
    folder = await mkdtemp(join(tmpdir(), 'conclave-bots-'));
    link = newLink();
    page = await MeetingPage.open(browser, served);
    expect(await page.join({ link, frequency: 600, colour: '#00c000', name: 'Eve' })).toBe('joined');
  });

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await browser?.close();
    await served?.close();
    await rm(folder, { recursive: true, force: true });
  });

  function start(name: string, ...args: readonly string[]): ChildProcess {
    const program = fileURLToPath(new URL(`${name}.js`, EXAMPLES));
    const child = spawn(process.execPath, [program, ...args, `https://meet.example.org/${link}`]);
    children.push(child);
    return child;
  }

  /** The one other participant, as soon as its name is known. */
  async function other(name: string): Promise<string> {
    const { participants } = await eventually(
      `${name} in the meeting`,
      () => page.state(),
      (state) => state.participants[0]?.profile?.name === name,
    );
    return participants[0]!.id;
  }

  /** Ends a program by its signal, and sees it leave in good order. */
  async function stop(child: ChildProcess): Promise<void> {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await eventually(
      'that the bot left',
      () => page.state(),
      (state) => state.participants.length === 0,
    );
    expect(await ended).toEqual([0, null]);
  }

  test('echo lets the page see and hear itself', async () => {
    const echo = start('echo-bot');
    const id = await other('Echo');
    await page.watchAll();
    await eventually(
      'the own picture',
      () => page.seen(id),
      (seen) => seen !== null && seen.colour[1] > 128 && seen.colour[0] < 64 && seen.colour[2] < 64,
    );
    await eventually(
      'the own voice',
      () => page.tones([600, 900]),
      ([own, silent]) => own! > AUDIBLE_DB && silent! < AUDIBLE_DB,
    );
    await stop(echo);
  });

  test('tone plays what another bot has recorded of the page', async () => {
    const recorded: Buffer[] = [];
    const recorder = await joinMeetingAsBot({
      link: parseMeetingLink(link),
      profile: { name: 'Recorder', handRaised: false },
      listener: {
        audio({ data }) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(data.length);
          recorded.push(length, Buffer.from(data));
        },
      },
    });
    await eventually(
      'a second of Opus',
      async () => recorded.length,
      (parts) => parts >= 100,
    );
    await recorder.conference.leave();
    await page.ask((meeting) => meeting.loudness(0), null);
    const file = join(folder, 'tone.opus-packets');
    await writeFile(file, Buffer.concat(recorded));
    const tone = start('tone-bot', file);
    await other('Tone');
    await eventually(
      'the recorded voice',
      () => page.tones([600, 900]),
      ([own, silent]) => own! > AUDIBLE_DB && silent! < AUDIBLE_DB,
    );
    await stop(tone);
    expect(page.complaints).toEqual([]);
  });
});
