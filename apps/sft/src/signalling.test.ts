import { createHmac } from 'node:crypto';
import { type Hmac, Secret, toUtf8 } from '@conclave/bytes';
import { issueToken, parseBlacklist } from '@conclave/econn';
import { createLogger } from '@conclave/service';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Admission } from './admission.ts';
import type {
  AnswerOutcome,
  AnswerRequest,
  ConferenceHost,
  ConferenceUsage,
  ConnectOutcome,
  ConnectRequest,
} from './conference-host.ts';
import { Signalling, type SignallingReply, type SignallingRequest } from './signalling.ts';

const CONVERSATION = 'b4f510b7ddb37f196f6cdecbb691c8a1';
const USER = '19096cfb419cca18619a47d3a1df6eb4';
const URL = 'https://sft.example.com';
const NOW_SECONDS = 1_700_000_000;
const SECRET = new Secret(toUtf8('shared-secret'));
const OLD_SECRET = new Secret(toUtf8('old-secret'));
const hmacSha512: Hmac = (key, data) => createHmac('sha512', key).update(data).digest();

const BAD_REQUEST_PAGE =
  '<!DOCTYPE html>\n<html>\n<head><title>400 Bad request</title></head>\n<body><h2>400 Bad request</h2></body>\n</html>\n';

/** A host that remembers what it was asked and says what it was told to. */
class FakeHost implements ConferenceHost {
  draining = false;
  known = false;
  exists = false;
  inConference = 0;
  usage: ConferenceUsage = { conferences: 0, participants: 0, conferencesTotal: 0, participantsTotal: 0 };
  connects: ConnectRequest[] = [];
  answers: AnswerRequest[] = [];
  signal: AbortSignal | undefined;
  outcome: () => Promise<ConnectOutcome> = async () => ({
    kind: 'offer',
    sdp: 'v=0\r\n',
    update: false,
    withUrl: true,
    withDestination: false,
  });
  answerOutcome: () => AnswerOutcome = () => ({ kind: 'accepted' });

  isKnownCaller(): boolean {
    return this.known;
  }
  hasConference(): boolean {
    return this.exists;
  }
  participantsIn(): number {
    return this.inConference;
  }
  connect(request: ConnectRequest, signal: AbortSignal): Promise<ConnectOutcome> {
    this.connects.push(request);
    this.signal = signal;
    return this.outcome();
  }
  answer(request: AnswerRequest): AnswerOutcome {
    this.answers.push(request);
    return this.answerOutcome();
  }
}

interface Bench {
  readonly host: FakeHost;
  readonly refusals: string[];
  readonly events: string[];
  readonly log: () => string;
  readonly post: (message: unknown, more?: Partial<SignallingRequest>) => Promise<SignallingReply>;
}

function bench(
  options: { auth?: boolean; blacklist?: string; url?: string; offerTimeoutMs?: number } = {},
): Bench {
  const host = new FakeHost();
  const refusals: string[] = [];
  const events: string[] = [];
  let text = '';
  const { log } = createLogger({
    name: 'test',
    level: 'debug',
    stream: {
      write: (line) => {
        text += line;
      },
    },
  });
  const signalling = new Signalling({
    host,
    admission: new Admission({
      host,
      blacklist: parseBlacklist(options.blacklist ?? ''),
      authRequired: options.auth ?? false,
      secrets: () => [OLD_SECRET, SECRET],
      limits: { maxConferences: 10, maxParticipantsPerConference: 5, maxParticipants: 20 },
      hmacSha512,
      nowSeconds: () => NOW_SECONDS,
    }),
    url: options.url ?? URL,
    maxVideoSlots: 12,
    offerTimeoutMs: options.offerTimeoutMs ?? 10_000,
    observer: {
      refused: (reason) => refusals.push(reason),
      offered: () => events.push('offered'),
      answered: () => events.push('answered'),
    },
    log,
    now: () => 0,
  });
  return {
    host,
    refusals,
    events,
    log: () => text,
    post: (message, more) =>
      signalling.handle({
        method: 'POST',
        path: `/sft/${CONVERSATION}`,
        body: typeof message === 'string' || message === undefined ? message : JSON.stringify(message),
        remoteAddress: '192.0.2.1',
        ...more,
      }),
  };
}

function confconn(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: '3.0',
    type: 'CONFCONN',
    sessid: CONVERSATION,
    src_userid: USER,
    src_clientid: '_',
    dest_userid: 'SFT',
    dest_clientid: '_',
    resp: false,
    update: false,
    tool: 'avs 10.5.8',
    toolver: '10.5.8',
    env: 0,
    status: 0,
    selective_audio: true,
    selective_video: true,
    vstreams: 9,
    ...more,
  };
}

function setup(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    version: '3.0',
    type: 'SETUP',
    sessid: CONVERSATION,
    src_userid: USER,
    src_clientid: '_',
    dest_userid: 'sft',
    dest_clientid: 'SFT',
    resp: true,
    sdp: 'v=0\r\n',
    props: { videosend: 'false', screensend: 'false', audiocbr: 'false', muted: 'true' },
    ...more,
  };
}

function token(more: Partial<Parameters<typeof issueToken>[0]> = {}): {
  username: string;
  credential: string;
} {
  const { username, credential } = issueToken({
    expiresAtSeconds: NOW_SECONDS + 60,
    mayStart: true,
    owner: 'abc',
    secret: SECRET,
    hmacSha512,
    ...more,
  });
  return { username, credential: credential.reveal() };
}

function refusal(status: number): string {
  return `{"version":"3.0","type":"CONFCONN","sessid":"${CONVERSATION}","resp":false,"update":false,"tool":"","toolver":"","status":${status},"selective_audio":false,"selective_video":false,"vstreams":0}`;
}

describe('paths', () => {
  it.each([
    ['/sft/status', 'Debug\n'],
    ['/anything/status', 'Debug\n'],
    ['/sft/status/more?query', 'Debug\n'],
    ['/sfts/sft-0/sft/status', 'Debug\n'],
    ['/sft/url', `${URL}\r\n`],
    ['/sfts/sft-0/sft/url', `${URL}\r\n`],
    ['//sft//url', `${URL}\r\n`],
  ])('%s answers in plain text, whatever the method', async (path, body) => {
    const { post } = bench();
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const reply = await post(undefined, { path, method });
      expect(reply).toEqual({ status: 200, contentType: 'text/plain', body });
    }
  });

  it.each([
    [`/sft/${CONVERSATION}`],
    [`/x/${CONVERSATION}`],
    [`/sft/${CONVERSATION}/and/more`],
    [`/sft/${CONVERSATION}?a=b`],
    [`/sft/${CONVERSATION}/`],
    [`//sft/${CONVERSATION}`],
    [`/sfts/sft-0/sft/${CONVERSATION}`],
    [`/sfts/${CONVERSATION}`],
  ])('%s is a request about the conversation', async (path) => {
    const { post, host } = bench();
    expect((await post(confconn(), { path })).status).toBe(200);
    expect(host.connects[0]!.conversation).toBe(CONVERSATION);
  });

  it('takes the path of its own URL off first', async () => {
    const { post, host } = bench({ url: 'https://example.com/calls/a' });
    expect((await post(confconn(), { path: `/calls/a/sft/${CONVERSATION}` })).status).toBe(200);
    expect((await post(confconn(), { path: `/sft/${CONVERSATION}` })).status).toBe(200);
    expect(host.connects.map(({ conversation }) => conversation)).toEqual([CONVERSATION, CONVERSATION]);
  });

  it.each([
    '/',
    '',
    '/sft',
    '/sft/',
    '/status',
    '*',
    '/sft/..',
    '/sft/.',
    '/sft/a%2fb',
    '/sft/a b',
    '/sft/<script>',
    '/sft/a\\b',
    `/sft/${'x'.repeat(128)}`,
    `/${'x'.repeat(3000)}/y`,
    '/sft/ü',
  ])('%.30s is refused with the page clients know', async (path) => {
    const { post, host } = bench();
    const reply = await post(confconn(), { path });
    expect(reply).toEqual({ status: 400, contentType: 'text/html', body: BAD_REQUEST_PAGE });
    expect(host.connects).toHaveLength(0);
  });
});

describe('a new caller', () => {
  it('gets a SETUP with the offer and the URL', async () => {
    const { post, host, events } = bench();
    const reply = await post(confconn());
    expect(reply).toEqual({
      status: 200,
      contentType: 'application/json',
      body:
        `{"version":"3.0","type":"SETUP","sessid":"${CONVERSATION}","src_userid":"sft","src_clientid":"_","resp":false,` +
        '"sdp":"v=0\\r\\n","props":{"videosend":"true","screensend":"false","audiocbr":"false","muted":"false"},' +
        '"url":"https://sft.example.com"}',
    });
    expect(host.connects[0]).toEqual({
      conversation: CONVERSATION,
      userId: USER,
      clientId: '_',
      update: false,
      simulcast: true,
      selectiveAudio: true,
      selectiveVideo: true,
      videoSlots: 9,
      anchor: undefined,
      iceServers: [],
      remoteAddress: '192.0.2.1',
      passedOn: false,
    });
    expect(events).toEqual(['offered']);
  });

  it('gets an UPDATE with the URL when it had a call elsewhere', async () => {
    const { post, host } = bench();
    host.outcome = async () => ({
      kind: 'offer',
      sdp: 'v=0\r\n',
      update: true,
      withUrl: true,
      withDestination: false,
    });
    const reply = JSON.parse((await post(confconn({ update: true }))).body) as Record<string, unknown>;
    expect(reply).toMatchObject({ type: 'UPDATE', resp: false, url: URL });
    expect(reply).not.toHaveProperty('dest_userid');
    expect(host.connects[0]!.update).toBe(true);
  });

  it('is told of the place at the TURN server of a federation', async () => {
    const { post, host } = bench();
    host.outcome = async () => ({
      kind: 'offer',
      sdp: 's',
      update: false,
      withUrl: true,
      withDestination: false,
      tuple: '192.0.2.9:9191/7',
    });
    const message = confconn({ sft_url: 'https://other.example', sft_tuple: '192.0.2.8:1/2' });
    expect(JSON.parse((await post(message)).body)).toMatchObject({ sft_tuple: '192.0.2.9:9191/7' });
    expect(host.connects[0]!.anchor).toEqual({ url: 'https://other.example', tuple: '192.0.2.8:1/2' });
  });

  it.each([
    [{ vstreams: 32 }, 12],
    [{ vstreams: 0 }, 0],
    [{ vstreams: -3 }, 0],
    [{ selective_video: false }, 0],
    [{ vstreams: undefined }, 0],
  ])('gets as many video slots as fit: %j', async (more, slots) => {
    const { post, host } = bench();
    await post(confconn(more));
    expect(host.connects[0]!.videoSlots).toBe(slots);
  });

  it.each([
    ['9.9.9', false],
    ['10.0.0', true],
    ['local', false],
    ['0.0.1', true],
  ])('with version %s is offered simulcast by what its version reads', async (toolver) => {
    const { post, host } = bench();
    await post(confconn({ toolver }));
    const { offersSimulcast, parseToolVersion } = await import('@conclave/econn');
    expect(host.connects[0]!.simulcast).toBe(offersSimulcast(parseToolVersion(toolver)));
  });

  it.each(['GET', 'PUT', 'HEAD', 'DELETE', 'OPTIONS'])('has to use POST, not %s', async (method) => {
    const { post, refusals } = bench();
    expect((await post(confconn(), { method })).body).toBe(BAD_REQUEST_PAGE);
    expect(refusals).toEqual(['bad-request']);
  });

  it.each([
    ['nothing', undefined, 'bad-message'],
    ['no JSON', 'hello', 'bad-message'],
    ['an empty object', {}, 'bad-message'],
    ['a list', '[]', 'bad-message'],
    ['another version', confconn({ version: '4.0' }), 'bad-message'],
    ['no version', confconn({ version: undefined }), 'bad-message'],
    ['an unknown type', confconn({ type: 'DANCE' }), 'bad-message'],
    ['no user', confconn({ src_userid: undefined }), 'bad-message'],
    ['an empty user', confconn({ src_userid: '' }), 'bad-message'],
    ['no client', confconn({ src_clientid: undefined }), 'bad-message'],
    ['a long user', confconn({ src_userid: 'x'.repeat(128) }), 'bad-message'],
    ['a user with a line break', confconn({ src_userid: 'a\nb' }), 'bad-message'],
    ['a number for a flag', confconn({ update: 1 }), 'bad-message'],
    ['deep nesting', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'bad-message'],
    ['a response', confconn({ resp: true }), 'bad-request'],
    [
      'a PING',
      { version: '3.0', type: 'PING', sessid: '', src_userid: USER, src_clientid: '_', resp: false },
      'bad-request',
    ],
    [
      'a CANCEL',
      { version: '3.0', type: 'CANCEL', sessid: '', src_userid: USER, src_clientid: '_', resp: false },
      'bad-request',
    ],
    ['an answer', setup(), 'answer-unexpected'],
    ['an answer to an update', setup({ type: 'UPDATE' }), 'answer-unexpected'],
    ['an offer', setup({ resp: false }), 'bad-request'],
  ])('that sends %s is refused', async (_, message, reason) => {
    const { post, refusals, host } = bench();
    expect(await post(message)).toEqual({ status: 400, contentType: 'text/html', body: BAD_REQUEST_PAGE });
    expect(refusals).toEqual([reason]);
    expect(host.connects).toHaveLength(0);
    expect(host.answers).toHaveLength(0);
  });

  it('takes messages in the manners of other codecs', async () => {
    const { post } = bench();
    const text = JSON.stringify(confconn({ type: 'confconn', unknown: { a: 1 } })).replaceAll('/', '\\/');
    expect((await post(text)).status).toBe(200);
  });

  it('is turned away with 303 while draining, also from a conference that runs', async () => {
    const { post, host, refusals } = bench();
    host.draining = true;
    host.exists = true;
    const reply = await post(confconn());
    expect(reply.status).toBe(303);
    expect(reply.headers).toBeUndefined();
    expect(reply.body).toBe(BAD_REQUEST_PAGE.replaceAll('400 Bad request', '303 See other'));
    expect(refusals).toEqual(['draining']);
  });

  it.each([
    ['<9.0.0', '8.9.9', true],
    ['<9.0.0', '9.0.0', false],
    ['<9.0.0', '0.0.1', false],
    ['9.1.2,<2.0.0', '9.1.2', true],
    ['9.1.2,<2.0.0', '9.1.3', false],
    ['9.1.2,<2.0.0', '1.9.9', true],
    ['<9.0.0', 'junk', false],
  ])('under the blacklist %s with version %s is refused: %s', async (blacklist, toolver, refused) => {
    const { post, refusals } = bench({ blacklist });
    const reply = await post(confconn({ toolver }));
    expect(reply.status).toBe(200);
    expect(reply.body === refusal(1)).toBe(refused);
    expect(refusals).toEqual(refused ? ['version-blacklisted'] : []);
  });

  it.each([
    ['the server is full', { participants: 20, conferences: 1 }, false, 0, 'server-full'],
    [
      'there are too many conferences',
      { participants: 1, conferences: 10 },
      false,
      0,
      'too-many-conferences',
    ],
    ['the conference is full', { participants: 5, conferences: 1 }, true, 5, 'conference-full'],
  ])('is told of a quota when %s', async (_, usage, exists, inConference, reason) => {
    const { post, host, refusals } = bench();
    host.usage = { ...host.usage, ...usage };
    host.exists = exists;
    host.inConference = inConference;
    expect((await post(confconn())).body).toBe(refusal(4));
    expect(refusals).toEqual([reason]);
    expect(host.connects).toHaveLength(0);
  });

  it.each([
    [{ participants: 19, conferences: 9 }, false, 0],
    [{ participants: 4, conferences: 10 }, true, 4],
  ])('comes in up to the limits: %j', async (usage, exists, inConference) => {
    const { post, host } = bench();
    host.usage = { ...host.usage, ...usage };
    host.exists = exists;
    host.inConference = inConference;
    await post(confconn());
    expect(host.connects).toHaveLength(1);
  });
});

describe('authorisation', () => {
  const tokens: Record<string, Record<string, string>> = {
    start: token(),
    join: token({ mayStart: false }),
    'start by the other secret': token({ secret: OLD_SECRET }),
    expired: token({ expiresAtSeconds: NOW_SECONDS - 1 }),
    'expired and forged': { ...token({ expiresAtSeconds: NOW_SECONDS - 1 }), credential: 'x' },
    'just valid': token({ expiresAtSeconds: NOW_SECONDS }),
    'of a stranger': token({ secret: new Secret(toUtf8('other')) }),
    'with a join name and a start proof': { ...token(), username: token({ mayStart: false }).username },
    'with a cut proof': { ...token(), credential: token().credential.slice(0, -2) },
    'with a longer proof': { ...token(), credential: `${token().credential}A` },
    'with an empty proof': { ...token(), credential: '' },
    'without a proof': { username: token().username },
    'without a name': { credential: token().credential },
    'of another form': { username: 'alice', credential: token().credential },
    none: {},
  };

  it.each([
    ['start', false, 0],
    ['start', true, 0],
    ['join', false, 5],
    ['join', true, 0],
    ['start by the other secret', false, 0],
    ['expired', false, 3],
    ['expired', true, 3],
    ['expired and forged', false, 3],
    ['just valid', false, 0],
    ['of a stranger', false, 2],
    ['of a stranger', true, 2],
    ['with a join name and a start proof', false, 2],
    ['with a cut proof', false, 2],
    ['with a longer proof', false, 2],
    ['with an empty proof', false, 2],
    ['without a proof', false, 2],
    ['without a name', false, 2],
    ['of another form', false, 2],
    ['none', false, 2],
    ['none', true, 2],
  ])(
    'a new caller with a token "%s", conference running: %s, gets status %i',
    async (name, exists, status) => {
      const { post, host } = bench({ auth: true });
      host.exists = exists;
      const reply = await post(confconn(tokens[name]));
      expect(reply.status).toBe(200);
      expect(host.connects).toHaveLength(status === 0 ? 1 : 0);
      if (status !== 0) expect(reply.body).toBe(refusal(status));
    },
  );

  it.each([
    ['start', 0],
    ['join', 0],
    ['expired', 3],
    ['of a stranger', 2],
    ['none', 2],
  ])('a known caller with a token "%s" that reconnects gets status %i', async (name, status) => {
    const { post, host } = bench({ auth: true });
    host.exists = true;
    host.known = true;
    const reply = await post(confconn({ ...tokens[name], update: true }));
    expect(host.connects).toHaveLength(status === 0 ? 1 : 0);
    if (status !== 0) expect(reply.body).toBe(refusal(status));
  });

  it('is not asked for by an answer, whose caller has shown its token', async () => {
    const { post, host } = bench({ auth: true });
    host.known = true;
    expect((await post(setup())).status).toBe(200);
  });

  it('tells of an old version before it looks at the token', async () => {
    const { post } = bench({ auth: true, blacklist: '<11.0.0' });
    expect((await post(confconn())).body).toBe(refusal(1));
  });

  it('leaves neither tokens nor whole ids in the log', async () => {
    const { post, host, log } = bench({ auth: true });
    await post(confconn(token()));
    await post(confconn(token({ mayStart: false })));
    host.known = true;
    host.answerOutcome = () => ({ kind: 'rejected', reason: 'unusable', detail: 'no ice-pwd' });
    await post(setup());
    host.outcome = () => Promise.reject(new Error(`broken ${CONVERSATION}`));
    await post(confconn(token()));
    expect(log().trimEnd().split('\n')).toHaveLength(4);
    for (const hidden of [
      CONVERSATION,
      USER,
      token().credential,
      token().username,
      'shared-secret',
      '.r=abc',
    ]) {
      expect(log()).not.toContain(hidden);
    }
    expect(log()).toContain('b4f510…');
  });
});

describe('a known caller', () => {
  it.each([
    ['SETUP', 'POST'],
    ['UPDATE', 'POST'],
    ['SETUP', 'PUT'],
  ])('that answers by %s over %s is confirmed', async (type, method) => {
    const { post, host, events } = bench();
    host.known = true;
    const reply = await post(setup({ type }), { method });
    expect(reply).toEqual({
      status: 200,
      contentType: 'application/json',
      body: `{"version":"3.0","type":"CONFCONN","sessid":"${CONVERSATION}","src_userid":"sft","src_clientid":"sft","resp":true,"update":false,"tool":"","toolver":"","status":0,"selective_audio":false,"selective_video":false,"vstreams":0}`,
    });
    expect(host.answers).toEqual([
      {
        conversation: CONVERSATION,
        userId: USER,
        clientId: '_',
        type,
        sdp: 'v=0\r\n',
        props: { videosend: 'false', screensend: 'false', audiocbr: 'false', muted: 'true' },
      },
    ]);
    expect(events).toEqual(['answered']);
  });

  it('reads the session id it wrote in its confirmation', async () => {
    const { post, host } = bench();
    host.known = true;
    const sessid = CONVERSATION.toUpperCase();
    expect(JSON.parse((await post(setup({ sessid }))).body)).toMatchObject({ sessid });
  });

  it.each([
    ['unexpected', 400, 'answer-unexpected'],
    ['unusable', 400, 'answer-unusable'],
    ['internal', 500, 'internal'],
  ] as const)('whose answer is %s hears %i', async (reason, status, label) => {
    const { post, host, refusals } = bench();
    host.known = true;
    host.answerOutcome = () => ({ kind: 'rejected', reason, detail: 'because of <script>' });
    const reply = await post(setup());
    expect(reply.status).toBe(status);
    expect(reply.body).not.toContain('script');
    expect(refusals).toEqual([label]);
  });

  it.each([
    ['an offer', setup({ resp: false }), 'bad-request'],
    ['an offer of an update', setup({ type: 'UPDATE', resp: false }), 'bad-request'],
    ['an answer without a description', setup({ sdp: undefined }), 'bad-message'],
    ['a description that is too long', setup({ sdp: 'x'.repeat(32_769) }), 'bad-message'],
    ['HANGUP', setup({ type: 'HANGUP' }), 'bad-request'],
    [
      'CONFPART',
      setup({ type: 'CONFPART', participants: [], timestamp: '0', seqno: '0', should_start: false }),
      'bad-request',
    ],
    ['PROPSYNC', setup({ type: 'PROPSYNC' }), 'bad-request'],
    ['REJECT', setup({ type: 'REJECT' }), 'bad-request'],
    ['a response', confconn({ resp: true }), 'bad-request'],
    ['nothing', undefined, 'bad-message'],
  ])('that sends %s is refused', async (_, message, reason) => {
    const { post, host, refusals } = bench();
    host.known = true;
    expect((await post(message)).body).toBe(BAD_REQUEST_PAGE);
    expect(refusals).toEqual([reason]);
    expect(host.answers).toHaveLength(0);
  });

  it('gets an UPDATE that names it and no URL when it reconnects', async () => {
    const { post, host } = bench();
    host.known = true;
    host.outcome = async () => ({
      kind: 'offer',
      sdp: 's',
      update: true,
      withUrl: false,
      withDestination: true,
    });
    const reply = JSON.parse((await post(confconn({ update: true }))).body) as Record<string, unknown>;
    expect(reply).toMatchObject({ type: 'UPDATE', dest_userid: USER, dest_clientid: '_' });
    expect(reply).not.toHaveProperty('url');
  });

  it.each([
    ['while draining', { draining: true }],
    ['in a full conference', { exists: true, inConference: 5 }],
    ['over another method', {}],
  ])('may reconnect %s', async (name, state) => {
    const { post, host } = bench();
    Object.assign(host, state, { known: true });
    const method = name.includes('method') ? 'PUT' : 'POST';
    expect((await post(confconn({ update: true }), { method })).status).toBe(200);
    expect(host.connects).toHaveLength(1);
  });
});

describe('a host that makes no offer', () => {
  it.each([
    ['full', 200, refusal(4), 'server-full'],
    ['draining', 303, '303 See other', 'draining'],
    ['superseded', 500, '500 Internal error', 'superseded'],
    ['federation-failed', 500, '500 Internal error', 'federation-failed'],
    ['federation-silent', 501, '501 No response from federation TURN server', 'federation-silent'],
    ['internal', 500, '500 Internal error', 'internal'],
  ] as const)('because of "%s" is answered with %i', async (reason, status, text, label) => {
    const { post, host, refusals } = bench();
    host.outcome = async () => ({ kind: 'refused', reason });
    const reply = await post(confconn());
    expect(reply.status).toBe(status);
    if (status === 200) expect(reply.body).toBe(text);
    else expect(reply.body).toBe(BAD_REQUEST_PAGE.replaceAll('400 Bad request', text));
    expect(refusals).toEqual([label]);
  });

  it('because it broke is answered with 500', async () => {
    const { post, host, refusals } = bench();
    host.outcome = () => Promise.reject(new Error('broken'));
    expect((await post(confconn())).status).toBe(500);
    host.outcome = () => {
      throw new Error('broken at once');
    };
    expect((await post(confconn())).status).toBe(500);
    expect(refusals).toEqual(['internal', 'internal']);
  });

  it('in time is answered with 500 and hears that nobody waits', async () => {
    const { post, host, refusals } = bench({ offerTimeoutMs: 1 });
    let fail = (_: Error): void => {};
    host.outcome = () => new Promise((_, reject) => (fail = reject));
    expect((await post(confconn())).status).toBe(500);
    expect(host.signal!.aborted).toBe(true);
    expect(refusals).toEqual(['offer-timeout']);
    fail(new Error('too late to matter'));
  });

  it('before the client has gone hears of that', async () => {
    const { post, host, refusals } = bench();
    const client = new AbortController();
    host.outcome = () => {
      queueMicrotask(() => client.abort());
      return new Promise(() => {});
    };
    await post(confconn(), { closed: client.signal });
    expect(host.signal!.aborted).toBe(true);
    expect(refusals).toEqual(['client-gone']);
    await post(confconn(), { closed: client.signal });
    expect(refusals).toEqual(['client-gone', 'client-gone']);
  });

  it('that clients can read is answered with 500', async () => {
    const { post, host } = bench();
    host.outcome = async () => ({
      kind: 'offer',
      sdp: 'x'.repeat(32_769),
      update: false,
      withUrl: true,
      withDestination: false,
    });
    expect((await post(confconn())).status).toBe(500);
  });
});

describe('whatever is sent', () => {
  const field = fc.constantFrom(
    ...Object.keys(confconn({ username: '', credential: '', sft_url: '', ice_servers: [] })),
  );
  const damaged = fc
    .tuple(fc.constantFrom(confconn(), setup()), fc.array(fc.tuple(field, fc.jsonValue()), { maxLength: 3 }))
    .map(([message, changes]) => JSON.stringify({ ...message, ...Object.fromEntries(changes) }));
  const body = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), damaged);
  const path = fc.oneof(
    fc.constant(`/sft/${CONVERSATION}`),
    fc
      .array(fc.oneof(fc.constantFrom('sft', 'sfts', '..', '%2e%2e', CONVERSATION), fc.string()))
      .map((c) => `/${c.join('/')}`),
  );

  it('has an answer that is one of the known ones and repeats nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        path,
        fc.constantFrom('POST', 'GET', 'X'),
        body,
        async (known, path, method, body) => {
          const { post, host } = bench();
          host.known = known;
          const reply = await post(body, { path, method });
          if (reply.contentType === 'text/html')
            expect(reply).toMatchObject({ status: 400, body: BAD_REQUEST_PAGE });
          else if (reply.contentType === 'text/plain')
            expect(['Debug\n', `${URL}\r\n`]).toContain(reply.body);
          else expect(['SETUP', 'CONFCONN']).toContain((JSON.parse(reply.body) as { type: string }).type);
          expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
        },
      ),
      { seed: 5, numRuns: 1000 },
    );
  });

  it('does not reach the prototype of anything', async () => {
    const { post, host } = bench();
    const text = JSON.stringify(confconn()).replace(
      '{',
      '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},',
    );
    await post(text);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    host.known = true;
    await post(JSON.stringify(setup()).replace('"props":{', '"props":{"__proto__":"x","constructor":"y",'));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    for (const { props } of host.answers)
      expect(Object.getPrototypeOf(props) ?? Object.prototype).toBe(Object.prototype);
  });
});
