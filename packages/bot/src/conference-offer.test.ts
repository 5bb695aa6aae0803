import { parseAnswer } from '@conclave/sdp';
import { describe, expect, it } from 'vitest';
import { offerWith } from '../test/media-pair.ts';
import { readConferenceOffer, writeConferenceAnswer } from './conference-offer.ts';

const text = offerWith(
  [{ mid: '1', ssrc: 4001, id: 'a1' }],
  [{ mid: '2', ssrc: 4002, rtxSsrc: 4003, id: 'v2' }],
);

describe('a bot reads an offer', () => {
  it('finds credentials, candidates, slots and what their media may do', () => {
    const offer = readConferenceOffer(text);
    expect(offer.ice).toMatchObject({
      ufrag: 'abcdEFGH',
      candidates: [expect.stringContaining('192.0.2.1')],
    });
    expect(offer.video?.rtxPayloadType).toBe(101);
    expect(offer.slots.map(({ kind, mid, ssrc, rtxSsrc }) => [kind, mid, ssrc, rtxSsrc])).toEqual([
      ['audio', '1', 4001, undefined],
      ['video', '2', 4002, 4003],
    ]);
    expect(offer.slots.map(({ media }) => media.feedback.nack)).toEqual([false, true]);
  });

  it.each([
    ['not-bundled', /^a=group:.*\r\n/m],
    ['missing-ice', /^a=ice-pwd:.*\r\n/gm],
    ['missing-fingerprint', /^a=fingerprint:.*\r\n/gm],
    ['missing-audio', /^a=mid:audio\r\n/m],
    ['missing-slot-ssrc', /^a=ssrc:4001.*\r\n/gm],
  ])('refuses one with %s', (code, missing) => {
    expect(() => readConferenceOffer(text.replace(missing, ''))).toThrow(expect.objectContaining({ code }));
  });
});

describe('its answer', () => {
  const parts = {
    ufrag: 'wxyz',
    pwd: 'a'.repeat(24),
    fingerprint: Array(32).fill('CD').join(':'),
    candidates: ['1 1 UDP 2122194687 192.0.2.9 50000 typ host'],
    cname: 'bot',
    audioSsrc: 5001,
    video: { ssrc: 5002, rtxSsrc: 5003 },
  };

  it('is what the server takes, with one layer of video', () => {
    const answer = parseAnswer(writeConferenceAnswer(readConferenceOffer(text), parts));
    expect(answer.ice).toMatchObject({ ufrag: 'wxyz', candidates: parts.candidates });
    expect(answer.setup).toBe('active');
    expect(answer.audio).toMatchObject({ ssrc: 5001, direction: 'sendrecv' });
    expect(answer.audio.feedback.transportCc).toBe(false);
    expect(answer.video).toMatchObject({ rids: [], ssrcs: [5002], rtx: true });
    expect(answer.video?.repairs).toEqual([{ ssrc: 5002, rtxSsrc: 5003 }]);
    expect(answer.video?.extensions.genericFrameDescriptor).toBe(11);
    expect(answer.slots.map(({ mid }) => mid)).toEqual(['1', '2']);
    expect(answer.data.maxMessageSize).toBe(262_144);
  });
});
