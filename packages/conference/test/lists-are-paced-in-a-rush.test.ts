import { expect, test } from 'vitest';
import { ConferenceRig } from './conference-rig.ts';

test('the first change goes out at once, those in the next 100 ms together', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(1000);
  rig.join('bob');
  expect(alice.roster).toEqual(['alice', 'bob']);
  const lists = alice.lists.length;
  rig.advance(10);
  rig.join('carol');
  rig.advance(10);
  rig.join('dave');
  rig.advance(79);
  expect(alice.lists.length).toBe(lists);
  rig.advance(1);
  expect(alice.lists.length).toBe(lists + 1);
  expect(alice.roster).toEqual(['alice', 'bob', 'carol', 'dave']);
});

test('large conferences are told less often', () => {
  const rig = new ConferenceRig();
  for (let i = 0; i < 50; i++) rig.join(`user${i}`);
  rig.advance(1000);
  const before = rig.conference.stats.rosterBroadcasts;
  rig.join('late1');
  rig.advance(100);
  rig.join('late2');
  rig.advance(103);
  expect(rig.conference.stats.rosterBroadcasts).toBe(before + 1);
  rig.advance(1);
  expect(rig.conference.stats.rosterBroadcasts).toBe(before + 2);
});

test('a hundred joins within a second cost a few dozen lists, and end with the same one for all', () => {
  const rig = new ConferenceRig();
  const clients = Array.from({ length: 100 }, (_, i) => {
    rig.advance(10);
    return rig.join(`user${i}`);
  });
  rig.advance(1000);
  expect(rig.conference.stats.rosterBroadcasts).toBeLessThan(15);
  const last = new Set(clients.map((client) => client.lists.at(-1)?.entropy));
  expect(last.size).toBe(1);
  expect(clients[7]?.roster).toEqual(clients.map((client) => client.userId));
  for (const client of clients) expect(rig.permissions.get(client.leg)).toHaveLength(99);
});
