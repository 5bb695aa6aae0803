// What relaying a packet costs: CPU time, user and system, of the TURN server's process for each packet that came through,
// and memory for each idle allocation, side by side with coturn in one run.
//   node bench/turn-cost.mjs [--flows 1000] [--rounds 3] [--seconds 2] [--rate 30000] [--json FILE]
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash, createHmac, randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Secret } from '@conclave/bytes';
import { TurnClient } from '@conclave/turn';
import { compile } from './load-generator.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TURNSERVER = '/usr/bin/turnserver';
const USER = { username: 'alice', password: 'wonder' };
const SIZES = [1000, 120];
/** How many allocations are asked for at the same moment. */
const ABREAST = 40;
const TICK_MS = 1000 / Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout);

const { values } = parseArgs({
  options: {
    flows: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    rate: { type: 'string', default: '30000' },
    idle: { type: 'string', default: '4000' },
    json: { type: 'string' },
  },
});
const flowCount = Number(values.flows);
const rounds = Number(values.rounds);
const durationMs = 1000 * Number(values.seconds);

if (!existsSync(TURNSERVER)) {
  console.error("this needs Debian's package coturn");
  process.exit(2);
}

const hmac = (name) => (key, data) => createHmac(name, key).update(data).digest();
const hash = (name) => (data) => createHash(name).update(data).digest();
const hashes = {
  md5: hash('md5'),
  sha256: hash('sha256'),
  hmacSha1: hmac('sha1'),
  hmacSha256: hmac('sha256'),
};

const folder = mkdtempSync(join(tmpdir(), 'conclave-turn-cost-'));
const children = new Set();
const tool = compile(here('build/turn_flows'), [here('native/turn_flows.cc')], ['-pthread']);

/** A server with one relaying thread, as an operator would start it for this many allocations on loopback. */
const starters = {
  conclave: (port, relays) => {
    const users = join(folder, 'users');
    writeFileSync(users, `${USER.username}:${USER.password}\n`);
    return spawn(
      process.execPath,
      [
        here('../apps/conclave/bin/conclave.mjs'),
        ...['turn', '--listen', `127.0.0.1:${port}/udp`, '--relay-address', '127.0.0.1', '-w', '1', '-q'],
        ...['--relay-ports', relays.join('-'), '--realm', 'example.org', '--user-file', users],
        ...['--allow-peer', '127.0.0.0/8', '-r', '0', '--answer-rate', '100000'],
        ...['--max-allocations-per-user', '60000', '--max-allocations-per-address', '60000'],
        ...['--max-allocations', '60000'],
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
  },
  coturn: (port, relays) =>
    spawn(
      TURNSERVER,
      [
        ...[
          '-n',
          '-L',
          '127.0.0.1',
          '-E',
          '127.0.0.1',
          '-p',
          String(port),
          '-m',
          '1',
          '--no-tls',
          '--no-dtls',
        ],
        ...['--min-port', String(relays[0]), '--max-port', String(relays[1]), '-r', 'example.org'],
        ...['-a', '-u', `${USER.username}:${USER.password}`, '--allow-loopback-peers', '--no-cli'],
        ...['--no-stdout-log', '--log-file', '/dev/null', '--pidfile', join(folder, 'pid')],
        ...['--userdb', join(folder, 'users.db')],
      ],
      { stdio: 'ignore', cwd: folder },
    ),
};

async function start(name, count) {
  const port = randomInt(8000, 9900);
  const child = starters[name](port, [40_000, Math.min(60_000, 41_000 + 5 * count)]);
  children.add(child);
  const deadline = performance.now() + 20_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    if (await answers(port)) break;
    if (performance.now() > deadline) throw new Error(`${name} does not answer`);
  }
  return { name, pid: child.pid, port, child };
}

async function stop(server) {
  children.delete(server.child);
  server.child.kill('SIGKILL');
  await once(server.child, 'exit');
}

/** Whether a STUN Binding request is answered within a moment. */
async function answers(port) {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  const request = Buffer.from('000100002112a442000000000000000000000000', 'hex');
  socket.send(request, port, '127.0.0.1', () => undefined);
  const heard = await Promise.race([
    once(socket, 'message').then(() => true),
    new Promise((resolve) => setTimeout(resolve, 200, false)),
  ]);
  socket.close();
  return heard;
}

let nextClientPort = 10_000;

/** A socket on a port that no allocation was made from yet: the system would give the same again. */
async function bindNext() {
  for (;;) {
    const socket = createSocket('udp4');
    socket.bind(nextClientPort++, '127.0.0.1');
    try {
      await once(socket, 'listening');
      return socket;
    } catch {
      socket.close();
    }
  }
}

/** An allocation, and a channel to the peer if there is one, by a client that then falls silent. */
async function allocate(server, peerPort) {
  const socket = await bindNext();
  const clientPort = socket.address().port;
  const client = new TurnClient({
    transport: 'udp',
    server: { address: '127.0.0.1', port: server.port },
    ...USER,
    password: new Secret(USER.password),
    hashes,
    random: (size) => randomBytes(size),
  });
  let timer;
  try {
    return await new Promise((resolve, reject) => {
      const flow = () => ({ clientPort, relayPort: client.relayed[0].port, peerPort });
      const step = (act) => {
        act();
        for (let out = client.pollTransmit(); out; out = client.pollTransmit()) {
          socket.send(out.bytes, server.port, '127.0.0.1', () => undefined);
        }
        for (let event = client.pollEvent(); event; event = client.pollEvent()) {
          if (event.kind === 'allocated' && peerPort === undefined) resolve(flow());
          else if (event.kind === 'allocated') {
            queueMicrotask(() =>
              step(() => client.bindChannel(performance.now(), { address: '127.0.0.1', port: peerPort })),
            );
          } else if (event.kind === 'channel-bound') resolve({ ...flow(), channel: event.channel });
          else if (event.kind === 'closed') reject(new Error(`${server.name} refused: ${event.code}`));
        }
        clearTimeout(timer);
        const due = client.pollTimeout();
        if (due !== undefined) {
          const waitMs = Math.max(0, due - performance.now());
          timer = setTimeout(() => step(() => client.handleTimeout(performance.now())), waitMs);
        }
      };
      socket.on('message', (bytes) => step(() => client.handlePacket(performance.now(), bytes)));
      step(() => client.allocate(performance.now()));
    });
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

async function allocateMany(server, peerPorts) {
  const flows = [];
  for (let first = 0; first < peerPorts.length; first += ABREAST) {
    const some = peerPorts.slice(first, first + ABREAST);
    flows.push(...(await Promise.all(some.map((peerPort) => allocate(server, peerPort)))));
  }
  return flows;
}

/** Ports for peers, below those that the system gives to clients. */
const peerPortsFrom = (first) => Array.from({ length: flowCount }, (_, i) => first + i);

function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function residentKib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** One measurement: the flows of a server at a size, with a rate or as fast as it goes (0). */
async function measure(server, size, rate) {
  const before = cpuMs(server.pid);
  const run = promisify(execFile)(tool, [server.port, size, rate, durationMs].map(String));
  const lines = server.flows.map((f) => `${f.clientPort} ${f.channel} ${f.relayPort} ${f.peerPort}`);
  run.child.stdin.end(lines.join('\n'));
  const { stdout } = await run;
  const spentMs = cpuMs(server.pid) - before;
  const [fromClients, fromPeers, atPeers, atClients, sendingUs] = stdout.trim().split(' ').map(Number);
  const through = atPeers + atClients;
  return {
    cpuUs: (1000 * spentMs) / through,
    packetsPerSecond: (1e6 * through) / sendingUs,
    loss: 1 - through / (fromClients + fromPeers),
    coreShare: (1000 * spentMs) / sendingUs,
  };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

try {
  const memory = {};
  for (const name of Object.keys(starters)) {
    const idle = Number(values.idle);
    const server = await start(name, idle);
    // The first allocations load code and grow tables; what they cost is not each one's.
    await allocateMany(server, Array.from({ length: 200 }));
    const before = residentKib(server.pid);
    await allocateMany(server, Array.from({ length: idle }));
    memory[name] = { beforeKib: before, perAllocationKib: (residentKib(server.pid) - before) / idle };
    await stop(server);
  }

  const servers = [];
  for (const name of Object.keys(starters)) servers.push(await start(name, flowCount));
  for (const [i, server] of servers.entries()) {
    server.flows = await allocateMany(server, peerPortsFrom(26_000 + i * flowCount));
  }
  const results = [];
  for (const size of SIZES) {
    for (const rate of [Number(values.rate), 0]) {
      const samples = Object.fromEntries(servers.map(({ name }) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        const order = round % 2 === 0 ? servers : [...servers].reverse();
        for (const server of order) samples[server.name].push(await measure(server, size, rate));
      }
      for (const [name, list] of Object.entries(samples)) {
        const of = (key) => list.map((sample) => sample[key]);
        results.push({
          size,
          rate,
          server: name,
          cpuUs: median(of('cpuUs')),
          least: Math.min(...of('cpuUs')),
          most: Math.max(...of('cpuUs')),
          packetsPerSecond: median(of('packetsPerSecond')),
          loss: median(of('loss')),
          coreShare: median(of('coreShare')),
        });
      }
    }
  }

  const reference = (r) =>
    results.find((c) => c.server === 'coturn' && c.size === r.size && c.rate === r.rate);
  console.log(`${cpus()[0].model}, ${flowCount} flows both ways, ${rounds} rounds of ${values.seconds} s`);
  console.table(
    results.map((r) => ({
      bytes: r.size,
      'packets/s in': r.rate === 0 ? 'all it takes' : r.rate,
      server: r.server,
      'CPU µs/packet': r.cpuUs.toFixed(2),
      'least - most': `${r.least.toFixed(2)} - ${r.most.toFixed(2)}`,
      'of coturn': (r.cpuUs / reference(r).cpuUs).toFixed(2),
      'packets/s through': r.packetsPerSecond.toFixed(0),
      'packets/s of a core': (1e6 / r.cpuUs).toFixed(0),
      'loss %': (100 * r.loss).toFixed(2),
      'of a core': r.coreShare.toFixed(2),
    })),
  );
  console.table(
    Object.entries(memory).map(([server, m]) => ({
      server,
      'KiB/idle allocation': m.perAllocationKib.toFixed(1),
      'MiB before': (m.beforeKib / 1024).toFixed(0),
    })),
  );
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ results, memory }, undefined, 2)}\n`);
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
}
