// npm run bench: what a server costs for each packet it delivers, beside other servers and the kernel's floor, in one run.
// What is measured and how: README.md in this folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generateDtlsIdentity, SrtpProfile } from '../packages/forwarder/dist/index.js';
import { measureChurn, signallingMs } from './churn.mjs';
import { compile, LoadGenerator } from './load-generator.mjs';
import { printTables, writePlots } from './report.mjs';
import { audioRoom, everybody, fan, frames, meeting, webinar } from './scenario.mjs';
import { startConclave } from './servers/conclave.mjs';
import { hasJanus, startJanus } from './servers/janus.mjs';
import { startMedooze } from './servers/medooze.mjs';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    profile: { type: 'string', default: 'cm' },
    shapes: { type: 'string', default: 'fan,everybody,meeting,audio,webinar,saturation,churn' },
    servers: { type: 'string', default: 'conclave,conventional,medooze,janus,floor' },
    scale: { type: 'string', default: availableParallelism() > 4 ? '1' : '0.4' },
    out: { type: 'string', default: 'bench/results' },
  },
});
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const rounds = Number(args.rounds);
const durationMs = 1000 * Number(args.seconds);
const profile = { cm: SrtpProfile.aes128CmSha1_80, gcm: SrtpProfile.aeadAes128Gcm }[args.profile];
if (profile === undefined) throw new TypeError('--profile is cm or gcm');
const scaled = (people) => Math.max(10, Math.round(people * Number(args.scale)));
/** Wanted at most of what is offered, counted before as lost. */
const SATURATION_LOSS = 0.01;
/** The server has one core, the generator the others. */
const SERVER_CPU = '0';

const generator = new LoadGenerator();
const identity = generateDtlsIdentity();
const starters = {
  conclave: (options) => startConclave(options),
  conventional: (options) => startConclave({ ...options, sending: 'single' }),
  medooze: (options) => startMedooze(options),
  janus: (options) => startJanus(options),
};
const wanted = args.servers.split(',').filter((name) => name !== 'janus' || hasJanus());

/** All servers carry the first kinds; the conference shapes of Wire's protocol are Conclave's own. */
const shapesByName = {
  fan: [fan(50), fan(100)].map((scenario) => ({ scenario, servers: Object.keys(starters), floor: true })),
  everybody: [{ scenario: everybody(10), servers: Object.keys(starters) }],
  meeting: [{ scenario: meeting(scaled(50)), servers: ['conclave', 'conventional'] }],
  audio: [{ scenario: audioRoom(scaled(500)), servers: ['conclave', 'conventional'] }],
  webinar: [{ scenario: webinar(scaled(1000)), servers: ['conclave', 'conventional'] }],
  saturation: [{ scenario: fan(100), servers: Object.keys(starters), saturate: true }],
};

/** CPU time of processes so far, all threads, user and system, in µs. */
function cpuUs(pids) {
  let sum = 0;
  for (const pid of pids) {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      try {
        sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1000;
      } catch {
        // The thread ended.
      }
    }
  }
  return sum;
}

const memoryKib = (pids) =>
  pids.reduce(
    (sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]),
    0,
  );

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[Math.floor((sorted.length - 1) / 2)];
};

/** Lets a session's streams run for a while and says what came of it. */
async function measure(server, session, { speed = 1, warmUpMs = 2000, windowMs = durationMs } = {}) {
  generator.run(
    session.streams.map(({ number }) => number),
    speed,
  );
  await sleep(warmUpMs);
  const before = {
    ...generator.read(),
    sent: generator.sentByStream(),
    server: cpuUs(server.pids),
    at: performance.now(),
  };
  await sleep(windowMs);
  const sent = generator.sentByStream();
  const busyUs = cpuUs(server.pids) - before.server;
  const elapsedMs = performance.now() - before.at;
  const after = generator.read();
  generator.run([]);
  await sleep(100);
  const delivered = after.received - before.received;
  const offered = session.streams.reduce(
    (sum, { number, fanout }) => sum + (sent[number] - before.sent[number]) * fanout,
    0,
  );
  return {
    cpuUs: busyUs / delivered,
    cpuShare: busyUs / 1000 / elapsedMs,
    delivered,
    packetsPerSecond: (1000 * delivered) / elapsedMs,
    // The edges of the window make it negative now and then.
    loss: Math.max(0, 1 - delivered / offered),
    bytes: (after.bytes - before.bytes) / delivered,
    p50Ms: after.p50Us / 1000,
    p99Ms: after.p99Us / 1000,
    p999Ms: after.p999Us / 1000,
    generatorCpuUs: (after.cpuUs - before.cpuUs) / delivered,
    checked: after.checked - before.checked,
    bad: after.bad - before.bad,
  };
}

/** The kernel's part alone: the same datagrams to the same sockets, by a program that does nothing else. */
async function measureFloor(ports, run) {
  const source = here('native/datagrams.cc');
  const tool = compile(here('build/datagrams'), [source], []);
  const { packets, bytes, perSecond } = frames.high;
  const before = generator.read();
  const numbers = [run, bytes, packets, Math.round(1e6 / perSecond), durationMs].map(String);
  const child = spawn('taskset', ['-c', SERVER_CPU, tool, 'floor', ...numbers], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(ports.join('\n'));
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  await once(child, 'close');
  await sleep(50);
  const delivered = generator.read().received - before.received;
  const [sent, usedUs] = output.split(' ').map(Number);
  return { cpuUs: usedUs / delivered, delivered, loss: 1 - delivered / sent, bytes };
}

/** The most packets a second with less than the allowed loss: in steps, each tried twice. */
async function saturate(server, session) {
  let best;
  for (let speed = 4; speed < 200; speed *= 1.2) {
    let passed;
    for (let i = 0; i < 2 && !passed; i++) {
      const result = await measure(server, session, { speed, warmUpMs: 500, windowMs: 800 });
      if (result.loss < SATURATION_LOSS) passed = result;
    }
    if (!passed) break;
    best = passed;
  }
  return best ?? measure(server, session, { speed: 1 });
}

async function runShape({ scenario, servers, floor = false, saturate: saturating = false }, results) {
  const name = saturating ? `${scenario.name}, saturated` : scenario.name;
  const running = [];
  for (const key of servers.filter((server) => wanted.includes(server))) {
    const server = await starters[key]({ generator, identity, profile, cpu: SERVER_CPU });
    const memoryBefore = memoryKib(server.pids);
    const session = await server.open(scenario);
    const memoryPerPersonKib = (memoryKib(server.pids) - memoryBefore) / scenario.people;
    running.push({ key, server, session, memoryPerPersonKib, samples: [] });
    console.error(`${name}: ${key} carries ${scenario.people} people`);
  }
  const sinks = [];
  if (floor && wanted.includes('floor')) {
    for (let i = 1; i < scenario.people; i++) sinks.push(generator.open(() => undefined));
    for (const run of [1, 4])
      running.push({ key: run === 1 ? 'floor: sendto' : 'floor: GSO of 4', run, samples: [] });
  }
  for (let round = 0; round < rounds; round++) {
    // Each is first in some round: what else the machine does changes slowly.
    for (let i = 0; i < running.length; i++) {
      const { server, session, run, samples } = running[(i + round) % running.length];
      if (run)
        samples.push(
          await measureFloor(
            sinks.map(({ port }) => port),
            run,
          ),
        );
      else if (saturating) samples.push(await saturate(server, session));
      else samples.push(await measure(server, session));
    }
  }
  for (const { key, server, session, memoryPerPersonKib, samples } of running) {
    const result = { shape: name, server: key, people: scenario.people, samples };
    if (session) {
      result.joinMs = median(session.joinMs);
      result.memoryPerPersonKib = memoryPerPersonKib;
      if (server.url && !saturating) result.signalling = await signallingMs({ generator, server, session });
      session.close();
      await server.stop();
    }
    for (const field of Object.keys(samples[0]))
      result[field] = median(samples.map((sample) => sample[field]));
    result.least = Math.min(...samples.map((sample) => sample.cpuUs));
    result.most = Math.max(...samples.map((sample) => sample.cpuUs));
    if (samples.some(({ bad }) => bad > 0)) console.error(`${name}: ${key} delivered packets that are wrong`);
    results.push(result);
  }
  for (const sink of sinks) sink.close();
}

const started = performance.now();
const machine = {
  cpu: `${cpus().length} × ${cpus()[0].model}`,
  system: `Linux ${release()} ${arch()}`,
  node: process.version,
  openssl: process.versions.openssl,
  profile: args.profile === 'cm' ? 'AES_CM_128_HMAC_SHA1_80' : 'AEAD_AES_128_GCM',
  rounds,
  seconds: Number(args.seconds),
  loadBefore: loadavg()[0],
};
const results = [];
mkdirSync(args.out, { recursive: true });
/** After each shape, so that a run that is broken off leaves what it found. */
const save = () => {
  machine.loadAfter = loadavg()[0];
  machine.tookSeconds = Math.round((performance.now() - started) / 1000);
  const file = join(args.out, `bench-${args.profile}.json`);
  writeFileSync(file, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
  writePlots(args.out, args.profile, results);
};
for (const shape of args.shapes.split(',')) {
  for (const part of shapesByName[shape] ?? []) await runShape(part, results);
  if (shape === 'churn') results.push(await measureChurn({ identity, cpu: SERVER_CPU, cpuUs, memoryKib }));
  save();
}
generator.close();
printTables(machine, results);
