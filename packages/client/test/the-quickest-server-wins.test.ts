import { describe, expect, test } from 'vitest';
import { type ClientError, joinMeeting } from '../src/index.ts';
import { refusal, VirtualConference } from './virtual-conference.ts';
import { joinAs, linkOf } from './virtual-members.ts';

const URLS = ['https://a.example', 'https://b.example', 'https://c.example/sfts/1'];
const profile = { name: 'Ada', handRaised: false };

function withServers() {
  const rig = new VirtualConference();
  const servers = URLS.map((url) => rig.server(url));
  return { rig, servers: servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]] };
}

/** The code that joining fails with. */
async function failure(rig: VirtualConference, join: Promise<unknown>): Promise<string> {
  const error = await rig.outcome(
    join.then(
      () => undefined,
      (reason: ClientError) => reason,
    ),
  );
  return error?.code ?? 'joined';
}

describe('choosing among servers', () => {
  test('the first offer is answered, the other requests are given up, and nothing of them remains', async () => {
    const { rig, servers } = withServers();
    servers[0].delayMs = 300;
    servers[2].delayMs = 100;
    const { meeting } = await joinAs(rig, 'Ada', { servers: URLS });
    expect(meeting.state.status).toBe('joined');
    expect(servers.map(({ requests }) => requests.map(({ message }) => message.type))).toEqual([
      ['CONFCONN'],
      ['CONFCONN', 'SETUP'],
      ['CONFCONN'],
    ]);
    expect(servers.map(({ requests }) => requests[0]!.aborted)).toEqual([true, false, true]);
    await rig.advance(15_000);
    expect(servers.map(({ legs }) => legs)).toEqual([0, 1, 0]);
  });

  test('a refusal is no reason not to wait for the others', async () => {
    const { rig, servers } = withServers();
    servers[0].misbehave = () => ({ status: 303, body: '' });
    servers[1].misbehave = () => 'unreachable';
    servers[2].delayMs = 2_000;
    const { meeting } = await joinAs(rig, 'Ada', { servers: URLS });
    expect(meeting.state.status).toBe('joined');
    expect(servers[2].legs).toBe(1);
  });

  test.each([
    [['unreachable', refusal(4), { status: 500, body: '' }], 'server-full'],
    [['unreachable', { status: 500, body: '' }, 'unreachable'], 'bad-response'],
    [['unreachable', 'unreachable', 'unreachable'], 'server-unreachable'],
    [[refusal(1), 'silent', 'unreachable'], 'server-unreachable'],
    [[{ status: 429, body: '' }, 'unreachable', { status: 200, body: '{}' }], 'rate-limited'],
    [['unreachable', refusal(3), 'unreachable'], 'access-expired'],
    [[refusal(2), refusal(2), refusal(2)], 'access-denied'],
    [[refusal(5), refusal(5), refusal(5)], 'may-not-start'],
    [[refusal(1), refusal(1), refusal(1)], 'client-outdated'],
    [['unreachable', { status: 303, body: '' }, 'unreachable'], 'server-draining'],
  ] as const)(
    'when none offers anything, the most telling reason is given: %j is %s',
    async (replies, code) => {
      const { rig, servers } = withServers();
      for (const [i, reply] of replies.entries()) servers[i]!.misbehave = () => reply;
      const platform = rig.platform('Ada');
      const join = joinMeeting({ link: linkOf(1), profile, platform, servers: URLS });
      expect(await failure(rig, join)).toBe(code);
      expect(platform.media?.closed).toBe(true);
    },
  );

  test('an answer that no media connection follows is given up after ten seconds', async () => {
    const { rig, servers } = withServers();
    servers[0].connects = false;
    const platform = rig.platform('Ada');
    const join = joinMeeting({ link: linkOf(1), profile, platform, servers: [URLS[0]!] });
    expect(await failure(rig, join)).toBe('media-unreachable');
    expect(platform.media?.peers.size).toBe(0);
    expect(rig.clock.now).toBeLessThan(12_000);
  });

  test('answers for another conference, or from nowhere, are not taken', async () => {
    const { rig, servers } = withServers();
    const offer = (fields: object) => ({
      status: 200,
      body: JSON.stringify({ version: '3.0', type: 'SETUP', resp: false, sdp: 'x', props: {}, ...fields }),
    });
    for (const fields of [{ sessid: 'another' }, { sessid: 'x', resp: true }]) {
      servers[0].misbehave = () => offer(fields);
      const platform = rig.platform('Ada');
      const join = joinMeeting({ link: linkOf(1), profile, platform, servers: [URLS[0]!] });
      expect(await failure(rig, join)).toBe('bad-response');
    }
    servers[0].misbehave = ({ sessionId }) => offer({ sessid: sessionId, url: 'javascript:alert(1)' });
    const platform = rig.platform('Ada');
    const join = joinMeeting({ link: linkOf(1), profile, platform, servers: [URLS[0]!] });
    expect(await failure(rig, join)).toBe('bad-response');
  });

  test('giving up while a request is under way leaves nothing behind', async () => {
    for (const afterMs of [0, 5, 25, 60]) {
      const { rig, servers } = withServers();
      const platform = rig.platform('Ada');
      const giveUp = new AbortController();
      const join = joinMeeting({ link: linkOf(1), profile, platform, servers: URLS, signal: giveUp.signal });
      const code = failure(rig, join);
      platform.after(afterMs, () => giveUp.abort());
      expect(await code).toBe('aborted');
      await rig.advance(15_000);
      expect(platform.media?.closed ?? true).toBe(true);
      expect(servers.map(({ legs }) => legs)).toEqual([0, 0, 0]);
    }
  });

  test.each([
    [{ servers: [] }, 'no-server'],
    [{ servers: ['ftp://x'] }, 'bad-option'],
    [{ servers: [...URLS, 'https://d.example'] }, 'bad-option'],
    [{ servers: ['https://user:secret@x'] }, 'bad-option'],
    [{ passphrase: 'unasked' }, 'bad-option'],
    [{ link: { ...linkOf(1), passphrase: true } }, 'passphrase-needed'],
    [{ link: { ...linkOf(1), passphrase: true }, passphrase: '' }, 'passphrase-needed'],
    [{ link: { ...linkOf(1), secret: new Uint8Array(3) } }, 'bad-option'],
  ])('options that cannot be are refused before anything is asked: %j', async (options, code) => {
    const { rig, servers } = withServers();
    const join = joinMeeting({ link: linkOf(1), profile, platform: rig.platform('Ada'), ...options });
    expect(await failure(rig, join)).toBe(code);
    expect(servers.flatMap(({ requests }) => requests)).toEqual([]);
  });
});
