// Joins a meeting and sends back, as its own voice and picture, what the one who came first sends.
// Run it with a meeting's link:  node packages/bot/dist/examples/echo-bot.js 'https://meet.example.org/#v=1&s=...'
import { joinMeetingAsBot } from '@conclave/bot';
import { type ConferenceState, type ParticipantId, parseMeetingLink } from '@conclave/client';

const link = process.argv[2];
if (link === undefined) {
  console.error('usage: echo-bot LINK');
  process.exit(2);
}

const bot = await joinMeetingAsBot({
  link: parseMeetingLink(link),
  profile: { name: 'Echo', handRaised: false },
  videoSlots: 1,
});
let echoed: ParticipantId | undefined;

function follow({ participants, status, endedBecause }: ConferenceState): void {
  if (status === 'ended') console.log(`ended: ${endedBecause}`);
  const first = participants[0]?.id;
  if (first === echoed) return;
  echoed = first;
  bot.conference.watch(first === undefined ? [] : [{ id: first, heightPx: 360 }]);
  if (first === undefined) bot.setSending('off');
}

bot.listen({
  audio({ from, data, timestampTicks, levelDbov }) {
    if (from === echoed) bot.sendAudioFrame({ data, timestampTicks, levelDbov });
  },
  video({ from, data, timestampTicks, decodable }) {
    if (from === echoed && decodable) bot.sendVideoFrame({ data, timestampTicks });
  },
  keyFrameWanted() {
    // The bot has no encoder: only the one whose picture it is can make a key frame.
    if (echoed !== undefined) bot.requestKeyFrame(echoed);
  },
});
bot.conference.subscribe(follow);
follow(bot.conference.state);
console.log('joined');

process.once('SIGTERM', () => {
  void bot.conference.leave();
});
