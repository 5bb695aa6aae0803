import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type FirefoxBrowser, startFirefox } from './firefox.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const TONES = [440, 770, 1210];
/** Louder than this in dB counts as heard; silence reads below -80. */
const HEARD = -60;
const SILENT = -75;
/** Which browser each client is. Two of each other kind meet every kind of sender and receiver. */
const KINDS = ['firefox', 'chromium', 'firefox'] as const;

let sft: SftProcess;
let chromium: CallBrowser;
let firefox: FirefoxBrowser;
const calls: CallPage[] = [];

beforeAll(async () => {
  [sft, chromium, firefox] = await Promise.all([startSftProcess(), startCallBrowser(), startFirefox()]);
});

afterAll(async () => {
  await Promise.all([chromium?.close(), firefox?.close(), sft?.stop()]);
});

/** Waits until each client hears these clients and nobody else. */
async function untilHeard(speakers: readonly number[], listeners: readonly number[] = [0, 1, 2]) {
  for (const me of listeners) {
    await eventually(
      `${KINDS[me]} ${me} hears ${speakers.join()}`,
      () => calls[me]!.tones(TONES),
      (levels) =>
        levels.every((level, speaker) =>
          speaker !== me && speakers.includes(speaker) ? level > HEARD : level < SILENT,
        ),
    );
  }
}

/** Waits until each of these clients decodes pictures of that width in two slots, and goes on doing so. */
async function untilSeen(width: number, viewers: readonly number[] = [0, 1, 2]) {
  for (const me of viewers) {
    const read = async () => (await calls[me]!.stats()).inbound.filter((s) => s.kind === 'video');
    const before = new Map((await read()).map((s) => [s.ssrc, s.frames ?? 0]));
    await eventually(
      `${KINDS[me]} ${me} sees two pictures of ${width}`,
      read,
      (streams) =>
        streams.filter((s) => s.width === width && (s.frames ?? 0) > (before.get(s.ssrc) ?? 0) + 5).length ===
        2,
    );
  }
}

test('Firefox and Chromium join one conference', async () => {
  for (const [i, kind] of KINDS.entries()) {
    const page = await (kind === 'firefox' ? firefox : chromium).openPage();
    const call = await CallPage.create(page, {
      sft: sft.url,
      conversation: 'firefoxandchromium',
      frequency: TONES[i]!,
      video: { width: 640, height: 360, frameRate: 20 },
    });
    await call.join();
    calls.push(call);
  }
  for (const call of calls) {
    await eventually(
      'roster of three',
      async () => (await call.roster()).map((p) => p.userid).join(),
      (order) => order === calls.map((c) => c.userId).join(),
    );
  }
});

test('everybody hears everybody else', async () => {
  await untilHeard([0, 1, 2]);
});

test('everybody sees the high layer of everybody else', async () => {
  for (const call of calls) await call.select('all', 2);
  await untilSeen(640);
});

test('a low-quality wish brings the low layer, and a high one the high layer again', async () => {
  for (const call of calls) await call.select('all', 1);
  await untilSeen(320);
  for (const call of calls) await call.select('all', 2);
  await untilSeen(640);
});

test('every picture and voice is told by its contributing source', async () => {
  const roster = await calls[0]!.roster();
  for (const [me, call] of calls.entries()) {
    const others = roster.filter((p) => p.userid !== call.userId);
    const { sources } = await call.stats();
    const told = new Set(sources.flatMap((s) => s.contributing));
    for (const other of others) {
      expect(told, `${KINDS[me]} ${me}`).toContain(Number(other.ssrc_audio));
      expect(told, `${KINDS[me]} ${me}`).toContain(Number(other.ssrc_video));
    }
  }
});

test('who falls silent is not heard, and the others go on', async () => {
  await calls[0]!.ask('call.loudness(0)');
  await untilHeard([1, 2]);
  await calls[0]!.ask('call.loudness(0.4)');
  await untilHeard([0, 1, 2]);
});

test('a screen in place of the camera is seen in its own size', async () => {
  for (const sharer of [0, 1]) {
    await calls[sharer]!.ask('call.share({ width: 1280, height: 720 })');
    for (const viewer of [0, 1, 2].filter((i) => i !== sharer)) {
      await eventually(
        `${KINDS[viewer]} ${viewer} sees the screen of ${KINDS[sharer]} ${sharer}`,
        async () => (await calls[viewer]!.stats()).inbound.map((s) => s.width),
        (widths) => widths.includes(1280),
      );
    }
    await calls[sharer]!.ask('call.unshare()');
    await untilSeen(640);
  }
});

test('no packet is lost', async () => {
  for (const [me, call] of calls.entries()) {
    const inUse = (await call.stats()).inbound.filter((s) => s.packets > 0);
    for (const stream of inUse) expect(stream.lost, `${KINDS[me]} ${me} slot ${stream.mid}`).toBe(0);
  }
});

test('who reconnects is heard and seen again, in either browser', async () => {
  for (const me of [0, 1]) {
    await calls[me]!.join({ update: true });
    await calls[me]!.select('all', 2);
    await untilHeard([0, 1, 2]);
    await untilSeen(640);
  }
});

test('who leaves is gone at once, and the call of those who stay goes on', async () => {
  await calls[0]!.leave();
  await eventually(
    'the goodbye is answered',
    () => calls[0]!.ask('call.hungUp'),
    (hungUp) => hungUp === 'answered',
  );
  for (const me of [1, 2]) {
    await eventually(
      'two remain',
      () => calls[me]!.roster(),
      (roster) => roster.length === 2,
    );
  }
  await untilHeard([1, 2], [1, 2]);
});
