import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { Conversation } from './conversation.ts';
import { FederatedServers } from './federation.ts';
import type { SftProcess } from './sft-process.ts';
import { WireClient } from './wire-client.ts';

/** Louder than this in dB counts as heard. */
const HEARD = -60;
const DOMAINS = ['alpha.example', 'beta.example', 'gamma.example'];

const clients = [400, 630, 860].map((frequency) => new WireClient(frequency));
const tones = clients.map(({ frequency }) => frequency);
const conversation = new Conversation(clients);
let federation: FederatedServers;
let servers: SftProcess[];
let browser: CallBrowser;

beforeAll(async () => {
  [federation, browser] = await Promise.all([FederatedServers.create(), startCallBrowser()]);
  servers = [];
  for (const domain of DOMAINS) servers.push(await federation.start(domain, DOMAINS));
  const hosts = new Map(DOMAINS.map((domain, i) => [`https://sft.${domain}`, servers[i]!.url]));
  for (const [i, client] of clients.entries())
    await client.open(browser, conversation, `https://sft.${DOMAINS[i]}`, { hosts });
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await federation?.close();
});

test('three unmodified Wire clients of three domains join one conference, each at its own server', async () => {
  for (const [i, client] of clients.entries()) {
    if (i > 0) await eventually('the call is told of', () => client.ask<boolean>('client.incoming'), Boolean);
    await client.ask(i === 0 ? 'client.start()' : 'client.answer()');
    await eventually(
      `client ${i} has media`,
      () => client.ask<string>('client.state'),
      (state) => state === 'MEDIA_ESTAB',
    );
  }
  for (const client of clients) {
    await eventually(
      'all with audio',
      () => client.members(),
      (members) => members.length === clients.length && members.every((m) => m.aestab === 1),
    );
  }
  for (const server of servers) expect(await server.metric('sft_participants')).toBe(1);
  expect(await servers[0]!.metric('conclave_sft_links')).toBe(2);
});

test('they hear and see each other, encrypted, and fail at no frame', async () => {
  for (const [me, client] of clients.entries()) {
    await eventually(
      `client ${me} hears everybody else`,
      () => client.tones(tones),
      (levels) => levels.every((level, speaker) => speaker === me || level > HEARD),
      30_000,
    );
    await eventually(
      `client ${me} sees everybody else`,
      async () => Object.values(await client.framesShown()),
      (frames) => frames.length === clients.length - 1 && frames.every((n) => n > 15),
      30_000,
    );
    const { failed } = await eventually(
      `client ${me} decrypts`,
      () => client.crypto(),
      ({ decrypted }) => decrypted > 100,
    );
    expect(failed).toBe(0);
  }
});

test('mute is seen in the other domains', async () => {
  await clients[1]!.ask('client.mute(true)');
  for (const other of [clients[0]!, clients[2]!]) {
    await eventually(
      'it is seen',
      () => other.members(),
      (members) => members.find((m) => m.userid === clients[1]!.userId)?.muted === 1,
    );
  }
});

test('who leaves is seen to leave in all domains, down to the last', async () => {
  for (let left = clients.length - 1; left >= 0; left--) {
    await clients[left]!.ask('client.end()');
    await eventually('its call ends', () => clients[left]!.ask<boolean>('client.closed'), Boolean);
    for (const client of clients.slice(0, left)) {
      await eventually(
        'the others see it leave',
        () => client.members(),
        (members) => members.length === left,
      );
    }
  }
});
