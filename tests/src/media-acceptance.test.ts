import { createSocket, type Socket } from 'node:dgram';
import { createDtlsSession, type DtlsIdentity, generateDtlsIdentity, SrtpProfile } from '@conclave/forwarder';
import { NodeClient, type NodeClientOptions } from '@conclave/testkit';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** Loud enough to hold a slot. */
const LOUD = 20;

let sft: SftProcess;
let identity: DtlsIdentity;
const clients: NodeClient[] = [];

beforeAll(async () => {
  sft = await startSftProcess({ flags: ['--request-rate', '100000', '--request-burst', '100000'] });
  identity = generateDtlsIdentity();
});

afterAll(async () => {
  await sft?.stop();
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function newClient(conversation: string, options: Partial<NodeClientOptions> = {}): NodeClient {
  const client = new NodeClient({ sft: sft.url, conversation, identity, ...options });
  clients.push(client);
  return client;
}

/** A call of `count` clients that see each other. */
async function startCall(conversation: string, count: number, authorises = true): Promise<NodeClient[]> {
  const call = Array.from({ length: count }, () => newClient(conversation));
  for (const client of call) {
    client.authorises = authorises;
    await client.join();
  }
  await expectAllListed(call);
  return call;
}

async function expectAllListed(call: readonly NodeClient[]): Promise<void> {
  for (const client of call)
    await client.until('all in the list', () => client.roster.length === call.length);
}

/** Packets that came and were forwarded to nobody, for whatever reason. */
async function dropped(): Promise<number> {
  const text = await (await fetch(`${sft.metricsUrl}/metrics`)).text();
  let sum = 0;
  for (const [, count] of text.matchAll(/^conclave_forwarder_dropped_[a-z_]+_total (\d+)/gm))
    sum += Number(count);
  return sum;
}

const droppedFor = (reason: string): Promise<number> =>
  sft.metric(`conclave_forwarder_dropped_${reason}_total`);

/** Does something that sends `count` packets, and waits until the server has dropped them all. */
async function expectDropped(count: number, act: () => void): Promise<void> {
  const before = await dropped();
  act();
  await eventually('the packets are dropped', dropped, (now) => now >= before + count);
}

/** Speaks until the listener hears it. */
async function expectHeard(speaker: NodeClient, listener: NodeClient): Promise<void> {
  const before = listener.heardFrom(speaker.audioSsrc);
  const talking = setInterval(() => speaker.sendAudio(LOUD), 20);
  try {
    await listener.until('the voice', () => listener.heardFrom(speaker.audioSsrc) > before + 5);
  } finally {
    clearInterval(talking);
  }
}

/** Shows itself, beginning with a key frame now and then, until the listener sees it. */
async function expectSeen(presenter: NodeClient, viewer: NodeClient): Promise<void> {
  const source = Number(viewer.roster.find((entry) => entry.userid === presenter.userId)?.ssrc_video);
  const before = viewer.heardFrom(source);
  let frames = 0;
  const showing = setInterval(() => presenter.sendVideo(frames++ % 10 === 0 ? 'key' : 'delta'), 20);
  try {
    await viewer.until('the picture', () => viewer.heardFrom(source) > before + 5);
  } finally {
    clearInterval(showing);
  }
}

/** A socket that belongs to no client. */
async function foreignSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

const sendFrom = (socket: Socket, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => socket.send(bytes, sft.mediaPort, '127.0.0.1', () => resolve()));

test('who shows another certificate than announced gets neither the channel nor media', async () => {
  const [speaker, listener] = (await startCall('forged', 2)) as [NodeClient, NodeClient];
  await expectHeard(speaker, listener);
  const forger = newClient('forged', { announcedFingerprint: generateDtlsIdentity().fingerprint });
  const { type, sdp } = await forger.prepare();
  await forger.sendAnswer(type, sdp);
  await forger.until('the end of its session', () => forger.failure !== undefined);
  expect(forger.failure).toContain('closed');

  // It has keys of its own from the handshake, and goes on as if nothing were wrong.
  await expectDropped(50, () => forger.sendAudio(0, 50));
  await expectHeard(speaker, listener);
  expect(listener.heardFrom(forger.audioSsrc)).toBe(0);
  expect(forger.heard).toBe(0);
  expect(forger.channelOpen).toBe(false);
  expect(forger.messages).toEqual([]);
  expect(listener.roster.map((entry) => entry.userid)).not.toContain(forger.userId);
});

test('hellos sprayed from anywhere before consent keep nobody out', async () => {
  const stranger = createDtlsSession({
    identity: generateDtlsIdentity(),
    role: 'client',
    srtpProfiles: [SrtpProfile.aeadAes128Gcm],
  });
  stranger.start(performance.now());
  const hello = stranger.pollTransmit()!;
  stranger.close();
  const foreign = await foreignSocket();
  const before = await droppedFor('no_path');
  let sprayed = 0;
  const call = Array.from({ length: 50 }, () => newClient('sprayed'));
  for (let first = 0; first < call.length; first += 10) {
    await Promise.all(
      call.slice(first, first + 10).map(async (client) => {
        const { type, sdp } = await client.prepare();
        // The client's own checks do not validate a path before the server has its answer.
        for (let i = 0; i < 20; i++) {
          client.sendRaw(hello);
          await sendFrom(foreign, hello);
          sprayed += 2;
        }
        await client.sendAnswer(type, sdp);
        while (!client.channelOpen) {
          await sendFrom(foreign, hello);
          sprayed += 1;
          await new Promise((resolve) => setTimeout(resolve, 5));
          expect(client.failure).toBeUndefined();
        }
      }),
    );
  }
  await expectAllListed(call);
  foreign.close();
  expect(sprayed).toBeGreaterThan(2000);
  await eventually(
    'all hellos are dropped',
    () => droppedFor('no_path'),
    (now) => now >= before + sprayed,
  );
});

test('media flows only between two who have authorised each other, and only while they do', async () => {
  const [speaker, listener] = (await startCall('authorised', 2, false)) as [NodeClient, NodeClient];
  await expectDropped(20, () => speaker.sendAudio(LOUD, 20));
  expect(listener.heard).toBe(0);

  speaker.authorise(() => true);
  await speaker.ping();
  await expectDropped(40, () => {
    speaker.sendAudio(LOUD, 20);
    listener.sendAudio(LOUD, 20);
  });
  expect(listener.heard).toBe(0);
  expect(speaker.heard).toBe(0);

  listener.authorise(() => true);
  await listener.ping();
  await expectHeard(speaker, listener);
  await expectHeard(listener, speaker);

  // Whoever withdraws, it holds both ways.
  for (const withdrawing of [speaker, listener]) {
    withdrawing.authorise(() => false);
    await withdrawing.ping();
    const before = [speaker.heard, listener.heard];
    await expectDropped(40, () => {
      speaker.sendAudio(LOUD, 20);
      listener.sendAudio(LOUD, 20);
    });
    expect([speaker.heard, listener.heard]).toEqual(before);
    withdrawing.authorise(() => true);
    await withdrawing.ping();
    await expectHeard(speaker, listener);
    await expectHeard(listener, speaker);
  }
});

test('in a larger call, who is not authorised by one is heard by the others', async () => {
  const call = (await startCall('some', 3)) as [NodeClient, NodeClient, NodeClient];
  const [speaker, friend, stranger] = call;
  await expectHeard(speaker, friend);
  await expectHeard(speaker, stranger);
  stranger.authorises = false;
  stranger.authorise((other) => other.userid !== speaker.userId);
  await stranger.ping();
  const before = stranger.heardFrom(speaker.audioSsrc);
  await expectHeard(speaker, friend);
  expect(stranger.heardFrom(speaker.audioSsrc)).toBe(before);
  await expectHeard(friend, stranger);
});

test('who has left is neither heard nor hears or sees, though its socket and keys live on', async () => {
  const call = Array.from({ length: 3 }, () => newClient('left', { video: 'single' }));
  const [speaker, listener, leaver] = call as [NodeClient, NodeClient, NodeClient];
  for (const client of call) await client.join();
  await expectAllListed(call);
  for (const client of call)
    client.watch(...call.filter((other) => other !== client).map((other) => other.userId));
  await expectHeard(leaver, listener);
  await expectSeen(leaver, listener);
  await expectHeard(speaker, leaver);
  await expectSeen(speaker, leaver);
  await leaver.hangUp();
  await listener.ping();
  const before = { byLeaver: leaver.heard, byListener: listener.heardFrom(leaver.audioSsrc) };
  await expectDropped(60, () => {
    leaver.sendAudio(0, 50);
    for (let i = 0; i < 10; i++) leaver.sendVideo('key');
  });
  await expectHeard(speaker, listener);
  await expectSeen(speaker, listener);
  expect(listener.heardFrom(leaver.audioSsrc)).toBe(before.byListener);
  expect(leaver.heard).toBe(before.byLeaver);

  // When the transport has gone as well, its address counts as any other.
  const noPath = await droppedFor('no_path');
  await eventually(
    'its address is forgotten',
    async () => {
      leaver.sendAudio(0, 1);
      return droppedFor('no_path');
    },
    (now) => now > noPath,
  );
  expect(listener.heardFrom(leaver.audioSsrc)).toBe(before.byListener);
});

test('a call taken over by the same user at another place ends at the first', async () => {
  const [listener, first] = (await startCall('replaced', 2)) as [NodeClient, NodeClient];
  await expectHeard(first, listener);
  const second = newClient('replaced', { userId: first.userId, clientId: first.clientId });
  await second.join();
  const isNew = (client: NodeClient): boolean =>
    client.roster.some((entry) => Number(entry.ssrc_audio) === second.audioSsrc);
  await listener.until('the second in the list', () => isNew(listener) && listener.roster.length === 2);
  const before = listener.heardFrom(first.audioSsrc);
  await expectDropped(50, () => first.sendAudio(0, 50));
  await expectHeard(second, listener);
  expect(listener.heardFrom(first.audioSsrc)).toBe(before);
});

test('authentic packets from an address without an authenticated check are not forwarded', async () => {
  const [speaker, listener] = (await startCall('elsewhere', 2)) as [NodeClient, NodeClient];
  await expectHeard(speaker, listener);
  const foreign = await foreignSocket();
  const before = { heard: listener.heard, noPath: await droppedFor('no_path') };
  const packets = Array.from({ length: 20 }, () => speaker.protectAudio(LOUD));
  for (const packet of packets) await sendFrom(foreign, packet);
  await eventually(
    'they are dropped',
    () => droppedFor('no_path'),
    (now) => now === before.noPath + 20,
  );
  expect(listener.heard).toBe(before.heard);
  // They were not so much as noted: from the right address they are new.
  for (const packet of packets) speaker.sendRaw(packet);
  await listener.until('all of them', () => listener.heard === before.heard + 20);
  foreign.close();
});

test("nobody can speak in another's name", async () => {
  const [speaker, listener, forger] = (await startCall('names', 3)) as [NodeClient, NodeClient, NodeClient];
  await expectHeard(speaker, listener);
  await expectHeard(forger, listener);
  const before = listener.heardFrom(speaker.audioSsrc);
  // With the keys of the speaker, from the forger's address: the tag is wrong there.
  const badTags = await droppedFor('bad_tag');
  for (let i = 0; i < 20; i++) forger.sendRaw(speaker.protectAudio(0));
  await eventually(
    'they are dropped',
    () => droppedFor('bad_tag'),
    (now) => now === badTags + 20,
  );
  // With the forger's own keys and the speaker's SSRC.
  await expectDropped(20, () => {
    for (let sequence = 0; sequence < 20; sequence++) {
      const packet = Buffer.alloc(60);
      packet[0] = 0x80;
      packet[1] = 111;
      packet.writeUInt16BE(sequence, 2);
      packet.writeUInt32BE(speaker.audioSsrc, 8);
      forger.sendRtp(packet);
    }
  });
  // With the speaker as the contributing source of its own stream: receivers are told who sent it.
  const heardOfForger = listener.heardFrom(forger.audioSsrc);
  forger.sendAudio(0, 5);
  await listener.until('its own voice', () => listener.heardFrom(forger.audioSsrc) >= heardOfForger + 5);
  expect(listener.heardFrom(speaker.audioSsrc)).toBe(before);
});
