import { expect, test } from 'vitest';
import type { ConferenceRig, RigClient } from './conference-rig.ts';
import { LinkedRigs } from './linked-rigs.ts';

interface Move {
  readonly linked: LinkedRigs;
  /** From where they move, and where to. */
  readonly old: ConferenceRig;
  readonly next: ConferenceRig;
  readonly clients: readonly RigClient[];
}

/** Three people at one server, and another one that is about to take them over. */
function begin(): Move {
  const linked = new LinkedRigs(2, false);
  const [old, next] = linked.rigs as [ConferenceRig, ConferenceRig];
  const clients = ['ann', 'bob', 'cleo'].map((name) => old.join(name));
  linked.advance(500);
  linked.connect(1, true);
  linked.advance(500);
  return { linked, old, next, clients };
}

function rostersOf(clients: readonly RigClient[]): string[][] {
  return clients.map((client) => client.roster);
}

test('people move one by one, and all have one list in the same order all the time', () => {
  const { linked, clients, next } = begin();
  const order = ['ann', 'bob', 'cleo'];
  for (const client of clients) {
    linked.move(client, 1);
    linked.advance(500);
    expect(rostersOf(clients)).toEqual([order, order, order]);
    const lists = clients.map(({ lists }) => lists.at(-1)!.participants);
    for (const list of lists) {
      expect(list.map((entry) => entry.audioSsrc)).toEqual(clients.map(({ audioSsrc }) => audioSsrc));
      expect(list).toEqual(lists[0]);
    }
  }
  expect(next.conference.callers).toBe(3);
});

test('nobody is ever seen in another place or missing, not even for one list', () => {
  const { linked, clients } = begin();
  const before = clients.map(({ lists }) => lists.length);
  for (const client of clients) {
    linked.move(client, 1);
    linked.advance(500);
  }
  for (const [i, client] of clients.entries())
    for (const list of client.lists.slice(before[i]))
      expect(list.participants.map((entry) => entry.userId)).toEqual(['ann', 'bob', 'cleo']);
});

test('who has moved and who has not hear each other', () => {
  const { linked, old, next, clients } = begin();
  const [ann, bob, cleo] = clients as [RigClient, RigClient, RigClient];
  for (const client of clients) old.speak(client, 30);
  linked.move(bob, 1);
  old.speak(bob, undefined);
  next.speak(bob, 30);
  linked.advance(1000);
  expect(linked.hears(old, ann, bob)).toBe(true);
  expect(linked.hears(next, bob, ann)).toBe(true);
  expect(linked.hears(next, bob, cleo)).toBe(true);
  expect(linked.hears(old, cleo, ann)).toBe(true);
});

test('the old server is done with its last client, and the new one goes on alone', () => {
  const { linked, old, next, clients } = begin();
  for (const client of clients) {
    expect(old.ended).toBe(0);
    linked.move(client, 1);
    linked.advance(500);
  }
  expect(old.ended).toBe(1);
  expect(next.conference.snapshot()).toMatchObject({ participants: 3, callers: 3, started: true });
  linked.advance(20_000);
  expect(rostersOf(clients)).toEqual(clients.map(() => ['ann', 'bob', 'cleo']));
  const dora = next.join('dora');
  linked.advance(500);
  expect(dora.roster).toEqual(['ann', 'bob', 'cleo', 'dora']);
  expect(dora.lists.some((list) => list.shouldStart)).toBe(false);
});

test('the old transport serves until the channel of the new one is open', () => {
  const { linked, old, clients } = begin();
  const [ann] = clients as [RigClient];
  const leg = ann.leg;
  linked.move(ann, 1, { until: 'answer' });
  linked.advance(2000);
  expect(old.closed.has(leg)).toBe(false);
  expect(old.conference.callers).toBe(3);
});

test('who closes the old transport before the old server hears of the new one keeps its place', () => {
  const { linked, old, clients } = begin();
  for (const client of clients) {
    const leg = client.leg;
    linked.move(client, 1);
    old.lose(client, leg);
    linked.advance(500);
    expect(rostersOf(clients)).toEqual(clients.map(() => ['ann', 'bob', 'cleo']));
  }
});

test('whose transport breaks while the others are moved is given up after a while', () => {
  const { linked, old, clients } = begin();
  const [ann, bob] = clients as [RigClient, RigClient];
  old.lose(ann);
  linked.advance(5000);
  expect(bob.roster).toEqual(['ann', 'bob', 'cleo']);
  linked.advance(6000);
  expect(bob.roster).toEqual(['bob', 'cleo']);
});

test('who is on the way when the old server ends keeps its place', () => {
  const { linked, old, next, clients } = begin();
  const [ann, bob, cleo] = clients as [RigClient, RigClient, RigClient];
  linked.move(ann, 1, { until: 'answer' });
  linked.move(bob, 1);
  linked.move(cleo, 1);
  old.lose(ann);
  linked.advance(1000);
  expect(old.ended).toBe(1);
  next.open(ann, next.conference.legOf('ann', '_')!);
  linked.advance(500);
  expect(rostersOf(clients)).toEqual(clients.map(() => ['ann', 'bob', 'cleo']));
});

test('who does not arrive stays where it was', () => {
  const { linked, old, next, clients } = begin();
  const [ann, bob] = clients as [RigClient, RigClient];
  linked.move(ann, 1, { until: 'offer' });
  next.clients.delete(ann);
  linked.advance(70_000);
  expect(old.closed.has(ann.leg)).toBe(false);
  expect(bob.roster).toEqual(['ann', 'bob', 'cleo']);
  expect(next.conference.callers).toBe(0);
});

test('who arrives sees whom it saw before, without asking again', () => {
  const { linked, old, next, clients } = begin();
  const [ann, bob] = clients as [RigClient, RigClient];
  old.watch(ann, [{ userId: bob.userId, quality: 2 }]);
  old.activity.set(bob, ['low', 'high']);
  linked.advance(2000);
  linked.move(ann, 1);
  linked.advance(2000);
  expect(next.sees(ann, 0)?.leg).toBe(linked.legAt(next, bob));
  expect(linked.arrives(next, bob, next.sees(ann, 0)!.layer)).toBe(true);
});

test('what people said about themselves moves with them', () => {
  const { linked, old, clients } = begin();
  const [ann, bob, cleo] = clients as [RigClient, RigClient, RigClient];
  old.sync(ann, { muted: 'true', videosend: 'false' });
  linked.advance(500);
  linked.move(ann, 1);
  linked.move(bob, 1);
  linked.advance(500);
  expect(bob.propsOf('ann')).toMatchObject({ muted: 'true' });
  expect(cleo.lists.at(-1)!.participants[0]).toMatchObject({ userId: 'ann', muted: true });
});

test('when the old server dies in the middle, those who moved go on', () => {
  const { linked, next, clients } = begin();
  const [ann, bob, cleo] = clients as [RigClient, RigClient, RigClient];
  linked.move(ann, 1);
  linked.advance(500);
  linked.move(cleo, 1, { until: 'answer' });
  linked.cut(1);
  linked.advance(1000);
  next.open(cleo, next.conference.legOf('cleo', '_')!);
  next.clients.add(bob);
  next.update(bob);
  linked.advance(15_000);
  expect(ann.roster).toEqual(['ann', 'cleo', 'bob']);
  expect(next.conference.callers).toBe(3);
});

test('a server that was prepared for nobody ends with the link', () => {
  const { linked, next } = begin();
  linked.advance(1000);
  expect(next.ended).toBe(0);
  linked.cut(1);
  linked.advance(30_000);
  expect(next.ended).toBe(1);
});

test('a server of another domain cannot claim who is here', () => {
  const linked = new LinkedRigs(2);
  const [a, b] = linked.rigs as [ConferenceRig, ConferenceRig];
  const ann = a.join('ann');
  b.join('bob', { startsElsewhere: true });
  linked.advance(500);
  b.clients.add(ann);
  b.update(ann);
  b.clients.delete(ann);
  linked.advance(500);
  expect(a.closed.size).toBe(0);
  expect(a.conference.callers).toBe(1);
});
