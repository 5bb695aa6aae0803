import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { Conversation } from './conversation.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';
import { WireClient } from './wire-client.ts';

/** Louder than this in dB counts as heard. */
const HEARD = -60;

const clients = [400, 630, 860].map((frequency) => new WireClient(frequency));
const tones = clients.map(({ frequency }) => frequency);
const conversation = new Conversation(clients);
let sft: SftProcess;
let browser: CallBrowser;

beforeAll(async () => {
  [sft, browser] = await Promise.all([startSftProcess(), startCallBrowser()]);
  for (const client of clients) await client.open(browser, conversation, sft.url);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await sft?.stop();
});

test('three unmodified Wire clients join one after the other', async () => {
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
});

test('they hear and see each other, encrypted, and fail at no frame', async () => {
  for (const [me, client] of clients.entries()) {
    await eventually(
      `client ${me} hears everybody else`,
      () => client.tones(tones),
      (levels) => levels.every((level, speaker) => speaker === me || level > HEARD),
    );
    await eventually(
      `client ${me} sees everybody else`,
      async () => Object.values(await client.framesShown()),
      (frames) => frames.length === clients.length - 1 && frames.every((n) => n > 15),
    );
    const { failed } = await eventually(
      `client ${me} decrypts`,
      () => client.crypto(),
      ({ decrypted }) => decrypted > 100,
    );
    expect(failed).toBe(0);
  }
});

test('a muted client is seen as muted', async () => {
  await clients[0]!.ask('client.mute(true)');
  await eventually(
    'client 1 sees it',
    () => clients[1]!.members(),
    (members) => members.find((m) => m.userid === clients[0]!.userId)?.muted === 1,
  );
});

test('who leaves is seen to leave, down to the last', async () => {
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
