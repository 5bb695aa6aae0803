// How long a voice is not heard while one of two people makes the connection anew, in Chromium on this machine. Run after
// `npm run build`: node bench/reconnect-gap.mjs
import { randomBytes } from 'node:crypto';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { serveBundledPage } from '../tests/dist/bundled-page.js';
import { startCallBrowser } from '../tests/dist/chromium.js';
import { MeetingPage } from '../tests/dist/meeting-page-driver.js';
import { startSftProcess } from '../tests/dist/sft-process.js';

const ROUNDS = 10;
const SETTLING_MS = 3000;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const [sft, browser, served] = await Promise.all([
  startSftProcess(),
  startCallBrowser(),
  serveBundledPage('meeting'),
]);
const secret = createMeetingSecret((size) => randomBytes(size));
const link = formatMeetingFragment({ secret, server: sft.url, passphrase: false });
const stays = await MeetingPage.open(browser, served);
const reconnects = await MeetingPage.open(browser, served);
await stays.join({ link, name: 'Ada', frequency: 400 });
await reconnects.join({ link, name: 'Bob', frequency: 700 });
await wait(SETTLING_MS);
await watch(stays, 700);
await watch(reconnects, 400);

const gaps = { stays: [], reconnects: [] };
for (let round = 0; round < ROUNDS; round++) {
  await reconnects.ask((meeting) => meeting.conference.reconnect(), null);
  await wait(SETTLING_MS);
  gaps.stays.push(await longest(stays));
  gaps.reconnects.push(await longest(reconnects));
}
for (const [who, list] of Object.entries(gaps)) {
  list.sort((a, b) => a - b);
  const at = (share) => Math.round(list[Math.floor(share * (ROUNDS - 1))]);
  console.log(`longest silence for who ${who}, ${ROUNDS} times: median ${at(0.5)} ms, most ${at(1)} ms`);
}
await browser.close();
await sft.stop();
await served.close();

/** Looks a hundred times a second whether the tone is heard, and keeps the times between. */
function watch(page, frequency) {
  return page.page.evaluate(`{
    globalThis.silences = [];
    let last = performance.now();
    setInterval(() => {
      if (meeting.tones([${frequency}])[0] < -50) return;
      const now = performance.now();
      silences.push(now - last);
      last = now;
    }, 10);
  }`);
}

function longest(page) {
  return page.page.evaluate('Math.max(...silences.splice(0))');
}
