import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { Conversation } from './conversation.ts';
import { SisterServers } from './sister-servers.ts';
import { WireClient } from './wire-client.ts';

/** Louder than this in dB counts as heard. */
const HEARD = -60;

const clients = [400, 630, 860].map((frequency) => new WireClient(frequency));
const tones = clients.map(({ frequency }) => frequency);
const conversation = new Conversation(clients);
let servers: SisterServers;
let browser: CallBrowser;

beforeAll(async () => {
  [servers, browser] = await Promise.all([SisterServers.start(2), startCallBrowser()]);
  for (const client of clients) await client.open(browser, conversation, servers.urls[0]!);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await servers?.close();
});

/** Begins to note the longest time in which no packet of audio came over any connection. */
const METER = `(() => {
  const meter = { packets: 0, atMs: performance.now(), gapMs: 0 };
  window.meter = meter;
  setInterval(async () => {
    let packets = 0;
    for (const connection of client.connections) {
      if (connection.connectionState === 'closed') continue;
      for (const stats of (await connection.getStats()).values())
        if (stats.type === 'inbound-rtp' && stats.kind === 'audio') packets += stats.packetsReceived;
    }
    const now = performance.now();
    if (packets === meter.packets) return;
    meter.gapMs = Math.max(meter.gapMs, now - meter.atMs);
    meter.packets = packets;
    meter.atMs = now;
  }, 20);
})()`;

async function expectAllTogether(): Promise<void> {
  for (const [me, client] of clients.entries()) {
    await eventually(
      `client ${me} is in the call with everybody`,
      async () => ({ state: await client.ask<string>('client.state'), members: await client.members() }),
      ({ state, members }) =>
        state === 'MEDIA_ESTAB' && members.length === clients.length && members.every((m) => m.aestab === 1),
      60_000,
    );
    await eventually(
      `client ${me} hears everybody else`,
      () => client.tones(tones),
      (levels) => levels.every((level, speaker) => speaker === me || level > HEARD),
      60_000,
    );
  }
}

test('three unmodified Wire clients are in a call', async () => {
  for (const [i, client] of clients.entries()) {
    if (i > 0) await eventually('the call is told of', () => client.ask<boolean>('client.incoming'), Boolean);
    await client.ask(i === 0 ? 'client.start()' : 'client.answer()');
    await eventually(
      `client ${i} has media`,
      () => client.ask<string>('client.state'),
      (state) => state === 'MEDIA_ESTAB',
      60_000,
    );
  }
  await expectAllTogether();
}, 180_000);

test('their server ends, and then its successor, and they stay in the call and hear and see each other', async () => {
  for (const client of clients) await client.ask(METER);
  for (const place of [0, 1]) {
    for (const client of clients) await client.ask('(meter.gapMs = 0)');
    expect(await servers.at(place).metric('sft_participants')).toBe(clients.length);
    expect(await servers.replace(place), servers.at(place).output()).toBe(0);
    await expectAllTogether();
    expect(await servers.at(1 - place).metric('sft_participants')).toBe(clients.length);
    const gaps = await Promise.all(clients.map((client) => client.ask<number>('meter.gapMs')));
    console.log(`longest silence of each client: ${gaps.map(Math.round).join(' ')} ms`);
  }
  for (const [me, client] of clients.entries()) {
    const before = await client.framesShown();
    await eventually(
      `client ${me} sees everybody else`,
      () => client.framesShown(),
      (frames) =>
        Object.keys(frames).length === clients.length - 1 &&
        Object.entries(frames).every(([key, count]) => count > (before[key] ?? 0) + 15),
      60_000,
    );
    expect(await client.ask<boolean>('client.closed')).toBe(false);
    expect((await client.crypto()).failed).toBe(0);
  }
}, 300_000);
