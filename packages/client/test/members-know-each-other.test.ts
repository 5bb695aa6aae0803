import { fromBase64, toBase64 } from '@conclave/bytes';
import { encodeMessage, parseMessage } from '@conclave/econn';
import { describe, expect, test } from 'vitest';
import { VirtualConference } from './virtual-conference.ts';
import { joinAs, linkOf, namesSeenBy, SERVER, seenBy } from './virtual-members.ts';

async function meeting(...names: string[]) {
  const rig = new VirtualConference();
  const server = rig.server(SERVER);
  const members = [];
  for (const name of names) members.push(await joinAs(rig, name));
  return { rig, server, members };
}

describe('members of a meeting', () => {
  test('know all others by name in the order in which they came', async () => {
    const { members } = await meeting('Ada', 'Bob', 'Cleo');
    expect(members.map(namesSeenBy)).toEqual([
      ['Bob', 'Cleo'],
      ['Ada', 'Cleo'],
      ['Ada', 'Bob'],
    ]);
    expect(new Set(members.map((member) => member.meeting.safetyCode)).size).toBe(1);
    expect(members[0]!.meeting.state.participants[0]!.id).toBe(members[1]!.meeting.state.selfId);
  });

  test('hear each other encrypted, and say so', async () => {
    const { rig, members } = await meeting('Ada', 'Bob', 'Cleo');
    const [ada, bob] = members as [(typeof members)[0], (typeof members)[0]];
    expect(seenBy(ada, 'Bob').encryption).toBe('waiting');
    expect(await bob.platform.media!.say('hello')).toBe(true);
    await rig.settle();
    expect(members.map(({ platform }) => platform.media!.heard)).toEqual([['hello'], [], ['hello']]);
    expect(seenBy(ada, 'Bob').encryption).toBe('encrypted');
    expect(seenBy(ada, 'Cleo').encryption).toBe('waiting');
    expect(ada.meeting.state.sealing).toBe('sealed');
    ada.platform.media!.figures = { ...QUIET };
    await rig.advance(2_100);
    const { participants } = await ada.meeting.statistics();
    expect(participants.map(({ framesOpened, framesRefused }) => [framesOpened, framesRefused])).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });

  test('see who mutes, raises a hand, shows a picture or a screen', async () => {
    const { rig, members } = await meeting('Ada', 'Bob');
    const [ada, bob] = members as [(typeof members)[0], (typeof members)[0]];
    const seen: object[] = [];
    const look = async () => {
      await rig.advance(100);
      const { muted, video, profile } = seenBy(ada, 'Bob');
      seen.push({ muted, video, hand: profile?.handRaised });
    };
    bob.meeting.setMuted(true);
    await look();
    await bob.meeting.setProfile({ name: 'Bob', handRaised: true });
    await look();
    bob.platform.media!.send('camera');
    await look();
    bob.platform.media!.send('screen');
    bob.meeting.setMuted(false);
    await look();
    expect(seen).toEqual([
      { muted: true, video: 'off', hand: false },
      { muted: true, video: 'off', hand: true },
      { muted: true, video: 'camera', hand: true },
      { muted: false, video: 'screen', hand: true },
    ]);
    expect(bob.platform.media!.muted).toBe(false);
  });

  test('who is muted from the start says so from the start', async () => {
    const { rig, members } = await meeting('Ada');
    const bob = await joinAs(rig, 'Bob', { muted: true });
    expect(bob.platform.media!.muted).toBe(true);
    expect(seenBy(members[0]!, 'Bob').muted).toBe(true);
  });

  test('keep the object of a participant of whom nothing changed, and the state between changes', async () => {
    const { rig, members } = await meeting('Ada', 'Bob', 'Cleo');
    const [ada, bob] = members as [(typeof members)[0], (typeof members)[0]];
    const before = ada.meeting.state;
    expect(ada.meeting.state).toBe(before);
    let told = 0;
    const stop = ada.meeting.subscribe(() => told++);
    bob.meeting.setMuted(true);
    await rig.advance(100);
    expect(told).toBeGreaterThan(0);
    const after = ada.meeting.state;
    expect(after.participants[0]).not.toBe(before.participants[0]);
    expect(after.participants[1]).toBe(before.participants[1]);
    stop();
    const heard = told;
    bob.meeting.setMuted(false);
    await rig.advance(100);
    expect(told).toBe(heard);
  });

  test('a box from before, for another, or of another key does not change a name', async () => {
    const { rig, server, members } = await meeting('Ada', 'Bob', 'Cleo');
    const [ada, bob, cleo] = members as [(typeof members)[0], (typeof members)[0], (typeof members)[0]];
    const boxes: string[] = [];
    const boxOf = (text: string) => {
      const message = parseMessage(text);
      return message.type === 'PROPSYNC' ? message : undefined;
    };
    server.alter = (text) => {
      const message = boxOf(text);
      if (message?.sourceUserId === bob.meeting.state.selfId) boxes.push(message.props.conclave!);
      return text;
    };
    await bob.meeting.setProfile({ name: 'Bobby', handRaised: true });
    await rig.advance(100);
    await bob.meeting.setProfile({ name: 'Bob', handRaised: false });
    await rig.advance(100);
    expect(new Set(boxes).size).toBe(2);
    const forge = async (box: string) => {
      server.alter = (text) => {
        const message = boxOf(text);
        if (
          message?.sourceUserId !== cleo.meeting.state.selfId &&
          message?.sourceUserId !== bob.meeting.state.selfId
        )
          return text;
        return encodeMessage({ ...message, props: { ...message.props, conclave: box } });
      };
      cleo.meeting.setMuted(!cleo.meeting.state.muted);
      bob.meeting.setMuted(!bob.meeting.state.muted);
      await rig.advance(100);
      expect(namesSeenBy(ada)).toEqual(['Bob', 'Cleo']);
      expect(seenBy(ada, 'Bob').muted).toBe(bob.meeting.state.muted);
    };
    await forge(boxes[0]!);
    await forge(toBase64(fromBase64(boxes.at(-1)!).map((byte, i) => (i === 40 ? byte ^ 1 : byte))));
    await forge('no base64!');
    await forge('');
  });

  test('who has another secret is in another meeting', async () => {
    const { rig, members } = await meeting('Ada', 'Bob');
    const eve = await joinAs(rig, 'Eve', { link: linkOf(2) });
    expect(namesSeenBy(eve)).toEqual([]);
    expect(namesSeenBy(members[0]!)).toEqual(['Bob']);
  });

  test('who leaves is gone for all; leaving twice is leaving once', async () => {
    const { rig, server, members } = await meeting('Ada', 'Bob', 'Cleo');
    const bob = members[1]!;
    const left = bob.meeting.leave();
    expect(bob.meeting.leave()).toBe(left);
    await rig.outcome(left);
    expect(bob.meeting.state).toMatchObject({ status: 'ended', endedBecause: 'left' });
    expect(bob.platform.media!.closed).toBe(true);
    await rig.advance(100);
    expect(namesSeenBy(members[0]!)).toEqual(['Cleo']);
    expect(server.said.filter(({ type }) => type === 'HANGUP')).toHaveLength(1);
    expect(() => bob.meeting.setMuted(true)).toThrow(expect.objectContaining({ code: 'ended' }));
    await expect(bob.meeting.setCamera(undefined)).rejects.toMatchObject({ code: 'ended' });
  });

  test('a server that says goodbye is answered, and everybody is told', async () => {
    const { rig, server, members } = await meeting('Ada', 'Bob');
    const states: string[] = [];
    members[0]!.meeting.subscribe(({ status }) => states.push(status));
    server.hangUpAll(server.said[0]!.sessionId);
    await rig.advance(100);
    expect(members[0]!.meeting.state.endedBecause).toBe('server-ended');
    expect(states).toContain('ended');
    expect(server.said.at(-1)).toMatchObject({ type: 'HANGUP', response: true });
  });

  test('nonsense from the server is passed over', async () => {
    const { rig, server, members } = await meeting('Ada', 'Bob');
    let said = '';
    server.alter = () => said;
    for (const text of [
      '',
      '{',
      '[]',
      '{"version":"3.0","type":"CONFPART"}',
      '\u0000',
      'x'.repeat(600_000),
    ]) {
      said = text;
      members[1]!.meeting.setMuted(!members[1]!.meeting.state.muted);
      await rig.advance(100);
    }
    expect(members[0]!.meeting.state.status).toBe('joined');
    expect(namesSeenBy(members[0]!)).toEqual(['Bob']);
  });
});

const QUIET = {
  roundTripMs: 20,
  lossSent: 0,
  lossReceived: 0,
  sentBps: 1,
  receivedBps: 1,
  path: 'udp',
  video: [],
};

describe('connection quality', () => {
  test('worsens after two bad readings, improves after three good ones, and the others hear of it', async () => {
    const { rig, members } = await meeting('Ada', 'Bob');
    const [ada, bob] = members as [(typeof members)[0], (typeof members)[0]];
    const verdicts: unknown[] = [];
    const read = async (lossReceived: number) => {
      bob.platform.media!.figures = { ...QUIET, lossReceived };
      await rig.advance(2_000);
      verdicts.push(bob.meeting.state.quality, seenBy(ada, 'Bob').quality);
    };
    await read(0);
    for (let i = 0; i < 2; i++) await read(0.2);
    for (let i = 0; i < 6; i++) await read(0);
    expect(verdicts).toEqual([
      ...['good', 'good'],
      ...['good', 'good', 'poor', 'poor'],
      ...['poor', 'poor', 'poor', 'poor', 'fair', 'fair'],
      ...['fair', 'fair', 'fair', 'fair', 'good', 'good'],
    ]);
  });
});
