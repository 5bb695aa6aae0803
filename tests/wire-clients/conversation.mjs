// A conversation of Wire clients, each a page of headless Chromium, with this process as the messaging backend
// between them. Prints what was seen as one JSON object and exits with 0 when every check held.
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as esbuild from 'esbuild';
import { chromium } from 'playwright-core';

const { values } = parseArgs({
  options: { sft: { type: 'string' }, clients: { type: 'string', default: '3' } },
});
if (!values.sft) {
  console.error('usage: node conversation.mjs --sft URL [--clients N]');
  process.exit(2);
}
const count = Number(values.clients);
const HEARD = -60;
const ORIGIN = 'http://wire.localhost';
const checks = [];

function check(name, ok, seen) {
  checks.push({ name, ok: Boolean(ok), ...(ok ? {} : { seen }) });
}

/** Reads until `accept` holds or the time is over; returns the last value and whether it held. */
async function eventually(name, read, accept, timeoutMs = 20_000) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await read();
    const ok = accept(seen);
    if (ok || performance.now() > deadline) {
      check(name, ok, seen);
      return ok;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const bundle = await esbuild.build({
  entryPoints: [fileURLToPath(new URL('client-page.js', import.meta.url))],
  bundle: true,
  write: false,
  format: 'iife',
  platform: 'browser',
  external: ['fs', 'path', 'crypto', 'ws'],
  logLevel: 'error',
});
const script = bundle.outputFiles[0].text;

const flags = JSON.parse(readFileSync(new URL('../pages/chromium-flags.json', import.meta.url), 'utf8'));
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  headless: false,
  args: [...flags, '--use-fake-device-for-media-stream=fps=15'],
});

const conversation = crypto.randomUUID();
const members = Array.from({ length: count }, (_, i) => ({
  userId: crypto.randomUUID(),
  clientId: crypto.randomBytes(8).toString('hex'),
  frequency: 400 + 230 * i,
}));
const clients = members.map(({ userId, clientId }) => ({ userid: userId, clientid: clientId }));

async function deliver(from, { targets, data, ownClientsOnly }) {
  const wanted = targets ? JSON.parse(targets).clients : undefined;
  for (const to of members) {
    if (to === from || ownClientsOnly || !to.page) continue;
    if (wanted && !wanted.some((t) => t.userid === to.userId && t.clientid === to.clientId)) continue;
    to.page
      .evaluate(([d, u, c]) => window.client.receive(d, u, c), [data, from.userId, from.clientId])
      .catch(() => {});
  }
}

const ask = (member, expression) => member.page.evaluate(`(async () => (${expression}))()`);
const joinMs = [];
try {
  for (const member of members) {
    const context = await browser.newContext({ permissions: ['microphone', 'camera'] });
    await context.route(`${ORIGIN}/**`, (route) =>
      route.request().url().endsWith('.js')
        ? route.fulfill({ contentType: 'text/javascript; charset=utf-8', body: script })
        : route.fulfill({
            contentType: 'text/html',
            body: '<!doctype html><meta charset="utf-8"><body><script src="/client.js"></script>',
          }),
    );
    const page = await context.newPage();
    await page.exposeFunction('deliver', (text) => deliver(member, JSON.parse(text)));
    await page.goto(`${ORIGIN}/`);
    await page.waitForFunction('window.ready');
    await page.evaluate((s) => window.client.boot(s), {
      ...{ userId: member.userId, clientId: member.clientId, frequency: member.frequency },
      conversation,
      clients,
      sft: values.sft,
    });
    member.page = page;
  }

  for (const [i, member] of members.entries()) {
    if (i > 0)
      await eventually(`client ${i} is told of the call`, () => ask(member, 'client.incoming'), Boolean);
    const started = performance.now();
    await ask(member, i === 0 ? 'client.start()' : 'client.answer()');
    await eventually(
      `client ${i} has media`,
      () => ask(member, 'client.state'),
      (state) => state === 'MEDIA_ESTAB',
    );
    joinMs.push(Math.round(performance.now() - started));
  }
  for (const [i, member] of members.entries()) {
    await eventually(
      `client ${i} sees all with audio`,
      () => ask(member, 'client.members'),
      (list) => list.length === count && list.every((m) => m.aestab === 1),
    );
  }
  const frequencies = members.map((m) => m.frequency);
  for (const [i, member] of members.entries()) {
    await eventually(
      `client ${i} hears everybody else`,
      () => member.page.evaluate((f) => window.client.tones(f), frequencies),
      (levels) => levels.every((level, k) => k === i || level > HEARD),
    );
    await eventually(
      `client ${i} sees the video of everybody else`,
      () => ask(member, 'client.framesShown()'),
      (frames) => Object.keys(frames).length === count - 1 && Object.values(frames).every((n) => n > 15),
    );
  }
  for (const [i, member] of members.entries()) {
    await eventually(
      `client ${i} decrypted frames and failed at none`,
      () => ask(member, 'client.crypto'),
      (seen) => seen.decrypted > 100 && seen.failed === 0,
    );
  }
  await ask(members[0], 'client.mute(true)');
  await eventually(
    'client 1 sees that client 0 is muted',
    () => ask(members[1], 'client.members'),
    (list) => list.find((m) => m.userid === members[0].userId)?.muted === 1,
  );
  for (let left = count - 1; left >= 0; left--) {
    await ask(members[left], 'client.end()');
    await eventually(`the call of client ${left} ends`, () => ask(members[left], 'client.closed'), Boolean);
    for (let i = 0; i < left; i++) {
      await eventually(
        `client ${i} sees client ${left} leave`,
        () => ask(members[i], 'client.members.length'),
        (n) => n === left,
      );
    }
  }
} catch (error) {
  check('nothing unforeseen', false, String(error?.stack ?? error));
} finally {
  await browser.close();
}
const failed = checks.filter((c) => !c.ok);
console.log(JSON.stringify({ passed: checks.length - failed.length, failed, joinMs }, undefined, 1));
process.exit(failed.length === 0 ? 0 : 1);
