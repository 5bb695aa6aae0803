// Many people join one conference at the same moment: how long until all of them see all, and what one join costs the
// server. The clients are real (ICE, DTLS, SCTP) and share the machine. Run after `npm run build`:
// node bench/join-storm.mjs [people]
import { readFileSync } from 'node:fs';
import { generateDtlsIdentity } from '../packages/forwarder/dist/index.js';
import { NodeClient } from '../packages/testkit/dist/index.js';
import { startSftProcess } from '../tests/dist/sft-process.js';

const people = Number(process.argv[2] ?? 150);
const TICK_MS = 10;
const sft = await startSftProcess({ flags: ['--request-rate', '100000', '--request-burst', '100000'] });
const identity = generateDtlsIdentity();

/** CPU time of the server so far, user and system. */
function serverCpuMs() {
  const fields = readFileSync(`/proc/${sft.pid}/stat`, 'utf8').split(' ');
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

async function storm(count, conversation) {
  const before = serverCpuMs();
  const started = performance.now();
  const clients = Array.from(
    { length: count },
    () => new NodeClient({ sft: sft.url, conversation, identity, videoSlots: 4 }),
  );
  await Promise.all(clients.map((client) => client.join()));
  await Promise.all(
    clients.map((client) => client.until('all', () => client.roster.length === count, 60_000)),
  );
  const result = { tookMs: Math.round(performance.now() - started), cpuMs: (serverCpuMs() - before) / count };
  for (const client of clients) client.close();
  return result;
}

await storm(20, 'warm-up');
const { tookMs, cpuMs } = await storm(people, 'storm');
console.log(
  `${people} people at once: all see all after ${tookMs} ms; server CPU per join ${cpuMs.toFixed(1)} ms`,
);
await sft.stop();
