import { expect, test } from 'vitest';
import { CONVERSATION, ConferenceRig, EPOCH_MS, URL } from './conference-rig.ts';

test('the first one is told to announce the conference, at once after its own PROPSYNC', () => {
  const rig = new ConferenceRig();
  rig.now = 250;
  const alice = rig.join('alice');
  expect(alice.received.map((message) => message.type)).toEqual(['PROPSYNC', 'CONFPART']);
  const [props, list] = alice.received;
  expect(props).toMatchObject({
    sessionId: CONVERSATION,
    sourceUserId: 'sft',
    sourceClientId: '_',
    destinationUserId: 'alice',
    response: false,
    props: { videosend: 'true', screensend: 'false', muted: 'false' },
  });
  expect(list).toMatchObject({
    sessionId: '',
    response: false,
    shouldStart: true,
    timestampMs: EPOCH_MS + 250,
    sequenceNumber: 1,
    sfts: [URL],
    participants: [{ userId: 'alice', clientId: '_', authorized: false, timestamp: 0, muted: false }],
  });
  expect(alice.lists[0]?.participants[0]?.audioSsrc).toBe(alice.audioSsrc);
  expect(alice.lists[0]?.participants[0]?.videoSsrc).toBe(rig.csrcs.get(alice.leg)?.video);
  expect(alice.texts[1]).toContain('"ssrc_audio":"');
});

test('everybody gets the same text when somebody comes, and nobody else is told to announce', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(1000);
  const bob = rig.join('bob');
  expect(alice.roster).toEqual(['alice', 'bob']);
  expect(alice.texts.at(-1)).toBe(bob.texts.at(-1));
  expect(bob.lists.at(-1)?.shouldStart).toBe(false);
  expect(bob.lists.at(-1)?.sequenceNumber).toBe(2);
  const entropies = alice.lists.map((list) => list.entropy);
  expect(new Set(entropies).size).toBe(entropies.length);
});

test('only those with an open channel are listed, in the order of opening', () => {
  const rig = new ConferenceRig();
  const slow = rig.join('slow', { until: 'answer' });
  const fast = rig.join('fast');
  expect(fast.roster).toEqual(['fast']);
  expect(fast.lists[0]?.shouldStart).toBe(true);
  rig.advance(500);
  rig.open(slow, rig.conference.legOf('slow', '_')!);
  expect(slow.roster).toEqual(['fast', 'slow']);
  expect(slow.lists[0]?.shouldStart).toBe(false);
});

test('a caller that joins through another server is not told to announce, nor is anybody after it', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', { startsElsewhere: true });
  rig.advance(500);
  const bob = rig.join('bob');
  rig.advance(500);
  expect([...alice.lists, ...bob.lists].some((list) => list.shouldStart)).toBe(false);
});

test('an update from an unknown caller is a call in a conference that was started before', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', { update: true });
  expect(alice.lists.map((list) => list.shouldStart)).toEqual([false]);
  expect(rig.conference.snapshot().started).toBe(true);
});

test('a hangup is confirmed, then the leg is closed, and the others learn it at once', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob');
  rig.advance(500);
  const before = rig.effects.length;
  rig.hangUp(bob);
  const after = rig.effects.slice(before).map(({ effect }) => effect);
  const sent = after.findIndex((effect) => effect.type === 'send' && effect.leg === bob.leg);
  const closed = after.findIndex((effect) => effect.type === 'close-leg');
  expect(sent).toBeGreaterThanOrEqual(0);
  expect(closed).toBeGreaterThan(sent);
  expect(bob.received.at(-1)).toMatchObject({ type: 'HANGUP', response: true, sessionId: CONVERSATION });
  expect(rig.closed.get(bob.leg)).toBe('hangup');
  expect(alice.roster).toEqual(['alice']);
});

test('a hangup about another session is ignored, upper case of ours is not another', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.hangUp(alice, false, 'ffff');
  expect(rig.conference.participants).toBe(1);
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'wrong-session': 1 });
  rig.hangUp(alice, false, CONVERSATION.toUpperCase());
  expect(rig.ended).toBe(1);
});

test('a confirmation of a hangup that nobody asked for is ignored', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.hangUp(alice, true);
  expect(rig.conference.participants).toBe(1);
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'wrong-type': 1 });
});

test('the conference ends once, with its last leg, and leaves no timer', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob', { until: 'offer' });
  rig.hangUp(alice);
  expect(rig.ended).toBe(0);
  rig.lose(bob, rig.conference.legOf('bob', '_')!);
  expect(rig.ended).toBe(1);
  expect(rig.conference.empty).toBe(true);
  expect(rig.conference.pollTimeout()).toBeUndefined();
});

test('a leg for a conference that ended is closed at once', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.hangUp(alice);
  rig.join('bob', { until: 'offer' });
  expect([...rig.closed.values()].at(-1)).toBe('ended');
  expect(rig.conference.hasCaller('bob', '_')).toBe(false);
});

test('a lost transport takes its participant with it', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob');
  rig.advance(500);
  rig.lose(bob);
  expect(alice.roster).toEqual(['alice']);
  expect(rig.hears(alice, bob)).toBe(false);
  rig.advance(500);
  rig.update(bob);
  expect(alice.roster).toEqual(['alice', 'bob']);
});

test('who was never told that it should announce gets the word when it is the one that is left', () => {
  const rig = new ConferenceRig();
  const first = rig.join('first', { audioSsrc: undefined });
  const second = rig.join('second', { audioSsrc: undefined });
  expect([...first.lists, ...second.lists]).toEqual([]);
  rig.hangUp(first);
  rig.conference.audioSsrcLearned(rig.now, second.leg, 77);
  rig.drain();
  expect(second.lists.map((list) => list.shouldStart)).toEqual([true]);
});

test('drain hangs up everybody, and ends when the last has confirmed', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  bob.confirmsHangup = false;
  rig.join('carol', { until: 'answer' });
  rig.conference.drain(rig.now);
  rig.drain();
  expect(alice.received.at(-1)).toMatchObject({ type: 'HANGUP', response: false });
  expect(rig.closed.get(alice.leg)).toBe('hangup');
  expect(rig.closed.has(bob.leg)).toBe(false);
  rig.advance(5000);
  expect(rig.closed.get(bob.leg)).toBe('closed');
  expect(rig.ended).toBe(1);
});

test('close tells everybody and ends at once', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  alice.confirmsHangup = false;
  bob.confirmsHangup = false;
  rig.conference.close(rig.now);
  rig.drain();
  expect(bob.received.at(-1)).toMatchObject({ type: 'HANGUP', response: false });
  expect([...rig.closed.values()]).toEqual(['closed', 'closed']);
  expect(rig.ended).toBe(1);
});
