import { expect, test } from 'vitest';
import { ConferenceRig, type RigClient } from './conference-rig.ts';

function conferenceOfThree(): { rig: ConferenceRig; alice: RigClient; bob: RigClient; carol: RigClient } {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const bob = rig.join('bob');
  rig.advance(500);
  const carol = rig.join('carol');
  rig.advance(500);
  return { rig, alice, bob, carol };
}

test('the old leg serves until the channel of the new one opens', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const old = alice.leg;
  const fresh = rig.offer(alice, { update: true });
  rig.advance(3000);
  rig.answer(alice, fresh, { update: true });
  rig.advance(1000);
  expect(rig.closed.has(old)).toBe(false);
  expect(rig.permissions.get(bob.leg)).toContain(old);
  expect(bob.roster).toEqual(['alice', 'bob', 'carol']);
  const before = bob.lists.at(-1);
  rig.open(alice, fresh);
  expect(rig.closed.get(old)).toBe('replaced');
  expect(bob.roster).toEqual(['bob', 'carol', 'alice']);
  const earlier = before?.participants.find((entry) => entry.userId === 'alice');
  const later = bob.lists.at(-1)?.participants.at(-1);
  expect(later?.videoSsrc).toBe(earlier?.videoSsrc);
  expect(later?.audioSsrc).not.toBe(earlier?.audioSsrc);
  expect(later?.timestamp).toBeGreaterThan(2);
  expect(rig.permissions.get(bob.leg)).toContain(fresh);
  expect(alice.roster).toEqual(bob.roster);
});

test('the move drops all authorisations, in both directions, until they are given anew', () => {
  const { rig, alice, bob, carol } = conferenceOfThree();
  bob.answersLists = false;
  rig.update(alice);
  expect(rig.permissions.get(bob.leg)).toEqual([carol.leg]);
  expect(rig.permissions.get(alice.leg)).toEqual([carol.leg]);
  rig.authorise(bob, rig.othersOf(bob));
  expect(rig.permissions.get(bob.leg)).toContain(alice.leg);
});

test('an answer to the list before the move does not authorise the moved call', () => {
  const { rig, alice, bob } = conferenceOfThree();
  bob.answersLists = false;
  const stale = rig.othersOf(bob);
  rig.update(alice);
  rig.authorise(bob, stale);
  expect(rig.permissions.get(bob.leg)).not.toContain(alice.leg);
});

test('its speech stays in its slot over the move', () => {
  const { rig, alice, bob } = conferenceOfThree();
  rig.readings = true;
  rig.speak(bob, 20);
  rig.advance(1000);
  expect(rig.hears(alice, bob)).toBe(true);
  const before = rig.effects.length;
  rig.update(bob);
  expect(rig.hears(alice, bob)).toBe(true);
  const slotChanges = rig.effects.slice(before).filter(({ effect }) => effect.type === 'set-audio-slot');
  expect(slotChanges).toHaveLength(1);
});

test('an unanswered update ends after a minute, and the old leg goes on', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const fresh = rig.offer(alice, { update: true });
  rig.advance(59_999);
  expect(rig.closed.has(fresh)).toBe(false);
  rig.advance(1);
  expect(rig.closed.get(fresh)).toBe('setup-timeout');
  expect(bob.roster).toEqual(['alice', 'bob', 'carol']);
  expect(rig.hears(alice, bob) || rig.permissions.get(alice.leg)?.includes(bob.leg)).toBe(true);
});

test('a second update replaces the first one that is still on its way', () => {
  const { rig, alice } = conferenceOfThree();
  const first = rig.offer(alice, { update: true });
  const second = rig.offer(alice, { update: true });
  expect(rig.closed.get(first)).toBe('replaced');
  expect(rig.conference.legOf('alice', '_')).toBe(second);
  expect(rig.closed.has(alice.leg)).toBe(false);
});

test('a lost leg with a new one on its way leaves the participant in the list for a while', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const fresh = rig.offer(alice, { update: true });
  const lists = bob.lists.length;
  rig.lose(alice);
  expect(rig.permissions.get(bob.leg)).not.toContain(alice.leg);
  rig.advance(2000);
  rig.answer(alice, fresh);
  rig.open(alice, fresh);
  expect(bob.roster).toEqual(['bob', 'carol', 'alice']);
  expect(bob.lists.length).toBe(lists + 1);
  expect(rig.permissions.get(bob.leg)).toContain(fresh);
});

test('a lost leg whose replacement takes too long leaves the list, and comes anew when it is up', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const fresh = rig.offer(alice, { update: true });
  rig.lose(alice);
  rig.advance(10_000);
  expect(bob.roster).toEqual(['bob', 'carol']);
  rig.answer(alice, fresh);
  rig.open(alice, fresh);
  rig.advance(200);
  expect(bob.roster).toEqual(['bob', 'carol', 'alice']);
});

test('when both legs are lost the participant is gone at once', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const fresh = rig.offer(alice, { update: true });
  rig.lose(alice);
  rig.lose(alice, fresh);
  expect(bob.roster).toEqual(['bob', 'carol']);
  expect(rig.conference.hasCaller('alice', '_')).toBe(false);
});

test('a hangup on the old leg ends the new one too', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const fresh = rig.offer(alice, { update: true });
  rig.hangUp(alice);
  expect(rig.closed.get(fresh)).toBe('hangup');
  expect(bob.roster).toEqual(['bob', 'carol']);
});

test('a new call of a known caller closes the old one silently and comes last, with the same video number', () => {
  const { rig, alice, bob } = conferenceOfThree();
  const old = alice.leg;
  const videoSsrc = rig.csrcs.get(old)?.video;
  const texts = alice.texts.length;
  const fresh = rig.offer(alice);
  expect(rig.closed.get(old)).toBe('replaced');
  expect(alice.texts.length).toBe(texts);
  rig.advance(200);
  expect(bob.roster).toEqual(['bob', 'carol']);
  rig.answer(alice, fresh);
  rig.open(alice, fresh);
  expect(bob.roster).toEqual(['bob', 'carol', 'alice']);
  expect(rig.csrcs.get(fresh)?.video).toBe(videoSsrc);
  expect(rig.ended).toBe(0);
});

test('a new call of the only caller does not end the conference', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.connect(alice);
  expect(rig.ended).toBe(0);
  expect(rig.conference.participants).toBe(1);
});

test('callers are told apart by user and client together', () => {
  const rig = new ConferenceRig();
  const one = rig.join('ab', {}, 'c');
  const other = rig.join('a', {}, 'bc');
  rig.join('ab', {}, 'd');
  rig.advance(500);
  expect(rig.conference.participants).toBe(3);
  expect(rig.closed.size).toBe(0);
  expect(rig.conference.legOf('ab', 'c')).toBe(one.leg);
  expect(rig.conference.legOf('a', 'bc')).toBe(other.leg);
  expect(rig.conference.legOf('abc', '')).toBeUndefined();
});
