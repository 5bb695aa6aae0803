import { FormatError, Secret } from '@conclave/bytes';
import { describe, expect, test } from 'vitest';
import {
  type ConferenceMessage,
  MAX_ICE_SERVERS,
  MAX_MESSAGE_DEPTH,
  MAX_MESSAGE_LENGTH,
  MAX_PARTICIPANTS,
  MAX_SDP_LENGTH,
  MAX_STREAMS,
  parseMessage,
} from './index.ts';

const ENVELOPE = { version: '3.0', type: 'PING', sessid: 'G', resp: false };
const PARTICIPANT = { userid: 'A', clientid: '_', authorized: true, ssrc_audio: '1', ssrc_video: '2' };
const PROPS = { muted: 'false' };

const text = (fields: object): string => JSON.stringify({ ...ENVELOPE, ...fields });
const parse = (fields: object): ConferenceMessage => parseMessage(text(fields));

function codeOf(message: string): string {
  try {
    parseMessage(message);
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('the envelope', () => {
  test('is read, and absent ids are empty', () => {
    expect(parse({ src_userid: 'A', src_clientid: '_', dest_userid: 'SFT' })).toEqual({
      type: 'PING',
      sessionId: 'G',
      sourceUserId: 'A',
      sourceClientId: '_',
      destinationUserId: 'SFT',
      destinationClientId: '',
      response: false,
    });
  });

  test.each(['PING', 'ping', 'Ping'])('type %s is PING', (type) => {
    expect(parse({ type }).type).toBe('PING');
  });

  test('an empty session id is allowed', () => {
    expect(parse({ sessid: '' }).sessionId).toBe('');
  });

  test('unknown fields are ignored, even deep ones', () => {
    expect(parse({ extra: { a: [{ b: {} }] }, transient: true })).toEqual(parse({}));
  });

  test('null counts as absent', () => {
    expect(parse({ src_userid: null })).toEqual(parse({}));
  });

  test.each([
    'CANCEL',
    'GROUPSTART',
    'GROUPLEAVE',
    'GROUPCHECK',
    'GROUPSETUP',
    'CONFSTART',
    'CONFEND',
    'CONFKEY',
    'CONFCHECK',
    'REJECT',
    'ALERT',
    'DEVPAIR_PUBLISH',
    'DEVPAIR_ACCEPT',
  ])('%s is known but not read', (type) => {
    expect(parse({ type: type.toLowerCase() })).toMatchObject({ type: 'other', name: type, sessionId: 'G' });
  });

  test.each<[string, object, string]>([
    ['no version', { version: undefined }, 'missing-version'],
    ['another version', { version: '3.1' }, 'unsupported-version'],
    ['a version with more behind', { version: '3.0.1' }, 'unsupported-version'],
    ['a number as version', { version: 3.0 }, 'bad-version'],
    ['no type', { type: undefined }, 'missing-type'],
    ['an unknown type', { type: 'REQUEST-STREAMS' }, 'unknown-type'],
    ['the name of an inherited property', { type: 'constructor' }, 'unknown-type'],
    ['the name of what the parser makes of others', { type: 'other' }, 'unknown-type'],
    ['a type that is no text', { type: ['PING'] }, 'bad-type'],
    ['no session id', { sessid: undefined }, 'missing-sessid'],
    ['a long session id', { sessid: 'x'.repeat(128) }, 'bad-sessid'],
    ['a session id with a line break', { sessid: 'a\r\nb' }, 'bad-sessid'],
    ['a number as user id', { src_userid: 1 }, 'bad-src-userid'],
    ['a long user id', { src_userid: 'x'.repeat(128) }, 'bad-src-userid'],
    ['a user id with a control character', { dest_userid: 'a\u0085' }, 'bad-dest-userid'],
    ['a client id with a line separator', { src_clientid: '\u2028' }, 'bad-src-clientid'],
    ['no resp', { resp: undefined }, 'missing-resp'],
    ['a number as resp', { resp: 1 }, 'bad-resp'],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(text(fields))).toBe(code);
  });

  test('ids of 127 characters are accepted', () => {
    const id = 'x'.repeat(127);
    expect(parse({ sessid: id, src_userid: id })).toMatchObject({ sessionId: id, sourceUserId: id });
  });
});

describe('CONFCONN', () => {
  test('has defaults for all that is optional', () => {
    expect(parse({ type: 'CONFCONN' })).toMatchObject({
      iceServers: [],
      update: false,
      tool: '',
      toolVersion: '',
      status: 0,
      selectiveAudio: false,
      selectiveVideo: false,
      videoStreams: 0,
    });
  });

  test('keeps credentials out of sight', () => {
    const message = parse({
      type: 'CONFCONN',
      username: 'd=1',
      credential: 'hush',
      ice_servers: [{ urls: 'turn:turn.example', username: 'u', credential: 'hush' }],
    });
    expect(JSON.stringify(message)).not.toContain('hush');
    expect(message).toMatchObject({ credential: new Secret('hush') });
    if (message.type !== 'CONFCONN') throw new Error('not a CONFCONN');
    expect(message.credential?.reveal()).toBe('hush');
    expect(message.iceServers[0]?.credential?.reveal()).toBe('hush');
  });

  test.each([
    [-1, 0],
    [0, 0],
    [9, 9],
    [32, 32],
    [33, 32],
    [1e9, 32],
  ])('vstreams %d is taken as %d', (vstreams, expected) => {
    expect(parse({ type: 'CONFCONN', vstreams })).toMatchObject({ videoStreams: expected });
  });

  test.each([
    ['a text', 'turn:a', 'turn:a'],
    ['the first of a list', ['turn:a', 'turn:b'], 'turn:a'],
  ])('the URL of an ICE server is %s', (_, urls, url) => {
    expect(parse({ type: 'CONFCONN', ice_servers: [{ urls }] })).toMatchObject({ iceServers: [{ url }] });
  });

  test.each<[string, object, string]>([
    ['update as text', { update: 'true' }, 'bad-update'],
    ['vstreams as text', { vstreams: '9' }, 'bad-vstreams'],
    ['broken vstreams', { vstreams: 1.5 }, 'bad-vstreams'],
    ['a status that is none', { status: 'ok' }, 'bad-status'],
    ['a long tool', { tool: 'x'.repeat(256) }, 'bad-tool'],
    ['a tool with a line break', { tool: 'avs\n' }, 'bad-tool'],
    ['a long version', { toolver: '1'.repeat(256) }, 'bad-toolver'],
    ['a long URL', { sft_url: 'x'.repeat(1024) }, 'bad-sft-url'],
    ['a long user name', { username: 'x'.repeat(512) }, 'bad-username'],
    ['a long credential', { credential: 'x'.repeat(512) }, 'bad-credential'],
    ['a number as credential', { credential: 7 }, 'bad-credential'],
    ['ICE servers that are no list', { ice_servers: {} }, 'bad-ice-servers'],
    ['an ICE server that is none', { ice_servers: ['turn:a'] }, 'bad-ice-servers'],
    ['an ICE server without URL', { ice_servers: [{}] }, 'missing-urls'],
    ['an ICE server with an empty list', { ice_servers: [{ urls: [] }] }, 'missing-urls'],
    ['an ICE server with a number', { ice_servers: [{ urls: [1] }] }, 'bad-urls'],
    [
      'too many ICE servers',
      { ice_servers: Array(MAX_ICE_SERVERS + 1).fill({ urls: 'a' }) },
      'too-many-ice-servers',
    ],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(text({ type: 'CONFCONN', ...fields }))).toBe(code);
  });
});

test('a number beyond all bounds is no number', () => {
  expect(codeOf(text({ type: 'CONFCONN', vstreams: 9 }).replace(':9', ':1e400'))).toBe('bad-vstreams');
});

describe('SETUP and UPDATE', () => {
  test('UPDATE needs no props', () => {
    expect(parse({ type: 'UPDATE', sdp: 'v=0' })).toMatchObject({ sdp: 'v=0', props: {} });
  });

  test('an escaped slash is a slash', () => {
    const escaped = text({ type: 'SETUP', sdp: 'a/b', props: PROPS }).replace('a/b', 'a\\/b');
    expect(parseMessage(escaped)).toMatchObject({ sdp: 'a/b' });
  });

  test.each<[string, object, string]>([
    ['SETUP without sdp', { type: 'SETUP', props: PROPS }, 'missing-sdp'],
    ['SETUP without props', { type: 'SETUP', sdp: '' }, 'missing-props'],
    ['UPDATE without sdp', { type: 'UPDATE' }, 'missing-sdp'],
    ['a long sdp', { type: 'UPDATE', sdp: 'x'.repeat(MAX_SDP_LENGTH + 1) }, 'bad-sdp'],
    ['props that are a list', { type: 'SETUP', sdp: '', props: [] }, 'bad-props'],
    ['props that are a text', { type: 'SETUP', sdp: '', props: 'x' }, 'bad-props'],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(text(fields))).toBe(code);
  });
});

describe('CONFPART', () => {
  const part = (participant: object): string =>
    text({ type: 'CONFPART', participants: [{ ...PARTICIPANT, ...participant }] });

  test('the reply of a client, which leaves much out', () => {
    expect(
      parse({ type: 'CONFPART', resp: true, participants: [{ ...PARTICIPANT, pstn: false }] }),
    ).toMatchObject({
      shouldStart: false,
      timestampMs: 0,
      sequenceNumber: 0,
      entropy: undefined,
      sfts: undefined,
      participants: [
        {
          userId: 'A',
          clientId: '_',
          authorized: true,
          audioSsrc: 1,
          videoSsrc: 2,
          timestamp: 0,
          muted: undefined,
        },
      ],
    });
  });

  test.each(['1795232400015', 1_795_232_400_015])('timestamp %j', (timestamp) => {
    expect(parse({ type: 'CONFPART', timestamp, participants: [] })).toMatchObject({
      timestampMs: 1_795_232_400_015,
    });
  });

  test('SSRCs at the ends of their range', () => {
    expect(parseMessage(part({ ssrc_audio: '4294967295', ssrc_video: '0' }))).toMatchObject({
      participants: [{ audioSsrc: 0xffffffff, videoSsrc: 0 }],
    });
  });

  test('as many participants as are allowed', () => {
    const participants = Array(MAX_PARTICIPANTS).fill(PARTICIPANT);
    const message = parse({ type: 'CONFPART', participants });
    expect(message.type === 'CONFPART' && message.participants.length).toBe(MAX_PARTICIPANTS);
  });

  test.each(['userid', 'clientid', 'authorized', 'ssrc_audio', 'ssrc_video'])('no %s is refused', (name) => {
    expect(codeOf(part({ [name]: undefined }))).toBe(`missing-${name.replace('_', '-')}`);
  });

  test.each<[string, object, string]>([
    ['an SSRC as number', { ssrc_audio: 1 }, 'bad-ssrc-audio'],
    ['an SSRC beyond 32 bits', { ssrc_video: '4294967296' }, 'bad-ssrc-video'],
    ['a negative SSRC', { ssrc_audio: '-1' }, 'bad-ssrc-audio'],
    ['an empty SSRC', { ssrc_audio: '' }, 'bad-ssrc-audio'],
    ['an SSRC in exponent form', { ssrc_audio: '1e5' }, 'bad-ssrc-audio'],
    ['an SSRC in hexadecimal', { ssrc_audio: '0x10' }, 'bad-ssrc-audio'],
    ['authorized as text', { authorized: 'true' }, 'bad-authorized'],
    ['a long user id', { userid: 'x'.repeat(128) }, 'bad-userid'],
    ['a broken index', { timestamp: 0.5 }, 'bad-timestamp'],
    ['muted as text', { muted: 'no' }, 'bad-muted'],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(part(fields))).toBe(code);
  });

  test.each<[string, object, string]>([
    ['no participants', {}, 'missing-participants'],
    ['participants that are no list', { participants: {} }, 'bad-participants'],
    ['a participant that is none', { participants: [null] }, 'bad-participants'],
    [
      'too many participants',
      { participants: Array(MAX_PARTICIPANTS + 1).fill(PARTICIPANT) },
      'too-many-participants',
    ],
    ['too many servers', { participants: [], sfts: Array(65).fill('u') }, 'too-many-sfts'],
    ['a server that is a number', { participants: [], sfts: [1] }, 'bad-sfts'],
    [
      'a timestamp beyond exact numbers',
      { participants: [], timestamp: '99999999999999999999' },
      'bad-timestamp',
    ],
    ['a negative sequence number', { participants: [], seqno: -1 }, 'bad-seqno'],
    ['a long entropy', { participants: [], entropy: 'x'.repeat(128) }, 'bad-entropy'],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(text({ type: 'CONFPART', ...fields }))).toBe(code);
  });
});

describe('CONFSTREAMS', () => {
  test('is read with fields of newer clients ignored', () => {
    const streams = [{ userid: 'B', quality: 2, ssrcv_hi: 7, clientid: '_' }, { userid: 'C' }];
    expect(parse({ type: 'CONFSTREAMS', mode: 'list', streams })).toMatchObject({
      mode: 'list',
      streams: [
        { userId: 'B', quality: 2 },
        { userId: 'C', quality: 0 },
      ],
    });
  });

  test.each<[string, object, string]>([
    ['no mode', {}, 'missing-mode'],
    ['an unknown mode', { mode: 'all' }, 'bad-mode'],
    ['a quality beyond 2', { mode: 'list', streams: [{ userid: 'B', quality: 3 }] }, 'bad-quality'],
    ['a negative quality', { mode: 'list', streams: [{ userid: 'B', quality: -1 }] }, 'bad-quality'],
    ['no user', { mode: 'list', streams: [{ quality: 1 }] }, 'missing-userid'],
    [
      'too many streams',
      { mode: 'list', streams: Array(MAX_STREAMS + 1).fill({ userid: 'B' }) },
      'too-many-streams',
    ],
  ])('%s is refused', (_, fields, code) => {
    expect(codeOf(text({ type: 'CONFSTREAMS', ...fields }))).toBe(code);
  });
});

describe('PROPSYNC', () => {
  const sync = (props: object): string => text({ type: 'PROPSYNC', props });

  test('unknown properties are kept', () => {
    expect(parseMessage(sync({ muted: 'true', 'x-raised-hand': '1' }))).toMatchObject({
      props: { muted: 'true', 'x-raised-hand': '1' },
    });
  });

  test('values that are no texts are left out', () => {
    const message = parseMessage(sync({ muted: 'true', videosend: true, a: null, b: {}, c: 1 }));
    expect(message.type === 'PROPSYNC' && Object.keys(message.props)).toEqual(['muted']);
  });

  test('sixteen properties with two kilobytes of unknown ones are accepted', () => {
    const unknown = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`key${i}`, 'v'.repeat(130)]));
    expect(codeOf(sync({ muted: 'true', ...unknown }))).toBe('accepted');
  });

  test.each<[string, object, string]>([
    [
      'seventeen properties',
      Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])),
      'too-many-props',
    ],
    ['more than two kilobytes of unknown ones', { a: 'v'.repeat(2048) }, 'props-too-long'],
    ['a long name', { ['n'.repeat(2049)]: '' }, 'props-too-long'],
    ['more than four kilobytes of known ones', { keysync: '1'.repeat(4096) }, 'props-too-long'],
  ])('%s are refused', (_, props, code) => {
    expect(codeOf(sync(props))).toBe(code);
  });

  test('none is refused', () => {
    expect(codeOf(text({ type: 'PROPSYNC' }))).toBe('missing-props');
  });
});

describe('hostile JSON', () => {
  test.each([
    ['nothing', '', 'bad-json'],
    ['a text', '"PING"', 'not-an-object'],
    ['a list', '[]', 'not-an-object'],
    ['null', 'null', 'not-an-object'],
    ['a number', '1', 'not-an-object'],
    ['half a message', '{"version":"3.0","type":"PI', 'bad-json'],
    ['two messages', `${text({})}${text({})}`, 'bad-json'],
    ['a byte order mark', `\ufeff${text({})}`, 'bad-json'],
    ['100,000 open brackets', '['.repeat(100_000), 'too-deep'],
    ['100,000 nested lists', '['.repeat(100_000) + ']'.repeat(100_000), 'too-deep'],
    ['100,000 nested objects', '{"a":'.repeat(100_000).slice(0, MAX_MESSAGE_LENGTH), 'too-deep'],
    ['a deep unknown field', text({ x: 0 }).replace(':0', `:${'['.repeat(50)}${']'.repeat(50)}`), 'too-deep'],
    ['brackets hidden behind an escaped quote', `{"a":"\\"","b":${'['.repeat(50)}`, 'too-deep'],
    ['a text beyond the limit', `"${'x'.repeat(MAX_MESSAGE_LENGTH)}"`, 'too-long'],
  ])('%s is refused', (_, json, code) => {
    expect(codeOf(json)).toBe(code);
  });

  test('brackets inside texts do not count as depth', () => {
    expect(codeOf(text({ tool: '[{'.repeat(100), type: 'CONFCONN' }))).toBe('accepted');
  });

  test('nesting up to the limit is accepted', () => {
    const deep = '['.repeat(MAX_MESSAGE_DEPTH - 1) + ']'.repeat(MAX_MESSAGE_DEPTH - 1);
    expect(codeOf(text({ x: 0 }).replace(':0', `:${deep}`))).toBe('accepted');
    expect(codeOf(text({ x: 0 }).replace(':0', `:[${deep}]`))).toBe('too-deep');
  });

  test('of a field that occurs twice the last one counts', () => {
    expect(
      parseMessage('{"version":"1","version":"3.0","type":"PING","sessid":"a","sessid":"b","resp":false}'),
    ).toMatchObject({ sessionId: 'b' });
  });

  test('__proto__ in a message provides no fields and changes no object', () => {
    const json = '{"__proto__":{"version":"3.0","type":"PING","sessid":"","resp":true,"polluted":1}}';
    expect(codeOf(json)).toBe('missing-version');
    expect(codeOf(text({}).replace('"resp":false', '"__proto__":{"resp":false}'))).toBe('missing-resp');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('__proto__ among properties is dropped, other names of Object.prototype are plain properties', () => {
    const json = text({ type: 'PROPSYNC' }).replace(
      /}$/,
      ',"props":{"__proto__":"x","constructor":"c","toString":"t","muted":"true"}}',
    );
    const message = parseMessage(json);
    if (message.type !== 'PROPSYNC') throw new Error('not a PROPSYNC');
    expect(Object.keys(message.props)).toEqual(['constructor', 'toString', 'muted']);
    expect(Object.getPrototypeOf(message.props)).toBeNull();
  });

  test('errors do not quote the message', () => {
    const secret = 'hunter2hunter2';
    for (const json of [
      `{"credential":"${secret}"`,
      text({ type: secret }),
      text({ sessid: `${secret}\n` }),
    ]) {
      try {
        parseMessage(json);
        expect.unreachable();
      } catch (error) {
        expect(String(error)).not.toContain(secret);
      }
    }
  });
});
