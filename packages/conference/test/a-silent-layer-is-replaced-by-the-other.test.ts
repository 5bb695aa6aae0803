import { expect, test } from 'vitest';
import { ConferenceRig, type RigClient } from './conference-rig.ts';

function watching(quality: 0 | 1 | 2): { rig: ConferenceRig; alice: RigClient; bob: RigClient } {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  const bob = rig.join('bob');
  rig.readings = true;
  rig.advance(1000);
  rig.watch(bob, [{ userId: 'alice', quality }]);
  return { rig, alice, bob };
}

test('a screen share that sends the high layer only reaches those who want the low one, within a second', () => {
  const { rig, alice, bob } = watching(1);
  expect(rig.sees(bob, 0)?.layer).toBe('low');
  rig.activity.set(alice, ['high']);
  rig.advance(1000);
  expect(rig.sees(bob, 0)).toEqual({ leg: alice.leg, layer: 'high', at: 'key-frame' });
});

test('who wants the high layer gets the low one until the high one has been flowing for half a second', () => {
  const { rig, alice, bob } = watching(2);
  rig.activity.set(alice, ['low']);
  rig.advance(300);
  expect(rig.sees(bob, 0)?.layer).toBe('low');
  rig.advance(1200);
  rig.activity.set(alice, ['low', 'high']);
  rig.advance(500);
  expect(rig.sees(bob, 0)?.layer).toBe('low');
  rig.advance(500);
  expect(rig.sees(bob, 0)?.layer).toBe('high');
});

test('a high layer that stops for a second is replaced, and returned to when it is steady again', () => {
  const { rig, alice, bob } = watching(0);
  rig.activity.set(alice, ['low', 'high']);
  rig.advance(2000);
  rig.switched(bob, 0, alice, 'high');
  expect(rig.sees(bob, 0)?.layer).toBe('high');
  rig.activity.set(alice, ['low']);
  rig.advance(700);
  expect(rig.sees(bob, 0)?.layer).toBe('high');
  rig.advance(600);
  expect(rig.sees(bob, 0)).toEqual({ leg: alice.leg, layer: 'low', at: 'key-frame' });
  rig.switched(bob, 0, alice, 'low');
  rig.activity.set(alice, ['low', 'high']);
  rig.advance(1100);
  expect(rig.sees(bob, 0)?.layer).toBe('high');
});

test('a single packet of probing does not bring a layer back', () => {
  const { rig, alice, bob } = watching(2);
  rig.activity.set(alice, ['low']);
  rig.advance(2000);
  rig.conference.layerActivity(rig.now, [{ leg: alice.leg, layer: 'high', packets: 1 }]);
  rig.drain();
  rig.advance(3000);
  expect(rig.sees(bob, 0)?.layer).toBe('low');
});

test('when both layers are silent nothing changes', () => {
  const { rig, alice, bob } = watching(2);
  rig.activity.set(alice, ['low', 'high']);
  rig.advance(2000);
  rig.activity.delete(alice);
  const before = rig.effectsOf('set-video-source').length;
  rig.advance(10_000);
  expect(rig.effectsOf('set-video-source').length).toBe(before);
  expect(rig.sees(bob, 0)?.layer).toBe('high');
});

test('returning to the layer that still flows needs no key frame', () => {
  const { rig, alice, bob } = watching(2);
  rig.activity.set(alice, ['low', 'high']);
  rig.advance(2000);
  rig.switched(bob, 0, alice, 'high');
  const asked = rig.effectsOf('request-key-frame').length;
  rig.watch(bob, [{ userId: 'alice', quality: 1 }]);
  expect(rig.sees(bob, 0)).toEqual({ leg: alice.leg, layer: 'low', at: 'key-frame' });
  rig.watch(bob, [{ userId: 'alice', quality: 2 }]);
  expect(rig.sees(bob, 0)).toEqual({ leg: alice.leg, layer: 'high', at: 'now' });
  expect(rig.effectsOf('request-key-frame').length).toBe(asked + 1);
});

test('asking for another quality is obeyed at once, even for a layer that was not seen yet', () => {
  const { rig, bob } = watching(1);
  expect(rig.sees(bob, 0)?.layer).toBe('low');
  rig.watch(bob, [{ userId: 'alice', quality: 2 }]);
  expect(rig.sees(bob, 0)?.layer).toBe('high');
});
