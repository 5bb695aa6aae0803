import { Conference } from '@conclave/conference';
import { parseConversationHash, parseUserHash } from '@conclave/econn';
import {
  createDtlsSession,
  createForwarder,
  type Forwarder,
  generateDtlsIdentity,
  SrtpProfile,
} from '@conclave/forwarder';
import { StunRouter } from '@conclave/transport';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConferenceRegistry } from './conference-registry.ts';
import { ingressOf } from './rule-ids.ts';

let forwarder: Forwarder;
let registry: ConferenceRegistry;
let faults: unknown[];
let idle: number;

beforeEach(() => {
  faults = [];
  idle = 0;
  forwarder = createForwarder({
    threads: [[{ address: '127.0.0.1', port: 0, transport: 'udp' }]],
    onEvents: () => undefined,
  });
  registry = new ConferenceRegistry({
    surroundings: {
      forwarder,
      now: () => performance.now(),
      router: new StunRouter(),
      identity: generateDtlsIdentity(),
      createDtlsSession,
      srtpProfiles: [SrtpProfile.aeadAes128Gcm],
      socketsOfThread: [forwarder.sockets.map((socket) => ({ ...socket, advertised: socket.address }))],
      tool: 'sftd 5.0.0',
    },
    url: 'http://127.0.0.1:1',
    onFault: (_conversation, error) => faults.push(error),
    onIdle: () => {
      idle += 1;
    },
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  registry.close();
  forwarder.close();
});

const conversation = parseConversationHash;

async function connect(name: string, user: string, update = false): Promise<string> {
  const outcome = await registry.connect(
    {
      conversation: conversation(name),
      userId: parseUserHash(user),
      clientId: '_',
      update,
      simulcast: true,
      selectiveAudio: true,
      selectiveVideo: true,
      videoSlots: 9,
      anchor: undefined,
      iceServers: [],
      remoteAddress: '127.0.0.1',
    },
    new AbortController().signal,
  );
  if (outcome.kind !== 'offer') throw new Error(outcome.reason);
  return outcome.sdp;
}

test('a caller is known and counted as soon as it has its offer, and each conference once', async () => {
  await connect('one', 'alice');
  await connect('one', 'bob');
  await connect('two', 'alice');
  expect(registry.isKnownCaller(conversation('one'), parseUserHash('alice'), '_')).toBe(true);
  expect(registry.isKnownCaller(conversation('two'), parseUserHash('bob'), '_')).toBe(false);
  expect(registry.participantsIn(conversation('one'))).toBe(2);
  expect(registry.usage).toEqual({
    conferences: 2,
    participants: 3,
    conferencesTotal: 2,
    participantsTotal: 3,
  });
});

test('an offer with nine video slots stays below what every client reads', async () => {
  const sdp = await connect('one', 'alice');
  expect(sdp.match(/^m=/gm)).toHaveLength(3 + 5 + 9);
  expect(sdp.length).toBeLessThan(16_384);
});

test('an answer is refused when none is waited for, and when it cannot be read', async () => {
  await connect('one', 'alice');
  const answer = { type: 'SETUP' as const, clientId: '_', props: {}, sdp: 'v=0' };
  const of = (name: string, user: string) =>
    registry.answer({ ...answer, conversation: conversation(name), userId: parseUserHash(user) });
  expect(of('two', 'alice')).toMatchObject({ kind: 'rejected', reason: 'unexpected' });
  expect(of('one', 'bob')).toMatchObject({ kind: 'rejected', reason: 'unexpected' });
  expect(of('one', 'alice')).toMatchObject({ kind: 'rejected', reason: 'unusable' });
});

test('a draining server takes no new callers, lets known ones reconnect, and is idle with its last conference', async () => {
  await connect('one', 'alice');
  registry.drain();
  await expect(connect('one', 'bob')).rejects.toThrow('draining');
  await connect('one', 'alice', true);
  expect(idle).toBe(0);
  registry.close();
  expect(idle).toBe(1);
});

test('a defect in one conference ends that one alone', async () => {
  await connect('one', 'alice');
  await connect('two', 'bob');
  const defect = new Error('defect');
  vi.spyOn(Conference.prototype, 'audioOnset').mockImplementation(() => {
    throw defect;
  });
  registry.handleForwarderEvents([
    { type: 'audio-onset', ingress: ingressOf(1 as never, 'audio') },
    { type: 'key-frame-needed', ingress: ingressOf(2 as never, 'low') },
  ]);
  expect(faults).toEqual([defect]);
  expect(registry.hasConference(conversation('one'))).toBe(false);
  expect(registry.hasConference(conversation('two'))).toBe(true);
  await connect('one', 'alice', true);
  expect(registry.hasConference(conversation('one'))).toBe(true);
});
