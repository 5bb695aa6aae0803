// What joining costs a server, and how quickly it answers while it carries media.
import { NodeClient } from '../packages/testkit/dist/index.js';
import { startConclave } from './servers/conclave.mjs';

/** Enough for the compilers of the server's JavaScript to have seen everything. */
const WARM_UP_JOINS = 1000;
const JOINS = 500;
const AT_ONCE = 6;

/** People come and go, a few at a time, each into a conversation of its own. */
export async function measureChurn({ identity, cpu, cpuUs, memoryKib }) {
  const server = await startConclave({ identity, profile: 7, cpu });
  let number = 0;
  const joinMs = [];
  const comeAndGo = async (joins) => {
    let left = joins;
    const one = async () => {
      while (left > 0) {
        left -= 1;
        number += 1;
        const client = new NodeClient({ sft: server.url, conversation: `churn${number}`, identity });
        const started = performance.now();
        await client.join();
        joinMs.push(performance.now() - started);
        await client.leave();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  };
  await comeAndGo(WARM_UP_JOINS);
  joinMs.length = 0;
  const before = { cpu: cpuUs(server.pids), memory: memoryKib(server.pids), at: performance.now() };
  await comeAndGo(JOINS);
  const cpuMsPerJoin = (cpuUs(server.pids) - before.cpu) / 1000 / JOINS;
  const elapsedMs = performance.now() - before.at;
  const memoryGrowthKib = memoryKib(server.pids) - before.memory;
  await server.stop();
  joinMs.sort((a, b) => a - b);
  return {
    shape: 'churn',
    server: 'conclave',
    joins: JOINS,
    joinsPerSecond: (1000 * JOINS) / elapsedMs,
    cpuMsPerJoin,
    joinMs: joinMs[Math.floor(joinMs.length / 2)],
    memoryGrowthKib,
  };
}

/** Time to an answer of the signalling server while the session's media flows: median and longest of some requests. */
export async function signallingMs({ generator, server, session }) {
  const REQUESTS = 30;
  generator.run(session.streams.map(({ number }) => number));
  const times = [];
  for (let i = 0; i < REQUESTS; i++) {
    const started = performance.now();
    const response = await fetch(`${server.url}/sft/none`, { method: 'POST', body: '{}' });
    await response.arrayBuffer();
    times.push(performance.now() - started);
  }
  generator.run([]);
  times.sort((a, b) => a - b);
  return { medianMs: times[REQUESTS / 2], mostMs: times[REQUESTS - 1] };
}
