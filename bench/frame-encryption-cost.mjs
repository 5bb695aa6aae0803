// What frame encryption costs the sender of a 720p picture and a voice: CPU of the worker's thread in Chromium, by the
// kernel's count, for each frame. Run after `npm run build`: node bench/frame-encryption-cost.mjs [seconds]
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createMeetingSecret, formatMeetingFragment } from '@conclave/e2ee';
import { serveBundledPage } from '../tests/dist/bundled-page.js';
import { startCallBrowser } from '../tests/dist/chromium.js';
import { MeetingPage } from '../tests/dist/meeting-page-driver.js';
import { startSftProcess } from '../tests/dist/sft-process.js';

const SECONDS = Number(process.argv[2] ?? 20);
const TICKS_PER_SECOND = 100;

const [sft, browser, served] = await Promise.all([
  startSftProcess(),
  startCallBrowser(),
  serveBundledPage('meeting'),
]);
const before = new Set(processes());
const page = await MeetingPage.open(browser, served);
await page.page.evaluate(`{
  const Original = RTCPeerConnection;
  globalThis.peers = [];
  globalThis.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      peers.push(this);
    }
  };
}`);
const link = formatMeetingFragment({
  secret: createMeetingSecret((size) => randomBytes(size)),
  server: sft.url,
  passphrase: false,
});
const camera = { width: 1280, height: 720, framesPerSecond: 30, patches: 150 };
await page.join({ link, name: 'Ada', frequency: 440, colour: '#c00000', camera });
const renderer = processes().find((pid) => !before.has(pid) && threads(pid).has('DedicatedWorker'));
await new Promise((resolve) => setTimeout(resolve, 5000));
const first = { frames: await frames(), threads: threads(renderer) };
await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
const last = { frames: await frames(), threads: threads(renderer) };

const sent = (kind) => last.frames[kind] - first.frames[kind];
const total = sent('audio') + sent('video');
console.log(`${sent('video')} video and ${sent('audio')} audio frames in ${SECONDS} s, ${last.frames.sizes}`);
for (const name of ['DedicatedWorker', 'ThreadPoolForeg']) {
  const ms = ((last.threads.get(name) ?? 0) - (first.threads.get(name) ?? 0)) * (1000 / TICKS_PER_SECOND);
  console.log(`${name}: ${ms} ms, ${((ms * 1000) / total).toFixed(0)} µs a frame`);
}
await browser.close();
await sft.stop();
await served.close();

async function frames() {
  return page.page.evaluate(`(async () => {
    const report = [...(await peers[0].getStats()).values()];
    const outbound = report.filter(({ type }) => type === 'outbound-rtp');
    const sum = (kind, member) =>
      outbound.filter((s) => s.kind === kind).reduce((all, s) => all + (s[member] ?? 0), 0);
    const sizes = outbound
      .filter((s) => s.kind === 'video')
      .map((s) => s.rid + ': ' + s.frameWidth + 'x' + s.frameHeight + ' ' + s.framesPerSecond + '/s')
      .concat((sum('video', 'bytesSent') / 1e6).toFixed(1) + ' MB');
    return {
      video: sum('video', 'framesEncoded'),
      audio: sum('audio', 'packetsSent'),
      sizes: sizes.join(', '),
    };
  })()`);
}

function processes() {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

/** CPU ticks of a process by name of thread. */
function threads(pid) {
  const ticks = new Map();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      ticks.set(name, (ticks.get(name) ?? 0) + Number(fields[11]) + Number(fields[12]));
    }
  } catch {
    // The process, or one of its threads, has just ended.
  }
  return ticks;
}
