import { expect, test } from 'vitest';
import { CONVERSATION, ConferenceRig } from './conference-rig.ts';

const PROPS = { videosend: 'true', screensend: 'false', audiocbr: 'true', muted: 'false' };

test("a request is answered with the server's own state; a response is not", () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const before = alice.received.length;
  rig.sync(alice, PROPS, true);
  expect(alice.received.length).toBe(before);
  rig.sync(alice, PROPS);
  expect(alice.received.at(-1)).toMatchObject({
    type: 'PROPSYNC',
    response: true,
    sessionId: CONVERSATION,
    sourceUserId: 'sft',
    destinationUserId: 'alice',
    props: { videosend: 'true', screensend: 'false', audiocbr: 'true', muted: 'false' },
  });
});

test('properties go to those the sender authorised, in its name and without a session', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  const carol = rig.join('carol');
  rig.advance(500);
  rig.authorise(
    alice,
    rig.othersOf(alice).filter(({ userId }) => userId === 'bob'),
  );
  rig.sync(alice, { ...PROPS, muted: 'true' });
  expect(bob.received.at(-1)).toMatchObject({
    type: 'PROPSYNC',
    response: true,
    sessionId: '',
    sourceUserId: 'alice',
    sourceClientId: '_',
    destinationUserId: '',
    props: { ...PROPS, muted: 'true' },
  });
  expect(carol.propsOf('alice')).toBeUndefined();
});

test('who is newly authorised gets what was said before', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.sync(alice, PROPS);
  rig.sync(alice, { ...PROPS, keysync: '7' }, true);
  rig.advance(500);
  const bob = rig.join('bob');
  expect(bob.propsOf('alice')).toEqual({ ...PROPS, keysync: '7' });
  rig.advance(500);
  const count = bob.received.length;
  rig.authorise(alice, rig.othersOf(alice));
  expect(bob.received.length).toBe(count);
});

test('a moved call hears of everybody again', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.advance(500);
  rig.sync(alice, PROPS);
  rig.update(bob);
  const leg = bob.leg;
  rig.advance(500);
  const told = rig.effects.filter(
    ({ effect }) =>
      effect.type === 'send' && effect.leg === leg && effect.text.includes('"src_userid":"alice"'),
  );
  expect(told).toHaveLength(1);
});

test('muted shows in the next list, but makes none', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(500);
  const lists = rig.conference.stats.rosterBroadcasts;
  rig.sync(alice, { muted: 'true' });
  rig.advance(500);
  expect(rig.conference.stats.rosterBroadcasts).toBe(lists);
  expect(rig.conference.snapshot().muted).toBe(1);
  const bob = rig.join('bob');
  expect(bob.lists.at(-1)?.participants.map(({ muted }) => muted)).toEqual([true, false]);
});

test('a later message need not repeat what stays', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.advance(500);
  rig.sync(alice, { ...PROPS, keysync: '3' });
  rig.advance(500);
  rig.sync(alice, { muted: 'true' });
  expect(bob.propsOf('alice')).toEqual({ ...PROPS, keysync: '3', muted: 'true' });
});

test('quick changes reach the others at most ten times a second, the last one always', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.advance(500);
  const before = bob.received.length;
  for (let i = 0; i <= 50; i++) {
    rig.sync(alice, { muted: String(i % 2 === 0) }, true);
    rig.advance(20);
  }
  rig.advance(200);
  expect(bob.received.length - before).toBeLessThanOrEqual(12);
  expect(bob.propsOf('alice')).toEqual({ muted: 'true' });
});

test('unknown properties are carried, up to 2048 characters in all', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.advance(500);
  rig.sync(alice, { hand: 'up', note: 'x'.repeat(2000) });
  rig.advance(200);
  expect(bob.propsOf('alice')).toMatchObject({ hand: 'up' });
  rig.sync(alice, { more: 'y'.repeat(100), hand: 'down', muted: 'true' });
  rig.advance(200);
  const props = bob.propsOf('alice');
  expect(props).toMatchObject({ hand: 'down', muted: 'true' });
  expect(props).not.toHaveProperty('more');
  rig.sync(alice, { note: '', more: 'z' });
  rig.advance(200);
  expect(bob.propsOf('alice')).toMatchObject({ note: '', more: 'z', hand: 'down' });
});

test('what was put off goes with its sender', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.join('bob');
  rig.advance(500);
  rig.sync(alice, { muted: 'true' });
  rig.sync(alice, { muted: 'false' });
  rig.hangUp(alice);
  rig.conference.close(rig.now);
  rig.drain();
  expect(rig.ended).toBe(1);
  expect(rig.conference.pollTimeout()).toBeUndefined();
});

test('an unknown property that changes often takes no more room than its last value', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.advance(500);
  for (let i = 0; i < 20; i++) {
    rig.sync(alice, { note: `${i}${'x'.repeat(500)}` });
    rig.advance(200);
  }
  expect(bob.propsOf('alice')?.note).toMatch(/^19x/);
});
