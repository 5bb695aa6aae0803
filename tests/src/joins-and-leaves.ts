import { readdirSync, readFileSync } from 'node:fs';
import { type DtlsIdentity, generateDtlsIdentity } from '@conclave/forwarder';
import { NodeClient, type NodeClientOptions } from '@conclave/testkit';
import { eventually } from './call-page.ts';
import type { SftProcess } from './sft-process.ts';

/** What a process holds at one moment. */
export interface Holdings {
  readonly residentKb: number;
  readonly descriptors: number;
  readonly participants: number;
  readonly conferences: number;
}

/** Memory, descriptors and conferences of the SFT now. */
export async function holdingsOf(sft: SftProcess): Promise<Holdings> {
  const status = readFileSync(`/proc/${sft.pid}/status`, 'utf8');
  return {
    residentKb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]),
    descriptors: readdirSync(`/proc/${sft.pid}/fd`).length,
    participants: await sft.metric('sft_participants'),
    conferences: await sft.metric('sft_calls'),
  };
}

/** What it holds when nobody is in any conference any more. */
export async function emptyHoldingsOf(sft: SftProcess): Promise<Holdings> {
  return eventually(
    'everything is given back',
    () => holdingsOf(sft),
    (held) => held.conferences === 0 && held.participants === 0,
    60_000,
  );
}

/** One certificate for all, since making one costs time. */
let identity: DtlsIdentity | undefined;
let conferences = 0;

/** Clients of one call, and calls at the same time. */
const CALL_SIZE = 10;
const CALLS_AT_ONCE = 4;

/** Lets at least `count` clients join and leave, in calls of ten, four at a time. */
export async function joinAndLeave(sft: SftProcess, count: number): Promise<void> {
  let left = Math.ceil(count / CALL_SIZE);
  const runCalls = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await runCall(sft);
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, runCalls));
}

/** One call, in which everybody hears somebody, and one moves to a new transport before all say goodbye. */
async function runCall(sft: SftProcess): Promise<void> {
  const options = callOptions(sft);
  const clients = Array.from({ length: CALL_SIZE }, () => new NodeClient(options));
  await Promise.all(clients.map((client) => client.join()));
  await expectAllListed(clients);
  await clients[0]?.join(true);
  await expectAllListed(clients);
  const talking = setInterval(() => {
    for (const client of clients) client.sendAudio(20);
  }, 20);
  try {
    await Promise.all(clients.map((client) => client.until('a voice', () => client.heard > 0)));
  } finally {
    clearInterval(talking);
  }
  await Promise.all(clients.map((client) => client.leave()));
}

/**
 * Callers that leave without a word: one never answers its offer, one never does more than answer, and one falls silent
 * in the middle of its call. The server has to find out by itself, which takes it up to half a minute.
 */
export async function vanish(sft: SftProcess): Promise<void> {
  const [mute, deaf, lost] = [0, 1, 2].map(() => new NodeClient(callOptions(sft))) as [
    NodeClient,
    NodeClient,
    NodeClient,
  ];
  await mute.prepare();
  mute.close();
  const { type, sdp } = await deaf.prepare();
  deaf.close();
  await deaf.sendAnswer(type, sdp);
  await lost.join();
  lost.close();
}

function callOptions(sft: SftProcess): NodeClientOptions {
  identity ??= generateDtlsIdentity();
  conferences += 1;
  return { sft: sft.url, conversation: `joins${conferences}`, identity, videoSlots: 4 };
}

async function expectAllListed(clients: readonly NodeClient[]): Promise<void> {
  await Promise.all(
    clients.map((client) => client.until('the whole list', () => client.roster.length === clients.length)),
  );
}
