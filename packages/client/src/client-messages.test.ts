import { offersSimulcast, type ParticipantsMessage, parseMessage, parseToolVersion } from '@conclave/econn';
import { describe, expect, test } from 'vitest';
import { ClientMessages } from './client-messages.ts';

const messages = new ClientMessages('conference', 'self');
const read = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('messages of a client', () => {
  test('ask for a place with selected voices and pictures, and carry the access token', () => {
    const accessToken = { username: 'd=1.v=1.k=0.s=1.r=x', credential: 'proof' };
    const text = messages.connect({ update: false, videoSlots: 12, accessToken });
    expect(read(text)).toMatchObject({
      type: 'CONFCONN',
      sessid: 'conference',
      src_userid: 'self',
      src_clientid: '_',
      dest_userid: 'SFT',
      dest_clientid: '_',
      resp: false,
      update: false,
      selective_audio: true,
      selective_video: true,
      vstreams: 12,
      ...accessToken,
    });
    const version = parseToolVersion(String(read(text).toolver));
    expect(offersSimulcast(version)).toBe(true);
    const plain = messages.connect({ update: true, videoSlots: 0, accessToken: undefined });
    expect(read(plain)).not.toHaveProperty('credential');
  });

  test('go to the server under the names that it expects', () => {
    const props = { muted: 'true' };
    for (const [text, type, response] of [
      [messages.answer('SETUP', 'v=0', props), 'SETUP', true],
      [messages.answer('UPDATE', 'v=0', props), 'UPDATE', true],
      [messages.props(props, false), 'PROPSYNC', false],
      [messages.ping(), 'PING', false],
      [messages.hangup(true), 'HANGUP', true],
    ] as const) {
      expect(parseMessage(text)).toMatchObject({
        type,
        response,
        sessionId: 'conference',
        sourceUserId: 'self',
        destinationUserId: 'sft',
        destinationClientId: 'SFT',
      });
    }
  });

  test('authorise all others who are accepted, never oneself, with the numbers of the list', () => {
    const entry = (userId: string, audioSsrc: number) => ({
      userId,
      clientId: '_',
      authorized: false,
      audioSsrc,
      videoSsrc: audioSsrc + 1,
      timestamp: 0,
    });
    const list = { participants: [entry('a', 10), entry('self', 20), entry('b', 30), entry('stranger', 40)] };
    const text = messages.authorise(list as unknown as ParticipantsMessage, (id) => id !== 'stranger');
    expect(parseMessage(text)).toMatchObject({
      type: 'CONFPART',
      response: true,
      participants: [
        { userId: 'a', authorized: true, audioSsrc: 10, videoSsrc: 11 },
        { userId: 'b', authorized: true, audioSsrc: 30, videoSsrc: 31 },
      ],
    });
  });
});
