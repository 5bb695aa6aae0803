import { expect, test } from 'vitest';
import type { ConferenceRig, RigClient } from './conference-rig.ts';
import { LinkedRigs } from './linked-rigs.ts';

interface Two {
  readonly linked: LinkedRigs;
  readonly a: ConferenceRig;
  readonly b: ConferenceRig;
  readonly ann: RigClient;
  readonly bob: RigClient;
}

function two(): Two {
  const linked = new LinkedRigs(2);
  const [a, b] = linked.rigs as [ConferenceRig, ConferenceRig];
  const ann = a.join('ann');
  const bob = b.join('bob', { startsElsewhere: true });
  linked.advance(500);
  return { linked, a, b, ann, bob };
}

test('everybody is in one list, in one order, whatever server they are at', () => {
  const { linked, a, b, ann, bob } = two();
  const carl = b.join('carl', { startsElsewhere: true });
  linked.advance(300);
  const dora = a.join('dora');
  linked.advance(500);
  for (const client of [ann, bob, carl, dora]) expect(client.roster).toEqual(['ann', 'bob', 'carl', 'dora']);
  const ssrcs = (client: RigClient) =>
    client.lists.at(-1)!.participants.map((entry) => [entry.audioSsrc, entry.videoSsrc, entry.timestamp]);
  expect(ssrcs(bob)).toEqual(ssrcs(ann));
  expect(ann.lists.at(-1)!.sfts).toEqual(['https://sft0.example', 'https://sft1.example']);
});

test('the first of all announces the conference, nobody at another server does', () => {
  const { ann, bob } = two();
  expect(ann.lists.some((list) => list.shouldStart)).toBe(true);
  expect(bob.lists.some((list) => list.shouldStart)).toBe(false);
});

test('a client has its own list before the link is up, and the whole one after', () => {
  const linked = new LinkedRigs(2);
  const [a, b] = linked.rigs as [ConferenceRig, ConferenceRig];
  const bob = b.join('bob', { startsElsewhere: true });
  expect(bob.roster).toEqual(['bob']);
  a.join('ann');
  linked.advance(500);
  expect(bob.roster).toEqual(['ann', 'bob']);
});

test('who speaks is heard at all servers, with a level of its own', () => {
  const linked = new LinkedRigs(3);
  const [a, b, c] = linked.rigs as [ConferenceRig, ConferenceRig, ConferenceRig];
  const ann = a.join('ann');
  linked.advance(200);
  const bob = b.join('bob', { startsElsewhere: true });
  const bea = b.join('bea', { startsElsewhere: true });
  const cleo = c.join('cleo', { startsElsewhere: true });
  linked.advance(1000);
  b.speak(bob, 30);
  linked.advance(1000);
  expect(linked.hears(a, ann, bob)).toBe(true);
  expect(linked.hears(b, bea, bob)).toBe(true);
  expect(linked.hears(c, cleo, bob)).toBe(true);
  expect(linked.arrives(a, bea, 'audio')).toBe(false);
  c.speak(cleo, 25);
  linked.advance(1000);
  for (const [rig, client] of [
    [a, ann],
    [b, bob],
    [b, bea],
  ] as const) {
    expect(linked.hears(rig, client, cleo)).toBe(true);
  }
});

test('audio of the silent does not cross, but that of the first in the list', () => {
  const { linked, a, b, ann, bob } = two();
  linked.advance(3000);
  expect(linked.arrives(b, ann, 'audio')).toBe(true);
  expect(linked.arrives(a, bob, 'audio')).toBe(false);
});

test('video crosses only while somebody watches it, and in the watched layer', () => {
  const { linked, a, b, ann, bob } = two();
  a.activity.set(ann, ['low', 'high']);
  linked.advance(1500);
  expect(linked.arrives(b, ann, 'low')).toBe(false);
  expect(linked.arrives(b, ann, 'high')).toBe(false);
  b.watch(bob, [{ userId: 'ann', quality: 1 }]);
  linked.advance(200);
  expect(linked.arrives(b, ann, 'low')).toBe(true);
  expect(linked.arrives(b, ann, 'high')).toBe(false);
  expect(b.sees(bob, 0)).toMatchObject({ leg: linked.legAt(b, ann), layer: 'low' });
  b.watch(bob, []);
  linked.advance(200);
  expect(linked.arrives(b, ann, 'low')).toBe(false);
});

test('a change of layer keeps the old one coming until the new one has taken over', () => {
  const { linked, a, b, ann, bob } = two();
  a.activity.set(ann, ['low', 'high']);
  linked.advance(1500);
  b.watch(bob, [{ userId: 'ann', quality: 1 }]);
  linked.advance(200);
  const standIn = linked.legAt(b, ann)!;
  b.conference.sourceSwitched(b.now, { receiver: bob.leg, slot: 0, source: standIn, layer: 'low' });
  b.drain();
  b.watch(bob, [{ userId: 'ann', quality: 2 }]);
  linked.advance(200);
  expect([linked.arrives(b, ann, 'low'), linked.arrives(b, ann, 'high')]).toEqual([true, true]);
  b.conference.sourceSwitched(b.now, { receiver: bob.leg, slot: 0, source: standIn, layer: 'high' });
  b.drain();
  linked.advance(200);
  expect([linked.arrives(b, ann, 'low'), linked.arrives(b, ann, 'high')]).toEqual([false, true]);
});

test('who sends one layer only is seen in that one at other servers too', () => {
  const { linked, a, b, ann, bob } = two();
  a.activity.set(ann, ['low']);
  linked.advance(1500);
  b.watch(bob, [{ userId: 'ann', quality: 2 }]);
  linked.advance(500);
  expect(linked.arrives(b, ann, 'low')).toBe(true);
  a.activity.set(ann, ['low', 'high']);
  linked.advance(2000);
  expect(linked.arrives(b, ann, 'high')).toBe(true);
});

test('video of one joiner reaches another through the anchor, although nobody watches it there', () => {
  const linked = new LinkedRigs(3);
  const [a, b, c] = linked.rigs as [ConferenceRig, ConferenceRig, ConferenceRig];
  a.join('ann');
  const bob = b.join('bob', { startsElsewhere: true });
  const cleo = c.join('cleo', { startsElsewhere: true });
  b.activity.set(bob, ['low', 'high']);
  linked.advance(1500);
  expect(linked.arrives(a, bob, 'high')).toBe(false);
  c.watch(cleo, [{ userId: 'bob', quality: 2 }]);
  linked.advance(500);
  expect(linked.arrives(c, bob, 'high')).toBe(true);
});

test('nothing crosses before somebody there and the sender authorised each other', () => {
  const linked = new LinkedRigs(2);
  const [a, b] = linked.rigs as [ConferenceRig, ConferenceRig];
  const ann = a.join('ann');
  ann.authorises = () => false;
  const bob = b.join('bob', { startsElsewhere: true });
  a.activity.set(ann, ['low', 'high']);
  a.speak(ann, 20);
  linked.advance(1500);
  b.watch(bob, [{ userId: 'ann', quality: 2 }]);
  linked.advance(1000);
  expect(bob.roster).toContain('ann');
  expect(linked.arrives(b, ann, 'audio')).toBe(false);
  expect(linked.arrives(b, ann, 'high')).toBe(false);
  ann.authorises = () => true;
  a.authorise(ann, a.othersOf(ann));
  linked.advance(1000);
  expect(linked.hears(b, bob, ann)).toBe(true);
  expect(linked.arrives(b, ann, 'high')).toBe(true);
});

test('mute, camera and what servers do not know reach the other side', () => {
  const { linked, a, ann, bob } = two();
  a.sync(ann, { muted: 'true', videosend: 'true', 'x-box': 'sealed' });
  linked.advance(500);
  expect(bob.propsOf('ann')).toMatchObject({ muted: 'true', videosend: 'true', 'x-box': 'sealed' });
  linked.rigs[0]!.join('eve');
  linked.advance(500);
  expect(bob.lists.at(-1)!.participants.find((p) => p.userId === 'ann')?.muted).toBe(true);
});

test('key frames are asked for across the link, and by nobody who has the picture', () => {
  const { linked, a, b, ann, bob } = two();
  a.activity.set(ann, ['low', 'high']);
  linked.advance(1500);
  b.watch(bob, [{ userId: 'ann', quality: 2 }]);
  linked.advance(100);
  const standIn = linked.legAt(b, ann);
  expect(b.effectsOf('request-key-frame', 1500)).toContainEqual({
    type: 'request-key-frame',
    leg: standIn,
    layer: 'high',
  });
});

test('who leaves is gone everywhere; the server whose last one leaves parts from the anchor, which goes on', () => {
  const { linked, a, b, ann, bob } = two();
  const carl = b.join('carl', { startsElsewhere: true });
  linked.advance(500);
  b.hangUp(bob);
  linked.advance(500);
  expect(ann.roster).toEqual(['ann', 'carl']);
  b.hangUp(carl);
  linked.advance(500);
  expect(ann.roster).toEqual(['ann']);
  expect(b.ended).toBe(1);
  expect(a.ended).toBe(0);
  expect(a.effectsOf('close-link')).toHaveLength(1);
  a.hangUp(ann);
  linked.advance(100);
  expect(a.ended).toBe(1);
});

test('the anchor keeps the conference when its own people have left, until the others have', () => {
  const { linked, a, b, ann, bob } = two();
  const carl = b.join('carl', { startsElsewhere: true });
  linked.advance(500);
  a.hangUp(ann);
  linked.advance(500);
  expect(a.ended).toBe(0);
  expect(bob.roster).toEqual(['bob', 'carl']);
  b.hangUp(bob);
  b.hangUp(carl);
  linked.advance(500);
  expect([a.ended, b.ended]).toEqual([1, 1]);
});

test('a link that breaks and returns within the grace time loses nobody', () => {
  const { linked, a, b, ann, bob } = two();
  const before = ann.lists.at(-1)!.participants;
  linked.cut(1);
  linked.advance(5000);
  expect(ann.roster).toEqual(['ann', 'bob']);
  expect(linked.hears(b, bob, ann)).toBe(false);
  linked.connect(1);
  linked.advance(1000);
  expect(ann.lists.at(-1)!.participants.map((p) => p.audioSsrc)).toEqual(before.map((p) => p.audioSsrc));
  b.speak(bob, 20);
  linked.advance(1000);
  expect(linked.hears(a, ann, bob)).toBe(true);
  expect(linked.hears(b, bob, ann)).toBe(true);
});

test('after the grace time those behind a broken link are gone, and those here stay together', () => {
  const { linked, b, ann, bob } = two();
  const carl = b.join('carl', { startsElsewhere: true });
  linked.advance(500);
  linked.cut(1);
  linked.advance(11_000);
  expect(ann.roster).toEqual(['ann']);
  expect(bob.roster).toEqual(['bob', 'carl']);
  b.speak(carl, 20);
  linked.advance(1000);
  expect(linked.hears(b, bob, carl)).toBe(true);
});

test('who reconnects at its own server stays listed at the other, and its streams follow', () => {
  const { linked, a, b, ann, bob } = two();
  const lists = bob.lists.length;
  a.update(ann);
  linked.advance(1000);
  expect(bob.roster).toContain('ann');
  expect(bob.lists.slice(lists).every((list) => list.participants.some((p) => p.userId === 'ann'))).toBe(
    true,
  );
  a.speak(ann, 20);
  linked.advance(1000);
  expect(linked.hears(b, bob, ann)).toBe(true);
});

test('another server cannot speak for people who are not its own', () => {
  const { linked, a, b, ann } = two();
  const wire = linked.wires[0]!;
  const eve = a.join('eve');
  linked.advance(500);
  const forged = { userId: 'eve', clientId: '_', conversation: '337c1d4c3d183624b040f9228f9abc45' };
  a.conference.linkMessage(a.now, wire.anchor.link, { type: 'props', ...forged, props: { muted: 'true' } });
  a.conference.linkMessage(a.now, wire.anchor.link, {
    type: 'participants',
    conversation: forged.conversation,
    participants: [
      {
        ...forged,
        audioSsrc: 99,
        videoSsrc: 98,
        joinIndex: 0,
        streams: [{ stream: 'audio', ssrc: 97 }],
      },
    ],
  });
  a.drain();
  linked.advance(500);
  expect(ann.propsOf('eve')?.muted).not.toBe('true');
  expect(ann.lists.at(-1)!.participants.find((p) => p.userId === 'eve')?.audioSsrc).toBe(eve.audioSsrc);
  expect(b.clients.size).toBe(1);
});

test('twenty people behind a link cost messages for changes, not for time', () => {
  const { linked, b } = two();
  for (let i = 0; i < 18; i++) {
    b.join(`guest${i}`, { startsElsewhere: true });
    linked.advance(120);
  }
  linked.advance(3000);
  const before = linked.linkCharacters;
  linked.advance(10_000);
  expect(linked.linkCharacters).toBe(before);
});
