// How long a person waits: from the request to the open signalling channel, in Chromium on this machine, one call after
// the other. Run after `npm run build`: node bench/join-time.mjs
import { CallPage } from '../tests/dist/call-page.js';
import { startCallBrowser } from '../tests/dist/chromium.js';
import { startSftProcess } from '../tests/dist/sft-process.js';

const ROUNDS = 20;
const sft = await startSftProcess();
const browser = await startCallBrowser();
const times = [];
for (let round = 0; round < ROUNDS; round++) {
  const page = await browser.openPage();
  const call = await CallPage.create(page, {
    sft: sft.url,
    conversation: `join${round}`,
    frequency: 440,
    video: { width: 640, height: 360 },
  });
  await call.ask('call.media().then(() => undefined)');
  times.push((await call.join()).joinMs);
  await page.close();
}
times.sort((a, b) => a - b);
const at = (share) => Math.round(times[Math.floor(share * (ROUNDS - 1))]);
console.log(
  `join with microphone and camera, ${ROUNDS} times: median ${at(0.5)} ms, least ${at(0)} ms, most ${at(1)} ms`,
);
await browser.close();
await sft.stop();
