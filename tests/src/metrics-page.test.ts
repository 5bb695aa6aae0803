import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/METRICS.md', import.meta.url)), 'utf8').split(
  '# The TURN server',
)[0]!;
const DROPS = /^conclave_forwarder_dropped_(.+)_total$/;

let sft: SftProcess;

beforeAll(async () => {
  sft = await startSftProcess();
});

afterAll(async () => {
  await sft?.stop();
});

/** Names of our own metrics that the server shows; drops by their reason alone, as the page lists them. */
async function shownMetrics(): Promise<string[]> {
  const text = await (await fetch(`${sft.metricsUrl}/metrics`)).text();
  const names = [...text.matchAll(/^# TYPE ((?:sft|conclave)_\S+) /gm)].map((match) => match[1]!);
  return names.map((name) => DROPS.exec(name)?.[1] ?? name).sort();
}

test('the page on metrics lists every metric that the server shows, and no other', async () => {
  const cells = PAGE.split('\n').flatMap((line) => (line.startsWith('| `') ? [line.split('|')[1]!] : []));
  const listed = cells.flatMap((cell) => [...cell.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]!));
  expect(listed.sort()).toEqual(await shownMetrics());
});
