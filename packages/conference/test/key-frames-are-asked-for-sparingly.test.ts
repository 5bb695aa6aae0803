import { expect, test } from 'vitest';
import { ConferenceRig, type RigClient } from './conference-rig.ts';

function requestTimes(rig: ConferenceRig, client: RigClient, layer = 'high'): number[] {
  return rig.effects.flatMap(({ atMs, effect }) =>
    effect.type === 'request-key-frame' && effect.leg === client.leg && effect.layer === layer ? [atMs] : [],
  );
}

function conferenceOf(
  count: number,
  keyFrameIntervalMs = 1000,
): { rig: ConferenceRig; clients: RigClient[] } {
  const rig = new ConferenceRig({ timings: { keyFrameIntervalMs } });
  const clients = Array.from({ length: count }, (_, i) => rig.join(`user${i}`));
  rig.advance(1000);
  return { rig, clients };
}

test('the first request goes out at once, those within the interval become one at its end', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender] = clients as [RigClient];
  for (let i = 0; i < 10; i++) {
    rig.conference.keyFrameNeeded(rig.now, sender.leg, 'high');
    rig.drain();
    rig.advance(50);
  }
  expect(requestTimes(rig, sender)).toEqual([1000]);
  rig.advance(5000);
  expect(requestTimes(rig, sender)).toEqual([1000, 2000]);
});

test('layers are spaced apart from each other, and so are senders', () => {
  const { rig, clients } = conferenceOf(2);
  const [a, b] = clients as [RigClient, RigClient];
  rig.conference.keyFrameNeeded(rig.now, a.leg, 'high');
  rig.conference.keyFrameNeeded(rig.now, a.leg, 'low');
  rig.conference.keyFrameNeeded(rig.now, b.leg, 'high');
  rig.conference.keyFrameNeeded(rig.now, a.leg, 'single');
  rig.conference.keyFrameNeeded(rig.now, 999 as RigClient['leg'], 'high');
  rig.drain();
  expect(rig.effectsOf('request-key-frame')).toHaveLength(3);
});

test('many viewers that come together cost one request, and a second at most', () => {
  const { rig, clients } = conferenceOf(10);
  const [sender, ...viewers] = clients as [RigClient, ...RigClient[]];
  for (const viewer of viewers) rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  for (const viewer of viewers) rig.switched(viewer, 0, sender, 'high');
  rig.advance(5000);
  expect(requestTimes(rig, sender)).toEqual([1000, 2000]);
});

test('the interval is an option', () => {
  const { rig, clients } = conferenceOf(2, 250);
  const [sender] = clients as [RigClient];
  for (let i = 0; i < 3; i++) rig.conference.keyFrameNeeded(rig.now, sender.leg, 'low');
  rig.drain();
  rig.advance(1000);
  expect(requestTimes(rig, sender, 'low')).toEqual([1000, 1250]);
});

test('a wish is repeated each interval until the switch', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender, viewer] = clients as [RigClient, RigClient];
  rig.readings = true;
  rig.activity.set(sender, ['high']);
  rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  rig.advance(5500);
  expect(requestTimes(rig, sender)).toEqual([1000, 2000, 3000, 4000, 5000, 6000]);
  rig.switched(viewer, 0, sender, 'high');
  rig.advance(3000);
  expect(requestTimes(rig, sender)).toEqual([1000, 2000, 3000, 4000, 5000, 6000]);
});

test('a layer that is watched is refreshed every few seconds, one that nobody watches is not', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender, viewer] = clients as [RigClient, RigClient];
  rig.readings = true;
  rig.activity.set(sender, ['low', 'high']);
  rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  rig.switched(viewer, 0, sender, 'high');
  rig.advance(20_000);
  const times = requestTimes(rig, sender);
  const spacings = times.slice(1).map((at, i) => at - times[i]!);
  expect(times.length).toBeGreaterThanOrEqual(5);
  for (const spacing of spacings) expect(spacing).toBeLessThanOrEqual(4500);
  for (const spacing of spacings.slice(1)) expect(spacing).toBeGreaterThanOrEqual(4000);
  expect(requestTimes(rig, sender, 'low')).toEqual([]);
  rig.watch(viewer, []);
  rig.advance(20_000);
  expect(requestTimes(rig, sender).length).toBe(times.length);
});

test('a wish whose time passed is told again with a new request', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender, viewer] = clients as [RigClient, RigClient];
  rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  rig.advance(3000);
  const late = { receiver: viewer.leg, slot: 0, source: sender.leg, layer: 'high' as const };
  rig.conference.switchDeadlinePassed(rig.now, late);
  rig.drain();
  expect(rig.effectsOf('set-video-source', rig.now)).toMatchObject([
    { at: 'key-frame', source: { layer: 'high' } },
  ]);
  expect(requestTimes(rig, sender).at(-1)).toBe(rig.now);
  rig.switched(viewer, 0, sender, 'high');
  rig.conference.switchDeadlinePassed(rig.now, late);
  rig.drain();
  expect(rig.effectsOf('set-video-source', rig.now)).toHaveLength(1);
});

test('a deadline of an older wish, or of a receiver that left, changes nothing', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender, viewer] = clients as [RigClient, RigClient];
  rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  rig.watch(viewer, [{ userId: sender.userId, quality: 1 }]);
  const late = { receiver: viewer.leg, slot: 0, source: sender.leg, layer: 'high' as const };
  const before = rig.effects.length;
  rig.conference.switchDeadlinePassed(rig.now, late);
  rig.conference.switchDeadlinePassed(rig.now, { ...late, slot: 99 });
  rig.conference.sourceSwitched(rig.now, { ...late, slot: -1 });
  rig.drain();
  expect(rig.effects.length).toBe(before);
  rig.hangUp(viewer);
  rig.conference.switchDeadlinePassed(rig.now, { ...late, layer: 'low' });
  rig.conference.sourceSwitched(rig.now, { ...late, layer: 'low' });
  rig.drain();
  expect(rig.effectsOf('set-video-source')).toHaveLength(2);
});

test('a camera that is off is not asked each second for ever', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender, viewer] = clients as [RigClient, RigClient];
  rig.readings = true;
  rig.watch(viewer, [{ userId: sender.userId, quality: 2 }]);
  rig.advance(60_000);
  expect(requestTimes(rig, sender)).toEqual([1000, 2000, 3000]);
  rig.activity.set(sender, ['high']);
  rig.advance(300);
  expect(requestTimes(rig, sender)).toHaveLength(4);
});

test('the sender that leaves takes its pending requests along', () => {
  const { rig, clients } = conferenceOf(2);
  const [sender] = clients as [RigClient];
  rig.conference.keyFrameNeeded(rig.now, sender.leg, 'high');
  rig.conference.keyFrameNeeded(rig.now, sender.leg, 'high');
  rig.drain();
  rig.hangUp(sender);
  rig.advance(5000);
  expect(requestTimes(rig, sender)).toEqual([1000]);
});
