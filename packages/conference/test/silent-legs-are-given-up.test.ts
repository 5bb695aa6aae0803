import { expect, test } from 'vitest';
import { CONVERSATION, ConferenceRig } from './conference-rig.ts';

test('an unanswered offer ends after ten seconds', () => {
  const rig = new ConferenceRig();
  rig.join('alice', { until: 'offer' });
  rig.advance(9999);
  expect(rig.ended).toBe(0);
  rig.advance(1);
  expect([...rig.closed.values()]).toEqual(['setup-timeout']);
  expect(rig.ended).toBe(1);
});

test('an answered call whose channel never opens ends after twenty seconds', () => {
  const rig = new ConferenceRig();
  rig.join('alice', { until: 'answer' });
  rig.advance(20_000);
  expect([...rig.closed.values()]).toEqual(['connect-timeout']);
});

test('pings are answered and keep the call up', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(120_000);
  expect(rig.conference.participants).toBe(1);
  const pongs = alice.received.filter((message) => message.type === 'PING');
  expect(pongs).toHaveLength(24);
  expect(pongs[0]).toMatchObject({
    response: true,
    sessionId: CONVERSATION,
    sourceUserId: 'sft',
    sourceClientId: '_',
    destinationUserId: 'alice',
    destinationClientId: '_',
  });
});

test('twenty seconds without a ping bring a hangup, five more without an answer the end', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(100);
  const bob = rig.join('bob');
  bob.pings = false;
  bob.confirmsHangup = false;
  rig.advance(19_999);
  expect(bob.received.some((message) => message.type === 'HANGUP')).toBe(false);
  rig.advance(1);
  expect(bob.received.at(-1)).toMatchObject({ type: 'HANGUP', response: false, sessionId: CONVERSATION });
  rig.advance(4999);
  expect(alice.roster).toEqual(['alice', 'bob']);
  rig.advance(1);
  expect(rig.closed.get(bob.leg)).toBe('ping-timeout');
  expect(alice.roster).toEqual(['alice']);
});

test('a silent client that confirms the hangup is closed at once', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  rig.advance(100);
  const bob = rig.join('bob');
  bob.pings = false;
  rig.advance(20_000);
  expect(rig.closed.get(bob.leg)).toBe('hangup');
  expect(alice.roster).toEqual(['alice']);
});

test('a ping after the hangup does not save the call, nor does one about another session', () => {
  const rig = new ConferenceRig();
  rig.join('alice');
  const bob = rig.join('bob');
  bob.pings = false;
  bob.confirmsHangup = false;
  rig.advance(19_000);
  rig.ping(bob, 'another');
  rig.advance(1000);
  expect(bob.received.at(-1)?.type).toBe('HANGUP');
  rig.ping(bob);
  rig.advance(5000);
  expect(rig.closed.get(bob.leg)).toBe('ping-timeout');
  expect(rig.conference.stats.ignoredMessages).toEqual({ 'wrong-session': 1, 'not-open': 1 });
});

test('all timers run by the timeout that is polled', () => {
  const rig = new ConferenceRig();
  const alice = rig.join('alice');
  alice.pings = false;
  alice.confirmsHangup = false;
  rig.runNextTimer();
  expect(rig.now).toBe(20_000);
  rig.runNextTimer();
  expect(rig.now).toBe(25_000);
  expect(rig.ended).toBe(1);
  expect(rig.conference.pollTimeout()).toBeUndefined();
});
