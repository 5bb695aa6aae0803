import { FormatError } from '@conclave/bytes';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ConferenceMessage,
  encodeMessage,
  MAX_ID_LENGTH,
  MAX_PARTICIPANTS,
  MAX_PROPS,
  MAX_STREAMS,
  parseMessage,
} from '../src/index.ts';

const SEED = 20_261_121;

/** Reads the text; whatever was read is within bounds and survives being written and read again. */
function read(text: string): ConferenceMessage | undefined {
  let message: ConferenceMessage;
  try {
    message = parseMessage(text);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    expect(error.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    return undefined;
  }
  expect(message.sessionId.length).toBeLessThanOrEqual(MAX_ID_LENGTH);
  expect(message.sourceUserId).not.toMatch(/[\r\n]/);
  if (message.type === 'CONFPART') expect(message.participants.length).toBeLessThanOrEqual(MAX_PARTICIPANTS);
  if (message.type === 'CONFSTREAMS') expect(message.streams.length).toBeLessThanOrEqual(MAX_STREAMS);
  if (message.type === 'PROPSYNC') expect(Object.keys(message.props).length).toBeLessThanOrEqual(MAX_PROPS);
  if (message.type !== 'other') expect(parseMessage(encodeMessage(message))).toEqual(message);
  return message;
}

const anyLine = fc.string({ unit: 'binary', maxLength: 20 });
const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom('', '__proto__', '4294967296', '1e9', -0, 2 ** 53, '\ud800', 'a\nb', 'x'.repeat(128)),
);
const participant = fc.record(
  {
    userid: anyLine,
    clientid: fc.constant('_'),
    authorized: fc.boolean(),
    ssrc_audio: fc.nat().map(String),
    ssrc_video: fc.nat().map(String),
    timestamp: fc.nat(),
    muted: fc.boolean(),
  },
  { requiredKeys: ['userid', 'clientid', 'authorized', 'ssrc_audio', 'ssrc_video'] },
);
const wireMessage = fc.record(
  {
    version: fc.constant('3.0'),
    type: fc.constantFrom(
      'CONFCONN',
      'SETUP',
      'UPDATE',
      'CONFPART',
      'PROPSYNC',
      'PING',
      'HANGUP',
      'CONFSTREAMS',
      'ALERT',
    ),
    sessid: fc.constantFrom('', 'G'),
    resp: fc.boolean(),
    src_userid: anyLine,
    src_clientid: fc.constant('_'),
    sdp: fc.string({ unit: 'binary' }),
    props: fc.dictionary(fc.string({ maxLength: 12 }), fc.string({ maxLength: 300 }), { maxKeys: 18 }),
    mode: fc.constantFrom('list', 'level'),
    streams: fc.array(fc.record({ userid: anyLine, quality: fc.nat(2) }), { maxLength: 4 }),
    participants: fc.array(participant, { maxLength: 4 }),
    sfts: fc.array(anyLine, { maxLength: 3 }),
    timestamp: fc.nat().map(String),
    seqno: fc.nat().map(String),
    entropy: anyLine,
    vstreams: fc.integer(),
    ice_servers: fc.array(fc.record({ urls: anyLine, username: anyLine, credential: anyLine }), {
      maxLength: 3,
    }),
    username: anyLine,
    credential: anyLine,
    update: fc.boolean(),
  },
  { requiredKeys: ['version', 'type', 'sessid', 'resp', 'sdp', 'props', 'mode', 'participants'] },
);

test('messages with fields of any value, as they are and with some replaced or removed', () => {
  let accepted = 0;
  const replacement = fc.dictionary(
    fc.constantFrom(
      'version',
      'type',
      'sessid',
      'resp',
      'props',
      'participants',
      'streams',
      'sdp',
      'ice_servers',
      'sfts',
    ),
    fc.option(oddValue, { nil: undefined }),
    { maxKeys: 3 },
  );
  const property = fc.property(wireMessage, replacement, (message, changes) => {
    if (read(JSON.stringify({ ...message, ...changes }))) accepted++;
  });
  fc.assert(property, { seed: SEED, numRuns: 1500 });
  expect(accepted).toBeGreaterThan(100);
});

test('messages with characters cut out or put in', () => {
  const edit = fc.tuple(
    fc.nat(),
    fc.nat(6),
    fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('{', '[', '"', '\\', ',', '\0')),
  );
  const property = fc.property(
    wireMessage,
    fc.array(edit, { minLength: 1, maxLength: 4 }),
    (message, edits) => {
      let text = JSON.stringify(message);
      for (const [at, length, insert] of edits) {
        const from = at % (text.length + 1);
        text = text.slice(0, from) + insert + text.slice(from + length);
      }
      read(text);
    },
  );
  fc.assert(property, { seed: SEED, numRuns: 1500 });
});

test('any text and any JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => void read(text)),
    { seed: SEED, numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.json(), (text) => void read(text)),
    { seed: SEED, numRuns: 500 },
  );
});

test('the largest list that is allowed is written and read', () => {
  const participants = Array.from({ length: MAX_PARTICIPANTS }, (_, i) => ({
    userid: String(i).padStart(32, '0'),
    clientid: '_',
    authorized: false,
    ssrc_audio: '4294967295',
    ssrc_video: '4294967295',
    timestamp: i,
    muted: false,
  }));
  const text = JSON.stringify({ version: '3.0', type: 'CONFPART', sessid: '', resp: false, participants });
  expect(read(text)?.type).toBe('CONFPART');
});
