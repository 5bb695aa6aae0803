import { afterAll, beforeAll, expect, test } from 'vitest';
import { CallPage, eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const TONES = [440, 770, 1210];
/** Louder than this in dB counts as heard; silence reads below -100. */
const HEARD = -60;
const SILENT = -75;

let sft: SftProcess;
let browser: CallBrowser;
let calls: CallPage[];

beforeAll(async () => {
  [sft, browser] = await Promise.all([startSftProcess(), startCallBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await sft?.stop();
});

test('three browsers join, each in under a second', async () => {
  calls = [];
  for (const frequency of TONES) {
    const page = await browser.openPage();
    const call = await CallPage.create(page, {
      sft: sft.url,
      conversation: 'threebrowsers',
      frequency,
      video: { width: 640, height: 360, frameRate: 20 },
    });
    await call.ask('call.media().then(() => undefined)');
    const { joinMs } = await call.join();
    expect(joinMs).toBeLessThan(1000);
    calls.push(call);
  }
  for (const call of calls) {
    const roster = await eventually(
      'roster of three',
      () => call.roster(),
      (r) => r.length === 3,
    );
    expect(roster.map((p) => p.userid)).toEqual(calls.map((c) => c.userId));
  }
  expect(await calls[0]!.ask('call.shouldStart')).toBe(true);
  expect(await calls[1]!.ask('Boolean(call.shouldStart)')).toBe(false);
});

test('everybody hears everybody else', async () => {
  for (const [me, call] of calls.entries()) {
    await eventually(
      `tones at client ${me}`,
      () => call.tones(TONES),
      (levels) => levels.every((level, speaker) => (speaker === me ? level < SILENT : level > HEARD)),
    );
  }
});

test('everybody sees the high layer of everybody else in full size within five seconds', async () => {
  for (const call of calls) await call.select('all', 2);
  const asked = performance.now();
  for (const call of calls) {
    await eventually(
      'two full-size videos',
      async () => {
        const sent = await Promise.all(
          calls.map(async (c) => {
            const { outbound, pair } = await c.stats();
            return [
              `${Math.round((pair?.bitrate ?? 0) / 1000)} kbit/s`,
              ...outbound.filter((o) => o.kind === 'video').map(layerOf),
            ];
          }),
        );
        return {
          videos: (await call.stats()).inbound.filter((s) => s.kind === 'video' && s.packets > 0),
          sent,
        };
      },
      ({ videos }) => videos.filter((s) => s.width === 640 && (s.frames ?? 0) > 5).length === 2,
      asked + 5_000 - performance.now(),
    );
  }
});

/** A layer that is sent, in short, for the report of a failure. */
function layerOf(stream: { rid?: string; width?: number; frames?: number; plis?: number }): string {
  return `${stream.rid} ${stream.width} ${stream.frames} frames ${stream.plis} plis`;
}

test('a low-quality wish brings the low layer', async () => {
  await calls[0]!.select('all', 1);
  await eventually(
    'two half-size videos',
    async () => (await calls[0]!.stats()).inbound.filter((s) => s.kind === 'video').map((s) => s.width),
    (widths) => widths.filter((w) => w === 320).length === 2,
  );
  await calls[0]!.select('all', 2);
});

test('each speaker is heard alone when the others are silent', async () => {
  for (const [speaking, speaker] of calls.entries()) {
    for (const call of calls) await call.ask(`call.loudness(${call === speaker ? 0.4 : 0})`);
    for (const [me, call] of calls.entries()) {
      if (me === speaking) continue;
      await eventually(
        `client ${me} hears only ${speaking}`,
        () => call.tones(TONES),
        (levels) => levels.every((level, i) => (i === speaking ? level > HEARD : level < SILENT)),
      );
    }
  }
  for (const call of calls) await call.ask('call.loudness(0.4)');
});

test('no packet is lost', async () => {
  for (const call of calls) {
    const inUse = (await call.stats()).inbound.filter((s) => s.packets > 0);
    expect(inUse.filter((s) => s.kind === 'audio').length).toBeGreaterThanOrEqual(2);
    expect(inUse.filter((s) => s.kind === 'video').length).toBeGreaterThanOrEqual(2);
    for (const stream of inUse) expect(stream.lost, `${stream.kind} slot ${stream.mid}`).toBe(0);
  }
});

test('who reconnects moves to the end of the list, and is heard and seen again within a second', async () => {
  const { joinMs } = await calls[0]!.join({ update: true });
  expect(joinMs).toBeLessThan(1000);
  const moved = [calls[1]!, calls[2]!, calls[0]!].map((call) => call.userId);
  for (const call of calls) {
    await eventually(
      'the new order',
      async () => (await call.roster()).map((p) => p.userid),
      (order) => order.join() === moved.join(),
    );
  }
  await calls[0]!.select('all', 2);
  for (const [me, call] of calls.entries()) {
    await eventually(
      `tones at client ${me}`,
      () => call.tones(TONES),
      (levels) => levels.every((level, speaker) => (speaker === me ? level < SILENT : level > HEARD)),
      1_000,
    );
    const framesOf = async () => (await call.stats()).inbound.map((s) => s.frames ?? 0);
    const before = await framesOf();
    await eventually(
      `two moving pictures at client ${me}`,
      framesOf,
      (frames) => frames.filter((n, i) => n > (before[i] ?? 0) + 5).length === 2,
    );
  }
});

test('who leaves is gone at once, and the call of those who stay goes on', async () => {
  await calls[2]!.leave();
  await eventually(
    'two remain',
    () => calls[0]!.roster(),
    (r) => r.length === 2,
  );
  await eventually(
    'the goodbye is answered',
    () => calls[2]!.ask('call.hungUp'),
    (h) => h === 'answered',
  );
  await eventually(
    'the tone of who stays',
    () => calls[0]!.tones(TONES),
    (levels) => levels[1]! > HEARD && levels[2]! < SILENT,
  );
});

test('the conference is gone with its last participant', async () => {
  await calls[0]!.leave();
  await calls[1]!.leave();
  await eventually(
    'no participants',
    () => sft.metric('sft_participants'),
    (n) => n === 0,
  );
  expect(await sft.metric('sft_calls')).toBe(0);
  expect(await sft.metric('sft_participants_total')).toBe(3);
});
