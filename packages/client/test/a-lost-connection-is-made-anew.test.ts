import { describe, expect, test } from 'vitest';
import { refusal, VirtualConference } from './virtual-conference.ts';
import { joinAs, namesSeenBy, SERVER, seenBy } from './virtual-members.ts';

async function pair() {
  const rig = new VirtualConference();
  const server = rig.server(SERVER);
  const ada = await joinAs(rig, 'Ada');
  const bob = await joinAs(rig, 'Bob');
  return { rig, server, ada, bob };
}

describe('reconnecting', () => {
  test('keeps the old connection until the new channel is open', async () => {
    const { rig, ada, bob } = await pair();
    const { media } = bob.platform;
    const before = seenBy(ada, 'Bob');
    const [old] = [...media!.peers];
    bob.meeting.reconnect();
    await rig.advance(60);
    expect(bob.meeting.state.status).toBe('reconnecting');
    expect(media!.peers.size).toBe(2);
    expect(old!.isActive).toBe(true);
    await media!.say('meanwhile');
    await rig.settle();
    expect(ada.platform.media!.heard).toEqual(['meanwhile']);
    await rig.advance(200);
    expect(bob.meeting.state.status).toBe('joined');
    expect([...media!.peers]).not.toContain(old);
    expect(old!.isClosed).toBe(true);
    await media!.say('afterwards');
    await rig.settle();
    expect(ada.platform.media!.heard).toEqual(['meanwhile', 'afterwards']);
    expect(seenBy(ada, 'Bob')).toMatchObject({ id: before.id, order: before.order });
  });

  test('asks for an update at the server in use, and tells everything again', async () => {
    const { rig, server, ada, bob } = await pair();
    bob.meeting.setMuted(true);
    ada.platform.media!.send('camera');
    await rig.advance(100);
    bob.meeting.watch([{ id: ada.meeting.state.selfId, heightPx: 720 }]);
    await rig.advance(200);
    server.said.length = 0;
    server.requests.length = 0;
    bob.meeting.reconnect();
    await rig.advance(500);
    expect(server.requests.map(({ message }) => message)).toMatchObject([
      { type: 'CONFCONN', update: true },
      { type: 'UPDATE', response: true, props: { muted: 'true' } },
    ]);
    const said = server.said.filter(({ sourceUserId }) => sourceUserId === bob.meeting.state.selfId);
    expect(said.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['PROPSYNC', 'CONFPART', 'CONFSTREAMS']),
    );
    expect(seenBy(ada, 'Bob')).toMatchObject({ muted: true, profile: { name: 'Bob' } });
  });

  test('begins when the transport is lost', async () => {
    const { rig, bob } = await pair();
    [...bob.platform.media!.peers][0]!.lost();
    expect(bob.meeting.state.status).toBe('reconnecting');
    await rig.advance(1_000);
    expect(bob.meeting.state.status).toBe('joined');
  });

  test('begins after four signs of life without an answer', async () => {
    const { rig, server, bob } = await pair();
    server.alter = (text) => (text.includes('"PING"') ? undefined : text);
    const states: string[] = [];
    bob.meeting.subscribe(({ status }) => states.push(status));
    await rig.advance(20_000);
    expect(states).not.toContain('reconnecting');
    await rig.advance(6_000);
    expect(states).toContain('reconnecting');
    expect(bob.meeting.state.status).toBe('joined');
  });

  test('begins when no list of participants comes', async () => {
    const rig = new VirtualConference();
    const server = rig.server(SERVER);
    server.alter = (text) => (text.includes('"CONFPART"') ? undefined : text);
    const ada = await joinAs(rig, 'Ada');
    server.requests.length = 0;
    await rig.advance(10_000);
    expect(server.requests[0]?.message).toMatchObject({ type: 'CONFCONN', update: true });
    server.alter = (text) => text;
    await rig.advance(11_000);
    server.requests.length = 0;
    await rig.advance(30_000);
    expect(server.requests).toEqual([]);
    expect(ada.meeting.state.status).toBe('joined');
  });

  test('goes on trying while the network is away, and the others see nobody twice', async () => {
    const { rig, ada, bob } = await pair();
    bob.platform.isCut = true;
    await rig.advance(40_000);
    expect(bob.meeting.state.status).toBe('reconnecting');
    expect(namesSeenBy(ada)).toEqual([]);
    bob.platform.isCut = false;
    await rig.advance(8_000);
    expect(bob.meeting.state.status).toBe('joined');
    expect(namesSeenBy(ada)).toEqual(['Bob']);
    expect(namesSeenBy(bob)).toEqual(['Ada']);
    await bob.platform.media!.say('back');
    await rig.settle();
    expect(ada.platform.media!.heard).toEqual(['back']);
  });

  test('gives up after a minute, and everything is freed', async () => {
    const { rig, bob } = await pair();
    bob.platform.isCut = true;
    await rig.advance(100_000);
    expect(bob.meeting.state).toMatchObject({ status: 'ended', endedBecause: 'connection-lost' });
    expect(bob.platform.media!.closed).toBe(true);
    expect(bob.platform.media!.peers.size).toBe(0);
  });

  test('ends at once when the server refuses for good', async () => {
    const { rig, server, bob } = await pair();
    server.misbehave = () => refusal(2);
    bob.meeting.reconnect();
    await rig.advance(1_000);
    expect(bob.meeting.state).toMatchObject({ status: 'ended', endedBecause: 'access-denied' });
  });

  test('leaving meanwhile ends it', async () => {
    const { rig, server, ada, bob } = await pair();
    server.delayMs = 1_000;
    bob.meeting.reconnect();
    await rig.advance(500);
    await rig.outcome(bob.meeting.leave());
    expect(bob.meeting.state.endedBecause).toBe('left');
    await rig.advance(15_000);
    expect(bob.platform.media!.peers.size).toBe(0);
    expect(namesSeenBy(ada)).toEqual([]);
    expect(server.legs).toBe(1);
  });

  test('leaving without a network takes a second', async () => {
    const { rig, bob } = await pair();
    bob.platform.isCut = true;
    const begun = rig.clock.now;
    await rig.outcome(bob.meeting.leave());
    expect(rig.clock.now - begun).toBeLessThan(1_200);
    expect(bob.meeting.state.endedBecause).toBe('left');
  });
});
