// Joins a meeting and plays packets of Opus from a file, over and over. In the file each packet stands after its length,
// two bytes, high one first. Run it with:  node packages/bot/dist/examples/tone-bot.js FILE LINK
import { readFile } from 'node:fs/promises';
import { joinMeetingAsBot, OPUS_CLOCK_RATE, opusDurationTicks } from '@conclave/bot';
import { parseMeetingLink } from '@conclave/client';

const [file, link] = process.argv.slice(2);
if (file === undefined || link === undefined) {
  console.error('usage: tone-bot FILE LINK');
  process.exit(2);
}

const packets: Uint8Array[] = [];
const bytes = await readFile(file);
for (let at = 0; at + 2 <= bytes.length; ) {
  const length = bytes.readUInt16BE(at);
  packets.push(bytes.subarray(at + 2, at + 2 + length));
  at += 2 + length;
}

const bot = await joinMeetingAsBot({
  link: parseMeetingLink(link),
  profile: { name: 'Tone', handRaised: false },
});

let next = 0;
function play(dueMs: number): void {
  const data = packets[next++ % packets.length];
  if (data === undefined || bot.conference.state.status === 'ended') return;
  bot.sendAudioFrame({ data, levelDbov: 20 });
  const nextMs = dueMs + (opusDurationTicks(data) * 1000) / OPUS_CLOCK_RATE;
  setTimeout(() => play(nextMs), nextMs - performance.now());
}
play(performance.now());
console.log('playing');

process.once('SIGTERM', () => {
  void bot.conference.leave();
});
