import { expect, test } from 'vitest';
import { CONVERSATION, ConferenceRig } from './conference-rig.ts';

const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  'null',
  '[]',
  '{}',
  '"PING"',
  '{"version":"3.0"}',
  '{"version":"2.0","type":"PING","sessid":"","resp":false}',
  '{"version":"3.0","type":"NONSENSE","sessid":"","resp":false}',
  `{"version":"3.0","type":"PING","sessid":"${CONVERSATION}","resp":"no"}`,
  '{"version":"3.0","type":"CONFPART","sessid":"","resp":true}',
  '{"version":"3.0","type":"CONFPART","sessid":"","resp":true,"participants":[null]}',
  '{"version":"3.0","type":"CONFPART","sessid":"","resp":true,"participants":[{"userid":"a","clientid":"_","authorized":true,"ssrc_audio":"-1","ssrc_video":"1"}]}',
  '{"version":"3.0","type":"PROPSYNC","sessid":"","resp":false,"props":[]}',
  '{"version":"3.0","type":"CONFSTREAMS","sessid":"","resp":false,"mode":"list","streams":[{"userid":"a","quality":9}]}',
  '{"version":"3.0","type":"CONFSTREAMS","sessid":"","resp":false,"mode":"none","streams":[]}',
  `{"version":"3.0","type":"CONFPART","sessid":"","resp":true,"participants":${'['.repeat(5000)}`,
  '\u0000\uffff\ud800',
];

test('texts that are no messages are counted and change nothing', () => {
  for (const text of HOSTILE_TEXTS) {
    const rig = new ConferenceRig();
    const alice = rig.join('alice');
    const bob = rig.join('bob');
    rig.advance(500);
    const before = rig.effects.length;
    rig.say(alice, text);
    expect(rig.effects.length, text.slice(0, 80)).toBe(before);
    expect(rig.conference.stats.ignoredMessages, text.slice(0, 80)).toEqual({ malformed: 1 });
    expect(rig.permissions.get(alice.leg)).toEqual([bob.leg]);
  }
});

test('types that have no business on the channel are counted and change nothing', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const head = `"version":"3.0","sessid":"${CONVERSATION}","src_userid":"alice","src_clientid":"_"`;
  const texts = [
    `{${head},"type":"CONFCONN","resp":false,"update":true}`,
    `{${head},"type":"SETUP","resp":true,"sdp":"v=0","props":{}}`,
    `{${head},"type":"UPDATE","resp":true,"sdp":"v=0"}`,
    `{${head},"type":"CONFSTART","resp":false}`,
    `{${head},"type":"CONFKEY","resp":true,"keys":[]}`,
    `{${head},"type":"PING","resp":true}`,
    `{${head},"type":"CONFSTREAMS","resp":true,"mode":"list","streams":[]}`,
    `{${head},"type":"HANGUP","resp":true}`,
  ];
  const before = rig.effects.length;
  for (const text of texts) rig.say(alice, text);
  expect(rig.effects.length).toBe(before);
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'wrong-type': texts.length });
});

test('a message in the name of somebody else speaks for its channel only', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const mallory = rig.join('mallory');
  rig.advance(500);
  rig.say(
    mallory,
    `{"version":"3.0","type":"HANGUP","sessid":"${CONVERSATION}","src_userid":"alice","src_clientid":"_","resp":false}`,
  );
  expect(rig.closed.get(mallory.leg)).toBe('hangup');
  expect(rig.closed.has(alice.leg)).toBe(false);
  expect(alice.roster).toEqual(['alice']);
});

test('names that are properties of every object are just names', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('__proto__');
  const bob = rig.join('constructor');
  rig.advance(500);
  rig.watch(bob, [
    { userId: '__proto__', quality: 0 },
    { userId: 'toString', quality: 0 },
  ]);
  expect(bob.roster).toEqual(['__proto__', 'constructor']);
  expect(rig.sees(bob, 0)?.leg).toBe(alice.leg);
  rig.sync(alice, { constructor: 'x', toString: 'y', muted: 'true' });
  expect(bob.propsOf('__proto__')).toMatchObject({ muted: 'true' });
  expect(rig.conference.hasCaller('hasOwnProperty', '_')).toBe(false);
});

test('a flood ends the call of its sender only', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const mallory = rig.join('mallory');
  rig.advance(500);
  const texts = mallory.texts.length;
  for (let i = 0; i < 1000; i++) rig.ping(mallory);
  expect(rig.closed.get(mallory.leg)).toBe('message-rate');
  expect(mallory.texts.length - texts).toBeLessThanOrEqual(200);
  expect(rig.closed.has(alice.leg)).toBe(false);
  expect(alice.roster).toEqual(['alice']);
});

test('a hundred messages a second are allowed for ever', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  alice.pings = false;
  for (let i = 0; i < 2000; i++) {
    rig.ping(alice);
    rig.advance(10);
  }
  expect(rig.closed.size).toBe(0);
});

test('large messages cost more: a few megabytes at once are a flood', () => {
  const rig = new ConferenceRig();
  const mallory = rig.join('mallory');
  const text = ' '.repeat(400_000);
  rig.say(mallory, text);
  expect(rig.closed.size).toBe(0);
  rig.say(mallory, text);
  rig.say(mallory, text);
  expect(rig.closed.get(mallory.leg)).toBe('message-rate');
});

test('messages on a leg that is not open, closed or unknown are ignored', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob', { until: 'answer' });
  bob.leg = rig.conference.legOf('bob', '_')!;
  rig.ping(bob);
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'not-open': 1 });
  rig.hangUp(bob);
  expect(rig.conference.hasCaller('bob', '_')).toBe(true);
  rig.hangUp(alice);
  const before = rig.effects.length;
  rig.ping(alice);
  rig.lose(alice);
  rig.conference.message(rig.now, 12345 as typeof alice.leg, 'x');
  rig.drain();
  expect(rig.effects.length).toBe(before);
});

test('events about legs in the wrong state are ignored', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', { until: 'offer' });
  const leg = rig.conference.legOf('alice', '_')!;
  rig.conference.channelOpened(rig.now, leg);
  rig.conference.audioSsrcLearned(rig.now, leg, 5);
  rig.drain();
  expect(rig.effects).toEqual([]);
  rig.answer(alice, leg, { audioSsrc: 10 });
  rig.conference.legAnswered(rig.now, leg, {
    audioSsrc: 11,
    video: 'none',
    audioSlots: 5,
    videoSlots: 9,
  });
  rig.open(alice, leg);
  const texts = alice.texts.length;
  rig.conference.channelOpened(rig.now, leg);
  rig.drain();
  expect(alice.texts.length).toBe(texts);
  expect(rig.csrcs.get(leg)?.audio).toBe(10);
});

test('a leg id that is in use is refused as a mistake of the caller', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  expect(() =>
    rig.conference.addLeg(rig.now, {
      leg: alice.leg,
      userId: alice.userId,
      clientId: '_',
      update: false,
      startsElsewhere: false,
    }),
  ).toThrow(TypeError);
});

test('the conference says when it is full', () => {
  const rig = new ConferenceRig({ limits: { maxParticipants: 2 } });
  rig.join('alice');
  expect(rig.conference.full).toBe(false);
  const bob = rig.join('bob', { until: 'offer' });
  expect(rig.conference.full).toBe(true);
  rig.lose(bob, rig.conference.legOf('bob', '_')!);
  expect(rig.conference.full).toBe(false);
});

test('wishes beyond the limit of slots cost nothing', () => {
  const rig = new ConferenceRig({ limits: { maxVideoSlots: 3 } });
  const senders = Array.from({ length: 5 }, (_, i) => rig.join(`s${i}`));
  const viewer = rig.join('viewer', { videoSlots: 1_000_000 });
  rig.advance(500);
  rig.watch(
    viewer,
    senders.map(({ userId }) => ({ userId, quality: 0 as const })),
  );
  expect(rig.effectsOf('set-video-source').map(({ slot }) => slot)).toEqual([0, 1, 2]);
});
