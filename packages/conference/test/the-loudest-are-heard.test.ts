import { expect, test } from 'vitest';
import { ConferenceRig, type RigClient } from './conference-rig.ts';

function conferenceOf(count: number): { rig: ConferenceRig; clients: RigClient[] } {
  const rig = new ConferenceRig();
  const clients = Array.from({ length: count }, (_, i) => rig.join(`user${i}`));
  rig.advance(1000);
  rig.readings = true;
  return { rig, clients };
}

function inSlots(rig: ConferenceRig, clients: readonly RigClient[]): number[] {
  return clients.flatMap((client, index) => (rig.slots.indexOf(client.leg) > 0 ? [index] : []));
}

test('the first of the list is in slot 0, silent or not, and in no other', () => {
  const { rig, clients } = conferenceOf(3);
  expect(rig.slots[0]).toBe(clients[0]!.leg);
  rig.speak(clients[0]!, 10);
  rig.advance(1000);
  expect(rig.slots).toEqual([clients[0]!.leg, undefined, undefined, undefined, undefined]);
});

test('five with constant tones of equal loudness all hear each other', () => {
  const { rig, clients } = conferenceOf(5);
  for (const client of clients) rig.speak(client, 20);
  rig.advance(200);
  for (const receiver of clients) {
    for (const sender of clients) expect(rig.hears(receiver, sender)).toBe(receiver !== sender);
  }
  const changes = rig.conference.stats.speakerChanges;
  rig.advance(10_000);
  expect(rig.conference.stats.speakerChanges).toBe(changes);
});

test('a sixth of equal loudness displaces nobody', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 20);
  rig.advance(2000);
  rig.speak(clients[5]!, 20);
  rig.advance(3000);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
});

test('a challenger that is 6 dB louder gets in after 200 ms, not before', () => {
  const { rig, clients } = conferenceOf(6);
  for (const [i, client] of clients.slice(0, 5).entries()) rig.speak(client, 30 + i);
  rig.advance(2050);
  rig.speak(clients[5]!, 28);
  rig.advance(200);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
  rig.advance(100);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 5]);
});

test('a challenger that is only 5 dB louder does not', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 33);
  rig.advance(2000);
  rig.speak(clients[5]!, 28);
  rig.advance(3000);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
});

test('a short loud noise does not displace a speaker', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 30);
  rig.advance(2050);
  rig.speak(clients[5]!, 5);
  rig.advance(150);
  rig.speak(clients[5]!, undefined);
  rig.advance(2000);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
});

test('a new holder keeps its slot for a second, however loud the next one is', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 40);
  rig.advance(150);
  const since = rig.now - 150;
  rig.speak(clients[5]!, 5);
  rig.advance(since + 950 - rig.now);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
  rig.advance(100);
  expect(inSlots(rig, clients)).toContain(5);
});

test('a holder that falls silent frees its slot after two seconds', () => {
  const { rig, clients } = conferenceOf(3);
  rig.speak(clients[1]!, 20);
  rig.advance(1050);
  rig.speak(clients[1]!, undefined);
  rig.advance(1900);
  expect(inSlots(rig, clients)).toEqual([1]);
  rig.advance(100);
  expect(inSlots(rig, clients)).toEqual([]);
});

test('muted participants lose their slot by silence like others', () => {
  const { rig, clients } = conferenceOf(3);
  rig.speak(clients[1]!, 20);
  rig.advance(1050);
  rig.sync(clients[1]!, { muted: 'true' });
  rig.speak(clients[1]!, 127);
  rig.advance(2000);
  expect(inSlots(rig, clients)).toEqual([]);
});

test('somebody in a pause between words keeps the slot against nobody, but yields at once to a talker', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 20);
  rig.advance(2050);
  rig.speak(clients[3]!, undefined);
  rig.advance(600);
  expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
  rig.onset(clients[5]!);
  expect(inSlots(rig, clients)).toEqual([1, 2, 4, 5]);
});

test('an onset is heard at once when a slot is free, without waiting for a reading', () => {
  const { rig, clients } = conferenceOf(3);
  rig.onset(clients[2]!);
  expect(rig.hears(clients[1]!, clients[2]!)).toBe(true);
});

test('faint noise without voice takes no slot, loud noise without voice does', () => {
  const { rig, clients } = conferenceOf(4);
  rig.readings = false;
  const noise = (client: RigClient, level: number, voicePackets: number) => ({
    leg: client.leg,
    packets: 3,
    meanLevel: level,
    peakLevel: level,
    voicePackets,
  });
  rig.conference.audioLevels(rig.now, [
    noise(clients[1]!, 95, 0),
    noise(clients[2]!, 95, 1),
    noise(clients[3]!, 80, 0),
  ]);
  rig.drain();
  expect(inSlots(rig, clients)).toEqual([2, 3]);
  rig.conference.audioLevels(rig.now, [{ ...noise(clients[1]!, 110, 3), voicePackets: 3 }]);
  rig.drain();
  expect(inSlots(rig, clients)).toEqual([2, 3]);
});

test('who is authorised by nobody takes no slot from others, and gets one when that changes', () => {
  const { rig, clients } = conferenceOf(3);
  const mallory = rig.join('mallory');
  for (const client of clients)
    rig.authorise(
      client,
      rig.othersOf(client).filter(({ userId }) => userId !== 'mallory'),
    );
  rig.speak(mallory, 5);
  rig.advance(1000);
  expect(rig.slots).not.toContain(mallory.leg);
  rig.authorise(clients[1]!, rig.othersOf(clients[1]!));
  expect(rig.slots).toContain(mallory.leg);
  expect(rig.hears(clients[1]!, mallory)).toBe(true);
  expect(rig.hears(clients[2]!, mallory)).toBe(false);
});

test('when the first leaves, the next one moves to slot 0 out of its own', () => {
  const { rig, clients } = conferenceOf(3);
  for (const client of clients) rig.speak(client, 20);
  rig.advance(1000);
  rig.hangUp(clients[0]!);
  expect(rig.slots[0]).toBe(clients[1]!.leg);
  expect(inSlots(rig, clients)).toEqual([2]);
  expect(rig.hears(clients[2]!, clients[1]!)).toBe(true);
});

test('who moves from first to last competes like the others, with its loudness known', () => {
  const { rig, clients } = conferenceOf(3);
  for (const client of clients) rig.speak(client, 20);
  rig.advance(1000);
  rig.update(clients[0]!);
  expect(rig.slots[0]).toBe(clients[1]!.leg);
  expect(inSlots(rig, clients)).toEqual([0, 2]);
});

test('being louder now and then does not add up to a challenge', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 30);
  rig.advance(2050);
  for (let i = 0; i < 10; i++) {
    rig.speak(clients[5]!, 5);
    rig.advance(100);
    rig.speak(clients[5]!, 60);
    rig.advance(400);
    expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
  }
});

test('being louder before and after a pause does not add up to a challenge', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 5)) rig.speak(client, 75);
  rig.advance(2050);
  for (let i = 0; i < 5; i++) {
    rig.speak(clients[5]!, 20);
    rig.advance(100);
    rig.speak(clients[5]!, undefined);
    rig.advance(600);
    expect(inSlots(rig, clients)).toEqual([1, 2, 3, 4]);
  }
});

test('a slot is taken from who pauses rather than from who talks softly', () => {
  const { rig, clients } = conferenceOf(6);
  for (const client of clients.slice(0, 4)) rig.speak(client, 20);
  rig.speak(clients[4]!, 75);
  rig.advance(2050);
  rig.speak(clients[1]!, undefined);
  rig.advance(300);
  rig.onset(clients[5]!);
  expect(inSlots(rig, clients)).toEqual([2, 3, 4, 5]);
});
