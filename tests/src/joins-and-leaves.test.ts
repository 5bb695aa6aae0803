import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emptyHoldingsOf, type Holdings, holdingsOf, joinAndLeave, vanish } from './joins-and-leaves.ts';
import { INSPECTABLE, NodeInspector } from './node-inspector.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** Joins in all. `npm run soak` asks for more. */
const JOINS = Number(process.env.CONCLAVE_SOAK_JOINS ?? 500);
const ROUNDS = 10;
/** Joins until compiled code and pools have their size. */
const WARM_UP = 300;
/**
 * By how much more the later half of the rounds may hold than the earlier, the least of each: what chance and compiled
 * code make of it, and what one join may cost for good. All garbage is collected before memory is read.
 */
const RESIDENT_NOISE_KB = 4_000;
const HEAP_NOISE_KB = 600;
const KB_PER_JOIN = 0.5;
/** Idle connections of this process to the signalling server, whose number depends on who asks at the same time. */
const SPARE_DESCRIPTORS = 40;

interface Round extends Holdings {
  readonly heapKb: number;
}

let sft: SftProcess;
let inspector: NodeInspector;

beforeAll(async () => {
  const inherited = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `${inherited ?? ''} ${INSPECTABLE}`;
  try {
    sft = await startSftProcess({ flags: ['--request-rate', '100000', '--request-burst', '100000'] });
  } finally {
    if (inherited === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = inherited;
  }
  inspector = await NodeInspector.open(sft);
});

afterAll(async () => {
  inspector?.close();
  await sft?.stop();
});

test(
  `after ${JOINS} joins and leaves the server holds what it held before`,
  async () => {
    await vanish(sft);
    await joinAndLeave(sft, WARM_UP);
    const { descriptors } = await emptyHoldingsOf(sft);
    const rounds: Round[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const startedAt = performance.now();
      await joinAndLeave(sft, JOINS / ROUNDS);
      const tookMs = performance.now() - startedAt;
      await emptyHoldingsOf(sft);
      // The last transports linger for half a second.
      await delay(700);
      const heapKb = await inspector.collectGarbage();
      rounds.push({ ...(await holdingsOf(sft)), heapKb });
      printRow(round, rounds[round - 1]!, tookMs);
    }
    const growthOf = (read: (round: Round) => number): number =>
      Math.min(...rounds.slice(ROUNDS / 2).map(read)) - Math.min(...rounds.slice(0, ROUNDS / 2).map(read));
    const allowedKb = (KB_PER_JOIN * JOINS) / 2;
    expect(growthOf((held) => held.heapKb)).toBeLessThan(HEAP_NOISE_KB + allowedKb);
    expect(growthOf((held) => held.residentKb)).toBeLessThan(RESIDENT_NOISE_KB + allowedKb);
    expect(rounds.at(-1)).toMatchObject({ participants: 0, conferences: 0 });
    expect(rounds.at(-1)?.descriptors).toBeLessThan(descriptors + SPARE_DESCRIPTORS);
  },
  60_000 + JOINS * 200,
);

function printRow(round: number, held: Round, tookMs: number): void {
  if (process.env.CONCLAVE_SOAK_JOINS === undefined) return;
  const names = ['joins', 'RSS MiB', 'heap MiB', 'descriptors', 'participants', 'calls', 'seconds'];
  if (round === 1) process.stdout.write(tableRow(names));
  const cells = [
    (round * JOINS) / ROUNDS,
    (held.residentKb / 1024).toFixed(1),
    (held.heapKb / 1024).toFixed(2),
    held.descriptors,
    held.participants,
    held.conferences,
    (tookMs / 1000).toFixed(1),
  ];
  process.stdout.write(tableRow(cells));
}

function tableRow(cells: readonly (string | number)[]): string {
  return `${cells.map((cell) => String(cell).padStart(12)).join(' ')}\n`;
}
