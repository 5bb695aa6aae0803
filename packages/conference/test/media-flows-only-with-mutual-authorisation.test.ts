import { expect, test } from 'vitest';
import { ConferenceRig } from './conference-rig.ts';

test('two that authorise each other hear each other, and nobody hears itself', () => {
  const rig = new ConferenceRig();
  rig.readings = true;
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob');
  rig.speak(alice, 20);
  rig.speak(bob, 20);
  rig.advance(300);
  expect([rig.hears(alice, bob), rig.hears(bob, alice)]).toEqual([true, true]);
  expect([rig.hears(alice, alice), rig.hears(bob, bob)]).toEqual([false, false]);
});

test('one side alone does not open the way', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  alice.authorises = () => false;
  const bob = rig.join('bob');
  rig.watch(bob, [{ userId: 'alice', quality: 0 }]);
  rig.watch(alice, [{ userId: 'bob', quality: 0 }]);
  expect(rig.effectsOf('set-audio-permissions')).toEqual([]);
  expect(rig.effectsOf('set-video-source')).toEqual([]);
  rig.authorise(alice, rig.othersOf(alice));
  expect(rig.permissions.get(alice.leg)).toEqual([bob.leg]);
  expect(rig.permissions.get(bob.leg)).toEqual([alice.leg]);
  expect(rig.sees(bob, 0)).toMatchObject({ leg: alice.leg });
});

test('a new list replaces the old one: who is not in it any more is cut off at once', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.join('bob');
  const carol = rig.join('carol');
  rig.advance(500);
  rig.watch(carol, [{ userId: 'alice', quality: 0 }]);
  rig.authorise(
    alice,
    rig.othersOf(alice).filter((entry) => entry.userId === 'bob'),
  );
  expect(rig.permissions.get(carol.leg)).not.toContain(alice.leg);
  expect(rig.permissions.get(alice.leg)).not.toContain(carol.leg);
  expect(rig.sees(carol, 0)).toBeUndefined();
});

test('an entry that names another SSRC than the announced one authorises nobody', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  alice.answersLists = false;
  rig.join('bob');
  rig.advance(500);
  const [bobEntry] = rig.othersOf(alice);
  expect(bobEntry).toBeDefined();
  rig.authorise(alice, [{ ...bobEntry!, audioSsrc: bobEntry!.audioSsrc ^ 1 }]);
  rig.authorise(alice, [{ ...bobEntry!, videoSsrc: bobEntry!.videoSsrc ^ 1 }]);
  rig.authorise(alice, [{ ...bobEntry!, clientId: 'x' }]);
  expect(rig.effectsOf('set-audio-permissions')).toEqual([]);
  rig.authorise(alice, [bobEntry!]);
  expect(rig.effectsOf('set-audio-permissions')).toHaveLength(2);
});

test('an entry with authorized false authorises nobody, nor does a list that is a request', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  alice.answersLists = false;
  rig.join('bob');
  rig.advance(500);
  rig.say(alice, rig.listText(alice, rig.othersOf(alice)).replace('"authorized":true', '"authorized":false'));
  rig.authorise(alice, rig.othersOf(alice), false);
  expect(rig.effectsOf('set-audio-permissions')).toEqual([]);
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'wrong-type': 1 });
});

test('the same list again changes nothing', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.join('bob');
  rig.advance(500);
  const before = rig.effects.length;
  rig.authorise(alice, rig.othersOf(alice));
  expect(rig.effects.length).toBe(before);
});

test('a client without audio slots is no receiver, but is heard', () => {
  const rig = new ConferenceRig();
  rig.readings = true;
  const alice = rig.join('alice', { audioSlots: 0 });
  rig.advance(500);
  const bob = rig.join('bob');
  rig.speak(alice, 20);
  rig.advance(500);
  expect(rig.joined.has(alice.leg)).toBe(false);
  expect(rig.effectsOf('set-audio-permissions').map((effect) => effect.receiver)).toEqual([bob.leg]);
  expect(rig.hears(bob, alice)).toBe(true);
});

test('the sources that stand for a sender are told once, before anybody may get its media', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob');
  for (const client of [alice, bob]) {
    const entry = alice.lists.at(-1)?.participants.find(({ userId }) => userId === client.userId);
    expect(rig.csrcs.get(client.leg)).toMatchObject({ audio: entry?.audioSsrc, video: entry?.videoSsrc });
    const assigned = rig.effects.findIndex(
      ({ effect }) => effect.type === 'assign-csrc' && effect.leg === client.leg,
    );
    const allowed = rig.effects.findIndex(
      ({ effect }) => effect.type === 'set-audio-permissions' && effect.senders.includes(client.leg),
    );
    expect(assigned).toBeLessThan(allowed);
  }
});

test('a client whose answer named no audio SSRC is held back until it is known', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob', { audioSsrc: undefined });
  rig.advance(500);
  expect(alice.roster).toEqual(['alice']);
  expect(bob.lists).toEqual([]);
  expect(rig.csrcs.has(bob.leg)).toBe(false);
  rig.conference.audioSsrcLearned(rig.now, bob.leg, 4711);
  rig.drain();
  expect(bob.roster).toEqual(['alice', 'bob']);
  expect(bob.lists.at(-1)?.participants[1]?.audioSsrc).toBe(4711);
  expect(rig.permissions.get(bob.leg)).toEqual([alice.leg]);
  rig.conference.audioSsrcLearned(rig.now, bob.leg, 4712);
  rig.drain();
  expect(rig.csrcs.get(bob.leg)?.audio).toBe(4711);
});

test('an SSRC that another participant has already is refused', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', { audioSsrc: 1000 });
  rig.join('mallory', { audioSsrc: 1000, until: 'answer' });
  rig.join('trudy', { audioSsrc: rig.csrcs.get(alice.leg)!.video, until: 'answer' });
  expect([...rig.closed.values()]).toEqual(['ssrc-conflict', 'ssrc-conflict']);
  expect(rig.conference.participants).toBe(1);
});
