import {
  ConfkeyProvider,
  ExternalProvider,
  type KeyMessage,
  type KeyProvider,
  LinkSecretProvider,
  type MemberId,
} from '@conclave/e2ee';
import { describe, expect, test } from 'vitest';
import {
  type ConferenceAnnouncement,
  type GroupConference,
  joinConference,
  type MessagePipe,
} from '../src/index.ts';
import { VirtualConference, type VirtualPlatform } from './virtual-conference.ts';

const SERVER = 'https://sft.example';
const CONFERENCE = '337c1d4c3d183624b040f9228f9abc45';

/** A group chat: devices by their hash, and messages between them. */
class Group {
  readonly rig = new VirtualConference();
  readonly devices = new Map<string, MemberId>();
  readonly announcements: ConferenceAnnouncement[] = [];
  readonly #inboxes = new Map<string, (sender: MemberId, text: string) => void>();

  constructor() {
    this.rig.server(SERVER);
  }

  pipeOf(member: MemberId): MessagePipe {
    return {
      send: async (message: KeyMessage) => {
        for (const { userId } of message.to) {
          this.rig.clock.after(20, () => this.#inboxes.get(userId)?.(member, message.text));
        }
      },
      receive: (listener) => {
        this.#inboxes.set(member.userId, listener);
        return () => this.#inboxes.delete(member.userId);
      },
    };
  }

  async join(
    name: string,
    makeKeys: (selfId: string, member: MemberId, platform: VirtualPlatform) => KeyProvider,
  ) {
    const selfId = Buffer.from(name.padEnd(16, '.')).toString('hex');
    const member = { userId: name, clientId: '1' };
    this.devices.set(selfId, member);
    const platform = this.rig.platform(name);
    const conference = await this.rig.outcome(
      joinConference({
        conferenceId: CONFERENCE,
        selfId,
        servers: [SERVER],
        keys: makeKeys(selfId, member, platform),
        memberOf: (hash) => this.devices.get(hash),
        pipe: this.pipeOf(member),
        announce: (announcement) => this.announcements.push(announcement),
        profile: { name, handRaised: false },
        platform,
      }),
    );
    await this.rig.advance(500);
    return { conference, platform, selfId };
  }
}

type Joined = { conference: GroupConference; platform: VirtualPlatform; selfId: string };

async function hears(group: Group, speaker: Joined, listeners: readonly Joined[], text: string) {
  const sealed = await speaker.platform.media!.say(text);
  await group.rig.settle();
  return [sealed, ...listeners.map(({ platform }) => platform.media!.heard.includes(text))];
}

const confkey = (selfId: string, member: MemberId, platform: VirtualPlatform) =>
  new ConfkeyProvider(platform.crypto, {
    userHash: selfId,
    member,
    conversationHash: CONFERENCE,
    random: platform.random,
  });

describe('a group with CONFKEY messages', () => {
  test('all hear all through joins, rotations, reconnections and leaves; who left does not', async () => {
    const group = new Group();
    const ada = await group.join('Ada', confkey);
    const bob = await group.join('Bob', confkey);
    expect(await hears(group, ada, [bob], '1')).toEqual([true, true]);
    const cleo = await group.join('Cleo', confkey);
    expect(await hears(group, bob, [ada, cleo], '2')).toEqual([true, true, true]);
    await group.rig.advance(70_000);
    expect(await hears(group, cleo, [ada, bob], '3')).toEqual([true, true, true]);
    ada.conference.reconnect();
    await group.rig.advance(3_000);
    expect(await hears(group, ada, [bob, cleo], '4')).toEqual([true, true, true]);
    const former = ada.platform.media!.transform;
    await group.rig.outcome(ada.conference.leave());
    await group.rig.advance(5_000);
    expect(await hears(group, bob, [cleo], '5')).toEqual([true, true]);
    const frame = { data: new TextEncoder().encode('6').buffer as ArrayBuffer, getMetadata: () => ({}) };
    await bob.platform.media!.transform.transform({ direction: 'send', kind: 'audio' }, frame);
    expect(await former.transform({ direction: 'receive', kind: 'audio' }, frame)).toBe(false);
  });

  test('the first one announces the conference, once', async () => {
    const group = new Group();
    await group.join('Ada', confkey);
    await group.join('Bob', confkey);
    expect(group.announcements).toEqual([
      {
        server: SERVER,
        servers: [SERVER],
        timestampMs: expect.any(Number),
        sequenceNumber: expect.any(Number),
      },
    ]);
    expect(group.announcements[0]!.timestampMs).toBeGreaterThan(1_700_000_000_000);
  });

  test('a stranger is neither shown, heard nor let hear, until it is a member', async () => {
    const group = new Group();
    const ada = await group.join('Ada', confkey);
    const bob = await group.join('Bob', confkey);
    const eve = await group.join('Eve', confkey);
    const device = group.devices.get(eve.selfId)!;
    group.devices.delete(eve.selfId);
    for (const { conference } of [ada, bob]) conference.refresh();
    await group.rig.advance(3_000);
    expect(ada.conference.state.participants.map(({ id }) => id)).toEqual([bob.selfId]);
    expect(await hears(group, ada, [bob, eve], '1')).toEqual([true, true, false]);
    expect(await hears(group, eve, [ada, bob], '2')).toEqual([true, false, false]);
    group.devices.set(eve.selfId, device);
    for (const { conference } of [ada, bob]) conference.refresh();
    await group.rig.advance(3_000);
    expect(await hears(group, ada, [bob, eve], '3')).toEqual([true, true, true]);
  });

  test('who has the conference’s id but not its keys opens nothing, is not opened, and both are told', async () => {
    const group = new Group();
    const keyOf = (fill: number) => new LinkSecretProvider({ sessionKey: new Uint8Array(32).fill(fill) });
    const ada = await group.join('Ada', () => keyOf(1));
    const bob = await group.join('Bob', () => keyOf(1));
    const eve = await group.join('Eve', () => keyOf(2));
    expect(await hears(group, ada, [bob, eve], '1')).toEqual([true, true, false]);
    expect(await hears(group, eve, [ada, bob], '2')).toEqual([true, false, false]);
    const encryption = ({ conference }: Joined) =>
      conference.state.participants.map((participant) => participant.encryption);
    expect([ada, bob, eve].map(encryption)).toEqual([
      ['waiting', 'failing'],
      ['encrypted', 'failing'],
      ['failing', 'waiting'],
    ]);
  });

  test('nonsense from a member is that member’s own loss', async () => {
    const group = new Group();
    const ada = await group.join('Ada', confkey);
    const bob = await group.join('Bob', confkey);
    const pipe = group.pipeOf({ userId: 'Bob', clientId: '1' });
    for (const text of ['', '{}', '{"version":"3.0","type":"CONFKEY","sessid":"","resp":true,"keys":[]}']) {
      await pipe.send({ to: [{ userId: 'Ada', clientId: '1' }], text });
    }
    await group.rig.advance(100);
    expect(ada.conference.state.status).toBe('joined');
    expect(await hears(group, ada, [bob], '1')).toEqual([true, true]);
  });
});

describe('a group with keys of an application', () => {
  test('nothing is sealed before a key came; epochs are announced, and used when all have them', async () => {
    const group = new Group();
    const providers: ExternalProvider[] = [];
    const external = (userHash: string) => {
      const provider = new ExternalProvider({ userHash });
      providers.push(provider);
      return provider;
    };
    const ada = await group.join('Ada', external);
    const bob = await group.join('Bob', external);
    expect(ada.conference.state.sealing).toBe('waiting');
    expect(await hears(group, ada, [bob], '1')).toEqual([false, false]);
    const both = [ada, bob];
    const give = async (who: number, epoch: number) => {
      providers[who]!.handleEpoch(group.rig.clock.now, epoch, new Uint8Array(32).fill(epoch));
      both[who]!.conference.refresh();
      await group.rig.advance(500);
    };
    await give(0, 7);
    await give(1, 7);
    expect(ada.conference.state.sealing).toBe('sealed');
    expect(await hears(group, ada, [bob], '2')).toEqual([true, true]);
    await give(0, 8);
    expect(providers[0]!.currentEpoch).toBe(7);
    expect(await hears(group, ada, [bob], '3')).toEqual([true, true]);
    await give(1, 8);
    expect(providers.map(({ currentEpoch }) => currentEpoch)).toEqual([8, 8]);
    expect(await hears(group, bob, [ada], '4')).toEqual([true, true]);
  });
});
