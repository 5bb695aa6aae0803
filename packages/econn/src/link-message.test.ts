import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLinkMessage, type LinkMessage, parseLinkMessage } from './link-message.ts';

const line = fc.stringMatching(/^[\w.:/-]{1,60}$/);
const id = fc.record({ userId: line, clientId: line });
const ssrc = fc.integer({ min: 0, max: 0xffffffff });
const layer = fc.constantFrom('low' as const, 'high' as const, 'single' as const);
const stream = fc.record({ stream: fc.constantFrom('audio' as const, 'low' as const), ssrc, rtxSsrc: ssrc });
const participant = fc
  .tuple(
    id,
    fc.record({
      audioSsrc: ssrc,
      videoSsrc: ssrc,
      joinIndex: ssrc,
      streams: fc.array(stream, { maxLength: 4 }),
    }),
  )
  .map(([names, rest]) => ({ ...names, ...rest }));
const body: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({ type: fc.constant('hello'), url: line }),
  fc.record({ type: fc.constant('participants'), participants: fc.array(participant, { maxLength: 5 }) }),
  fc
    .tuple(id, fc.array(id, { maxLength: 5 }))
    .map(([names, authorised]) => ({ type: 'authorisation', ...names, authorised })),
  id.map((names) => ({ type: 'props', ...names, props: { muted: 'true' } })),
  fc.tuple(id, fc.uniqueArray(layer)).map(([names, active]) => ({ type: 'layers', ...names, active })),
  fc.record({
    type: fc.constant('wants'),
    streams: fc.array(
      fc.tuple(id, layer).map(([names, wanted]) => ({ ...names, layer: wanted })),
      { maxLength: 5 },
    ),
  }),
  fc.record({ type: fc.constant('bye') }),
);
const message = fc
  .tuple(line, body)
  .map(([conversation, rest]) => ({ conversation, ...rest }) as unknown as LinkMessage);

test('what one server writes, the other reads', () => {
  fc.assert(
    fc.property(message, (value) => {
      expect(JSON.parse(JSON.stringify(parseLinkMessage(encodeLinkMessage(value))))).toEqual(
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});

test('a message cut off anywhere, or with a member of another kind, is refused with a reason', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.jsonValue(), (value, at, junk) => {
      const text = encodeLinkMessage(value);
      expect(() => parseLinkMessage(text.slice(0, at % text.length))).toThrow(FormatError);
      const members = JSON.parse(text) as Record<string, unknown>;
      const names = Object.keys(members);
      members[names[at % names.length]!] = junk;
      try {
        parseLinkMessage(JSON.stringify(members));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});

const good = { version: 'conclave-link-1', sessid: 'c', userid: 'u', clientid: '_' };

test.each([
  ['no version', { ...good, version: undefined, type: 'bye' }],
  ['a later version', { ...good, version: 'conclave-link-2', type: 'bye' }],
  ['a version of clients', { ...good, version: '3.0', type: 'HANGUP' }],
  ['no type', good],
  ['an unknown type', { ...good, type: 'takeover' }],
  ['no conversation', { ...good, sessid: undefined, type: 'bye' }],
  ['a conversation that could forge a log line', { ...good, sessid: 'a\nb', type: 'bye' }],
  ['a long URL', { ...good, type: 'hello', url: `https://${'x'.repeat(1100)}` }],
  ['a list that is none', { ...good, type: 'participants', participants: {} }],
  ['too many participants', { ...good, type: 'participants', participants: new Array(2001).fill({}) }],
  ['a participant that is none', { ...good, type: 'participants', participants: [7] }],
  ['an unknown layer', { ...good, type: 'layers', active: ['medium'] }],
  ['more layers than there are', { ...good, type: 'layers', active: ['low', 'low', 'low', 'low'] }],
  [
    'an SSRC beyond 32 bits',
    { ...good, type: 'participants', participants: [entry({ ssrc_audio: 2 ** 32 })] },
  ],
  ['an SSRC below 0', { ...good, type: 'participants', participants: [entry({ ssrc_video: -1 })] }],
  ['an SSRC as text', { ...good, type: 'participants', participants: [entry({ ssrc_audio: '5' })] }],
  ['five streams of one', { ...good, type: 'participants', participants: [entry({ streams: five() })] }],
  ['properties that are none', { ...good, type: 'props', props: [] }],
  ['a wish without a layer', { ...good, type: 'wants', streams: [{ userid: 'u', clientid: '_' }] }],
])('%s is refused', (_what, json) => {
  expect(() => parseLinkMessage(JSON.stringify(json))).toThrow(FormatError);
});

function entry(changes: Record<string, unknown>): Record<string, unknown> {
  return {
    userid: 'u',
    clientid: '_',
    ssrc_audio: 1,
    ssrc_video: 2,
    index: 0,
    streams: [],
    ...changes,
  };
}

function five(): unknown[] {
  return Array.from({ length: 5 }, (_, i) => ({ stream: 'audio', ssrc: i }));
}
