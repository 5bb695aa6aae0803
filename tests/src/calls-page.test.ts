import { mkdir } from 'node:fs/promises';
import { NodeClient } from '@conclave/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { freePort, type SftProcess, startSftProcess } from './sft-process.ts';

const CONVERSATION = 'c0ffee00c0ffee00c0ffee00c0ffee00';
let sft: SftProcess;
let admin: string;
let browser: CallBrowser;
const clients: NodeClient[] = [];

beforeAll(async () => {
  const port = await freePort();
  admin = `http://127.0.0.1:${port}`;
  sft = await startSftProcess({ flags: ['--admin-port', String(port)] });
  browser = await startCallBrowser();
  for (let i = 0; i < 2; i++) {
    const client = new NodeClient({ sft: sft.url, conversation: CONVERSATION, video: 'simulcast' });
    clients.push(client);
    await client.join();
  }
});

afterAll(async () => {
  for (const client of clients) await client.leave();
  await browser?.close();
  await sft?.stop();
});

interface Report {
  readonly inCall: readonly {
    readonly transport: string;
    readonly muted: boolean;
    readonly audioSlot?: number;
    readonly incoming: readonly { readonly packets: number }[];
  }[];
}

interface Listed {
  readonly calls: readonly { readonly call: string; readonly participants: number }[];
}

test('a running call is listed, and shown with everybody in it', async () => {
  const list = await eventually(
    'both in the call',
    async () => (await (await fetch(`${admin}/calls`)).json()) as Listed,
    ({ calls }) => calls[0]?.participants === 2,
  );
  clients[0]!.sendAudio(30, 50);
  const report = await eventually(
    'packets counted',
    async () => (await (await fetch(`${admin}/calls/${list.calls[0]!.call}`)).json()) as Report,
    (call) => (call.inCall[0]?.incoming[0]?.packets ?? 0) >= 50,
  );
  expect(report.inCall).toHaveLength(2);
  expect(report.inCall[0]).toMatchObject({ transport: 'udp', muted: false, audioSlot: 0 });
});

test('no whole id of anybody is in what operators see', async () => {
  const list = await (await fetch(`${admin}/calls`)).text();
  const call = (JSON.parse(list) as Listed).calls[0]!.call;
  const all = list + (await (await fetch(`${admin}/calls/${call}`)).text());
  for (const id of [CONVERSATION, ...clients.map((client) => client.userId)]) {
    expect(all).toContain(id.slice(0, 6));
    expect(all).not.toContain(id.slice(0, 12));
  }
});

test('the page draws the calls, and follows the one that is chosen', async () => {
  const page = await browser.browser.newPage({ viewport: { width: 1200, height: 600 } });
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(`${admin}/`);
  await page.click('#calls tbody button');
  await page.waitForSelector('#call tbody tr:nth-child(2)');
  expect(await page.textContent('#state')).toBe('1 running, 2 people');
  expect(errors).toEqual([]);
  await mkdir('.state/screenshots', { recursive: true });
  await page.screenshot({ path: '.state/screenshots/calls.png' });
  await page.close();
});
