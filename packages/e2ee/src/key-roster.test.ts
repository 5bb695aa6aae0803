import { fromHex } from '@conclave/bytes';
import { type ParticipantsMessage, parseMessage } from '@conclave/econn';
import { describe, expect, test } from 'vitest';
import { encodeRosterSalt } from './key-derivation.ts';
import { keyGenerator, keyRosterOf } from './key-roster.ts';

function list(overrides: object = {}): ParticipantsMessage {
  const participant = (userid: string, ssrc: number) => ({
    userid,
    clientid: '_',
    authorized: false,
    ssrc_audio: String(ssrc),
    ssrc_video: String(ssrc + 1),
  });
  const message = parseMessage(
    JSON.stringify({
      version: '3.0',
      type: 'CONFPART',
      sessid: '',
      resp: false,
      should_start: false,
      timestamp: '1795232400015',
      seqno: '5',
      entropy: 'qrs=',
      participants: [participant('x', 10), participant('a', 20)],
      ...overrides,
    }),
  );
  if (message.type !== 'CONFPART') throw new Error('not a list');
  return message;
}

const member = { userId: 'user-a', clientId: 'd' };
const memberOf = (hash: string) => (hash === 'a' ? member : undefined);

describe('key roster', () => {
  test('is the list with its members; the first of those makes the keys', () => {
    const roster = keyRosterOf(list(), memberOf);
    expect(roster).toEqual({
      timestampMs: 1795232400015,
      sequenceNumber: 5,
      entropy: fromHex('aabb'),
      participants: [
        { userHash: 'x', audioSsrc: 10, videoSsrc: 11, member: undefined },
        { userHash: 'a', audioSsrc: 20, videoSsrc: 21, member },
      ],
    });
    expect(keyGenerator(roster)?.userHash).toBe('a');
    expect(keyGenerator(keyRosterOf(list(), () => undefined))).toBeUndefined();
  });

  test('any list that can be read has a salt', () => {
    for (const overrides of [
      { entropy: 'not base64!' },
      { entropy: undefined },
      { timestamp: '9007199254740991', seqno: '4294967295' },
      { timestamp: undefined, seqno: undefined },
      { participants: [] },
    ]) {
      const salt = encodeRosterSalt(keyRosterOf(list(overrides), memberOf));
      expect(salt.length).toBeGreaterThanOrEqual(12);
    }
  });
});
