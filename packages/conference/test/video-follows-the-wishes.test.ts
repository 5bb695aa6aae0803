import { expect, test } from 'vitest';
import { ConferenceRig, type JoinOptions, type RigClient } from './conference-rig.ts';

function pair(options: JoinOptions = {}): { rig: ConferenceRig; alice: RigClient; bob: RigClient } {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', options);
  const bob = rig.join('bob');
  rig.advance(1000);
  return { rig, alice, bob };
}

test('a wished sender is switched in at a key frame, which is asked for', () => {
  const { rig, alice, bob } = pair();
  rig.watch(bob, [{ userId: 'alice', quality: 2 }]);
  expect(rig.effectsOf('set-video-source')).toEqual([
    {
      type: 'set-video-source',
      receiver: bob.leg,
      slot: 0,
      source: { leg: alice.leg, layer: 'high' },
      at: 'key-frame',
      deadlineMs: 3000,
    },
  ]);
  expect(rig.effectsOf('request-key-frame')).toEqual([
    { type: 'request-key-frame', leg: alice.leg, layer: 'high' },
  ]);
});

test('a sender of one layer gives that one for every quality', () => {
  for (const quality of [0, 1, 2] as const) {
    const { rig, alice, bob } = pair({ video: 'single' });
    rig.watch(bob, [{ userId: 'alice', quality }]);
    expect(rig.sees(bob, 0)).toMatchObject({ leg: alice.leg, layer: 'single' });
  }
});

test('quality 1 is the low layer, 2 and 0 the high one', () => {
  const layers = ([0, 1, 2] as const).map((quality) => {
    const { rig, bob } = pair();
    rig.watch(bob, [{ userId: 'alice', quality }]);
    return rig.sees(bob, 0)?.layer;
  });
  expect(layers).toEqual(['high', 'low', 'high']);
});

test('the index in the list is the slot, bounded by what the receiver was offered', () => {
  const rig = new ConferenceRig();
  const senders = ['a', 'b', 'c'].map((name) => rig.join(name));
  const viewer = rig.join('viewer', { videoSlots: 2 });
  rig.advance(1000);
  rig.watch(viewer, [
    { userId: 'nobody', quality: 0 },
    { userId: 'b', quality: 0 },
    { userId: 'c', quality: 0 },
  ]);
  expect(rig.sees(viewer, 0)).toBeUndefined();
  expect(rig.sees(viewer, 1)).toMatchObject({ leg: senders[1]?.leg });
  expect(rig.effectsOf('set-video-source')).toHaveLength(1);
});

test('a shorter list empties the rest, and one sender is shown once', () => {
  const rig = new ConferenceRig();
  const [a, b] = ['a', 'b'].map((name) => rig.join(name)) as [RigClient, RigClient];
  const viewer = rig.join('viewer');
  rig.advance(1000);
  rig.watch(viewer, [
    { userId: 'a', quality: 0 },
    { userId: 'b', quality: 0 },
  ]);
  rig.watch(viewer, [
    { userId: 'b', quality: 0 },
    { userId: 'b', quality: 0 },
  ]);
  expect(rig.sees(viewer, 0)).toMatchObject({ leg: b.leg });
  expect(rig.sees(viewer, 1)).toBeUndefined();
  rig.watch(viewer, [{ userId: 'a', quality: 0 }]);
  expect(rig.sees(viewer, 0)).toMatchObject({ leg: a.leg });
});

test('another sender in the slot ends the old picture at once, not at the key frame', () => {
  const rig = new ConferenceRig();
  const [a, b] = ['a', 'b'].map((name) => rig.join(name)) as [RigClient, RigClient];
  const viewer = rig.join('viewer');
  rig.advance(1000);
  rig.watch(viewer, [{ userId: 'a', quality: 2 }]);
  rig.switched(viewer, 0, a, 'high');
  const before = rig.effects.length;
  rig.watch(viewer, [{ userId: 'b', quality: 2 }]);
  const after = rig.effects
    .slice(before)
    .flatMap(({ effect }) => (effect.type === 'set-video-source' ? [effect] : []));
  expect(after.map(({ source, at }) => [source?.leg, at])).toEqual([
    [undefined, 'now'],
    [b.leg, 'key-frame'],
  ]);
});

test('nobody sees itself, a sender without video, or one that is not authorised', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice', { video: 'none' });
  rig.advance(500);
  const bob = rig.join('bob');
  rig.advance(500);
  rig.watch(bob, [
    { userId: 'bob', quality: 0 },
    { userId: 'alice', quality: 0 },
  ]);
  rig.watch(alice, [{ userId: 'bob', quality: 0 }]);
  rig.authorise(bob, []);
  expect(rig.sees(alice, 0)).toBeUndefined();
  expect(rig.effectsOf('set-video-source').map(({ receiver }) => receiver)).toEqual([alice.leg, alice.leg]);
});

test('a wish for somebody who is not there yet is fulfilled when they come, without asking again', () => {
  const rig = new ConferenceRig();
  const viewer = rig.join('viewer');
  rig.advance(500);
  rig.watch(viewer, [{ userId: 'late', quality: 2 }]);
  const late = rig.join('late');
  expect(rig.sees(viewer, 0)).toMatchObject({ leg: late.leg, layer: 'high' });
});

test("the wish survives the sender's update, and its leaving and coming back", () => {
  const { rig, alice, bob } = pair({ video: 'none' });
  rig.watch(bob, [{ userId: 'alice', quality: 2 }]);
  expect(rig.sees(bob, 0)).toBeUndefined();
  rig.update(alice);
  rig.advance(500);
  expect(rig.sees(bob, 0)).toMatchObject({ leg: alice.leg, layer: 'high' });
  rig.hangUp(alice);
  expect(rig.sees(bob, 0)).toBeUndefined();
  rig.advance(500);
  const again = rig.join('alice');
  rig.advance(500);
  expect(rig.sees(bob, 0)).toMatchObject({ leg: again.leg });
});

test("the wishes survive the receiver's own update, but not its call", () => {
  const { rig, alice, bob } = pair();
  rig.watch(bob, [{ userId: 'alice', quality: 1 }]);
  const old = bob.leg;
  rig.update(bob);
  rig.advance(500);
  expect(bob.leg).not.toBe(old);
  expect(rig.sees(bob, 0)).toMatchObject({ leg: alice.leg, layer: 'low' });
  rig.connect(bob);
  rig.advance(500);
  expect(rig.sees(bob, 0)).toBeUndefined();
});

test('streams by loudness are not supported, and leave the list as it was', () => {
  const { rig, alice, bob } = pair();
  rig.watch(bob, [{ userId: 'alice', quality: 1 }]);
  rig.watch(bob, [], 'level');
  expect(rig.sees(bob, 0)).toMatchObject({ leg: alice.leg });
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'unsupported-mode': 1 });
});
