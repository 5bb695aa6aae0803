// What forwarding a packet costs: see README.md in this folder.
//   node bench/forward-cost.mjs [--profile cm|gcm] [--rounds 3] [--seconds 1.5] [--json FILE]
import { fork, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { arch, cpus, loadavg, release } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SrtpProfile, SrtpSender } from '../packages/forwarder/dist/index.js';

const { values: args } = parseArgs({
  options: {
    profile: { type: 'string', default: 'cm' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '1.5' },
    json: { type: 'string' },
  },
});
const rounds = Math.max(1, Number(args.rounds));
const durationMs = 1000 * Number(args.seconds);
const profiles = {
  cm: { id: SrtpProfile.aes128CmSha1_80, name: 'AES_CM_128_HMAC_SHA1_80', saltBytes: 14, tagBytes: 10 },
  gcm: { id: SrtpProfile.aeadAes128Gcm, name: 'AEAD_AES_128_GCM', saltBytes: 12, tagBytes: 16 },
};
const profile = profiles[args.profile];
if (profile === undefined) throw new TypeError('--profile is cm or gcm');
const keys = { key: '42'.repeat(16), salt: '17'.repeat(profile.saltBytes) };

/** Bytes of every datagram to a receiver. */
const datagramBytes = 1100;
const cameraBurst = 4;
const cameraIntervalMs = (1000 * cameraBurst) / 110;
const shapes = [
  { name: 'fan 1→50, camera', fan: 50, packetsPerSecond: 110 },
  { name: 'fan 1→200, camera', fan: 200, packetsPerSecond: 110 },
  // More than one core forwards, so that the thread is never without work.
  { name: 'fan 1→50, saturated', fan: 50, packetsPerSecond: 16_000, saturated: true },
  { name: 'fan 1→200, saturated', fan: 200, packetsPerSecond: 5000, saturated: true },
];
const variants = ['offload on', 'offload off', 'floor sendto', 'floor GSO of 4'];

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Compiles the receiving and the bare sending program if its source is newer. */
async function buildTool() {
  const source = here('native/datagrams.cc');
  const output = here('build/datagrams');
  mkdirSync(here('build'), { recursive: true });
  const built = statSync(output, { throwIfNoEntry: false });
  if (built !== undefined && built.mtimeMs > statSync(source).mtimeMs) return output;
  const compiler = spawn('g++', ['-std=c++17', '-O2', '-o', output, source], { stdio: 'inherit' });
  const [status] = await once(compiler, 'close');
  if (status !== 0) throw new Error('g++ could not compile bench/native/datagrams.cc');
  return output;
}

/** Real receivers in a process of their own. */
class Sink {
  #process;
  #lines;
  ports = [];

  async open(tool, count) {
    this.#process = spawn(tool, ['sink', String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.ports = (await this.#lines.next()).value.trim().split(' ').map(Number);
    return this;
  }

  /** What was received so far. */
  async read() {
    this.#process.stdin.write('?\n');
    const [packets, bytes] = (await this.#lines.next()).value.split(' ').map(Number);
    return { packets, bytes };
  }

  /** What was received so far, once nothing comes any more. */
  async settled() {
    for (let before = await this.read(); ; ) {
      await sleep(100);
      const now = await this.read();
      if (now.packets === before.packets) return now;
      before = now;
    }
  }

  close() {
    this.#process.stdin.end();
  }
}

/** One measured server process and the sender that feeds it. */
class Server {
  #process;
  #socket;
  #protect;
  #sequence = 0;

  async open(receiverPorts, segmentationOffload) {
    this.#socket = createSocket('udp4');
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    // Feedback is of no interest, but must not fill the queue.
    this.#socket.on('message', () => {});
    this.#process = fork(here('forward-cost-server.mjs'));
    this.#process.send({
      segmentationOffload,
      profile: profile.id,
      keys,
      senderPort: this.#socket.address().port,
      receiverPorts,
    });
    const [{ port }] = await once(this.#process, 'message');
    this.#socket.connect(port, '127.0.0.1');
    await once(this.#socket, 'connect');
    const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
    this.#protect = new SrtpSender(profile.id, bytes(keys.key), bytes(keys.salt));
    return this;
  }

  async usage() {
    this.#process.send('?');
    const [usage] = await once(this.#process, 'message');
    return usage;
  }

  #packet() {
    // Header, abs-send-time and transport sequence in one block of three words, payload such that the receiver's
    // datagram, with a CSRC and without transport sequence, has the wished size.
    const packet = Buffer.alloc(12 + 12 + datagramBytes - 12 - 4 - 8 - profile.tagBytes, 0x5a);
    packet[0] = 0x90;
    packet[1] = 100;
    packet.writeUInt16BE(this.#sequence & 0xffff, 2);
    packet.writeUInt32BE((3000 * Math.floor(this.#sequence / cameraBurst)) >>> 0, 4);
    packet.writeUInt32BE(11, 8);
    packet.set([0xbe, 0xde, 0, 2, 0x22, 1, 2, 3, 0x31, this.#sequence >> 8, this.#sequence, 0], 12);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    return this.#protect.protectRtp(packet);
  }

  /** Sends for a while; returns the number of packets, and how many a second were received in the second half. */
  async feed(shape, sink) {
    const burst = shape.saturated ? 64 : cameraBurst;
    const intervalMs = shape.saturated ? (1000 * burst) / shape.packetsPerSecond : cameraIntervalMs;
    const start = performance.now();
    const rateNow = async () => ({ at: performance.now(), packets: (await sink.read()).packets });
    let packets = 0;
    let half;
    for (let i = 0; i * intervalMs < durationMs; i++) {
      if (half === undefined && i * intervalMs >= durationMs / 2) half = await rateNow();
      const waitMs = start + i * intervalMs - performance.now();
      if (waitMs > 0.5) await sleep(waitMs);
      // Encrypted beforehand, so that a burst goes out back to back.
      const ready = Array.from({ length: burst }, () => this.#packet());
      for (const packet of ready) this.#socket.send(packet);
      packets += burst;
    }
    const end = await rateNow();
    return { packets, packetsPerSecond: (1000 * (end.packets - half.packets)) / (end.at - half.at) };
  }

  close() {
    this.#process.disconnect();
    this.#socket.close();
  }
}

async function measureServer(server, sink, shape) {
  const [before, sunk] = [await server.usage(), await sink.settled()];
  const { packets, packetsPerSecond } = await server.feed(shape, sink);
  const received = await sink.settled();
  const after = await server.usage();
  const count = (name) => after.counters[name] - before.counters[name];
  const delivered = received.packets - sunk.packets;
  const sent = count('sent_packets');
  return {
    delivered,
    cpuUs: after.cpuUs - before.cpuUs,
    packetsPerSecond,
    lossAtInput: 1 - count('received_packets') / packets,
    // Feedback to the sender is sent but not delivered to receivers.
    lossAtReceivers: 1 - delivered / (after.forwarded - before.forwarded),
    // Of the packets; 1 where each went alone.
    packetsPerMessage: sent / (sent - count('sent_segmented_packets') + count('sent_segmented_messages')),
    packetsPerCall: sent / count('sent_batches'),
    bytes: (received.bytes - sunk.bytes) / delivered,
  };
}

async function measureFloor(tool, sink, shape, run) {
  const before = await sink.settled();
  const intervalUs = shape.saturated ? 0 : Math.round(1000 * cameraIntervalMs);
  const numbers = [run, datagramBytes, cameraBurst, intervalUs, Math.round(durationMs)];
  const child = spawn(tool, ['floor', ...numbers.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(sink.ports.slice(0, shape.fan).join('\n'));
  let output = '';
  child.stdout.on('data', (text) => {
    output += text;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error('the floor could not be measured');
  const [sent, cpuUs] = output.split(' ').map(Number);
  const delivered = (await sink.settled()).packets - before.packets;
  return {
    delivered,
    cpuUs,
    packetsPerSecond: (1000 * delivered) / durationMs,
    lossAtReceivers: 1 - delivered / sent,
    packetsPerMessage: run,
  };
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

async function main() {
  const started = performance.now();
  const tool = await buildTool();
  const fans = [...new Set(shapes.map((shape) => shape.fan))];
  const sink = await new Sink().open(tool, Math.max(...fans));
  const servers = new Map();
  for (const fan of fans) {
    const ports = sink.ports.slice(0, fan);
    servers.set(`${fan} offload on`, await new Server().open(ports, true));
    servers.set(`${fan} offload off`, await new Server().open(ports, false));
  }
  const measure = (shape, variant) => {
    const server = servers.get(`${shape.fan} ${variant}`);
    if (server !== undefined) return measureServer(server, sink, shape);
    return measureFloor(tool, sink, shape, variant === 'floor sendto' ? 1 : cameraBurst);
  };

  console.log(
    `${cpus().length} × ${cpus()[0].model}, Linux ${release()} ${arch()}, Node ${process.version}, ${profile.name}, ` +
      `${datagramBytes} bytes, ${rounds} rounds of ${durationMs / 1000} s; load before: ${loadavg()[0].toFixed(1)}`,
  );
  const results = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const shape of shapes) {
      // Each variant is first in some round: what else the machine does changes slowly.
      for (let i = 0; i < variants.length; i++) {
        const variant = variants[(i + round) % variants.length];
        const key = `${shape.name}|${variant}`;
        const result = await measure(shape, variant);
        results.set(key, [...(results.get(key) ?? []), result]);
      }
    }
  }
  for (const server of servers.values()) server.close();
  sink.close();

  const percent = (share) => (share === undefined ? '' : `${(100 * share).toFixed(2)} %`);
  const rows = shapes.flatMap((shape) =>
    variants.map((variant) => {
      const samples = results.get(`${shape.name}|${variant}`);
      const of = (field) =>
        samples[0][field] === undefined ? undefined : median(samples.map((sample) => sample[field]));
      const costs = samples.map((sample) => sample.cpuUs / sample.delivered);
      return {
        shape: shape.name,
        variant,
        'CPU µs/packet': median(costs).toFixed(2),
        'least - most': `${Math.min(...costs).toFixed(2)} - ${Math.max(...costs).toFixed(2)}`,
        'packets/s': Math.round(of('packetsPerSecond')),
        'packets/message': of('packetsPerMessage').toFixed(1),
        'packets/call': of('packetsPerCall')?.toFixed(0) ?? '1',
        // A saturated server must drop at its input: that is what it is fed too much for.
        'lost before': percent(of('lossAtInput')),
        'lost after': percent(of('lossAtReceivers')),
      };
    }),
  );
  console.table(rows);
  console.log(
    `Load after: ${loadavg()[0].toFixed(1)}; ${((performance.now() - started) / 1000).toFixed(0)} s in all.`,
  );
  if (args.json !== undefined) {
    writeFileSync(args.json, `${JSON.stringify(Object.fromEntries(results), undefined, 2)}\n`);
  }
}

await main();
