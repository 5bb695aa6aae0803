import type { NowMs } from '@conclave/bytes';
import { canonicalIp } from '@conclave/bytes';
import { CommandBatch } from './command-batch.ts';
import { readEvents, readSent } from './event-records.ts';
import type {
  AudioLevelSample,
  BoundSocket,
  EgressId,
  EgressStats,
  FlowTableHarness,
  Forwarder,
  ForwarderOptions,
  HarnessOutput,
  IngressId,
  IngressStats,
  Path,
  SocketId,
} from './flow-table.ts';
import { packetSendings } from './flow-table.ts';
import { loadNativeAddon } from './native-addon.ts';
import { RecordWriter } from './record-codec.ts';
import { RuleEncoder } from './rule-encoder.ts';

/** Kinds of the addon's `read`, as in native/forwarder_binding.cc. */
const readKind = { audioLevels: 0, ingressStats: 1, egressStats: 2, counters: 3 } as const;
type ReadKind = (typeof readKind)[keyof typeof readKind];

interface NativeForwarder {
  sockets(): Float64Array;
  post(thread: number, record: Uint8Array): void;
  send(thread: number, path: Uint8Array, bytes: Uint8Array): boolean;
  drain(): Uint8Array;
  read(thread: number, kind: ReadKind): Float64Array;
  close(): void;
}

interface NativeHarness {
  execute(record: Uint8Array): void;
  step(nowUs: number, path: Uint8Array, bytes: Uint8Array): { sent: Uint8Array; events: Uint8Array };
  read(kind: ReadKind): Float64Array;
}

interface ForwarderAddon {
  NativeForwarder: new (options: Uint8Array, onWake: () => void) => NativeForwarder;
  NativeHarness: new (options: Uint8Array) => NativeHarness;
  readonly counterNames: readonly string[];
}

/** As in native/io_thread.h: the low bits of a socket's id are the thread that owns it. */
const maxThreads = 64;

/** What a {@link FlowTableHarness} needs of {@link ForwarderOptions}; the same defaults. */
export type HarnessOptions = Pick<
  ForwarderOptions,
  'transportFeedbackIntervalMs' | 'reportIntervalMs' | 'onsetLevel' | 'stunPerSecond' | 'maxSsrcsPerPeer'
>;

const addon = (): ForwarderAddon => loadNativeAddon() as ForwarderAddon;

function atLeast(name: string, value: number, min: number, max = 0x7fffffff): number {
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new TypeError(`${name} must be from ${min} to ${max}, not ${value}`);
}

function writeTableOptions(w: RecordWriter, options: HarnessOptions): RecordWriter {
  const { transportFeedbackIntervalMs = 100, reportIntervalMs = 1000 } = options;
  w.f64(1000 * atLeast('transportFeedbackIntervalMs', transportFeedbackIntervalMs, 1));
  w.f64(1000 * atLeast('reportIntervalMs', reportIntervalMs, 1));
  w.u8(atLeast('onsetLevel', options.onsetLevel ?? 60, 0, 127));
  w.u32(atLeast('stunPerSecond', options.stunPerSecond ?? 1000, 1, 1_000_000));
  return w.u32(atLeast('maxSsrcsPerPeer', options.maxSsrcsPerPeer ?? 32, 1));
}

/** Splits what the addon read into tuples of `width` numbers. */
function* tuples(numbers: Float64Array, width: number): Generator<number[]> {
  for (let at = 0; at < numbers.length; at += width) yield [...numbers.subarray(at, at + width)];
}

function audioLevelsOf(numbers: Float64Array): AudioLevelSample[] {
  return [...tuples(numbers, 5)].map(([ingress, packets, meanLevel, peakLevel, voicePackets]) => ({
    ingress: ingress as IngressId,
    packets: packets!,
    meanLevel: meanLevel!,
    peakLevel: peakLevel!,
    voicePackets: voicePackets!,
  }));
}

function ingressStatsOf(numbers: Float64Array): IngressStats[] {
  return [...tuples(numbers, 8)].map((t) => ({
    ingress: t[0]! as IngressId,
    packets: t[1]!,
    bytes: t[2]!,
    paddingPackets: t[3]!,
    keyFrames: t[4]!,
    nacksSent: t[5]!,
    recoveredPackets: t[6]!,
    lostPackets: t[7]!,
  }));
}

function egressStatsOf(numbers: Float64Array): EgressStats[] {
  return [...tuples(numbers, 5)].map((t) => ({
    egress: t[0]! as EgressId,
    packets: t[1]!,
    bytes: t[2]!,
    retransmittedPackets: t[3]!,
    nacksReceived: t[4]!,
  }));
}

function countersOf(numbers: readonly Float64Array[]): Record<string, number> {
  const sum = (i: number): number => numbers.reduce((total, cells) => total + (cells[i] ?? 0), 0);
  return Object.fromEntries(addon().counterNames.map((name, i) => [name, sum(i)]));
}

function writeForwarderOptions(options: ForwarderOptions): Uint8Array {
  const threads = options.threads;
  atLeast('number of threads', threads.length, 1, maxThreads);
  const w = writeTableOptions(new RecordWriter().beginFields(), options);
  w.u32(atLeast('tcpQueueBytes', options.tcpQueueBytes ?? 262144, 0));
  w.u32(atLeast('socketBufferBytes', options.socketBufferBytes ?? 4194304, 0));
  const sending = packetSendings.indexOf(options.sending ?? 'segmented');
  if (sending < 0) throw new TypeError(`sending must be one of ${packetSendings.join(', ')}`);
  w.u8(sending);
  w.u32(atLeast('maxTcpConnections', options.maxTcpConnections ?? 4096, 0));
  w.u32(atLeast('maxTcpConnectionsPerAddress', options.maxTcpConnectionsPerAddress ?? 64, 0));
  w.u8(threads.length).u16(threads.reduce((n, sockets) => n + sockets.length, 0));
  threads.forEach((sockets, thread) => {
    for (const { address, port, transport } of sockets) {
      w.u8(thread).u8(transport === 'tcp' ? 1 : 0);
      w.path({ socket: 0 as SocketId, address, port });
    }
  });
  return w.fields();
}

class AddonForwarder extends RuleEncoder implements Forwarder {
  readonly sockets: readonly BoundSocket[];
  readonly #native: NativeForwarder;
  readonly #threads: number;
  readonly #state: { closed: boolean };
  readonly #batch: CommandBatch;
  readonly #path = new RecordWriter();

  constructor(options: ForwarderOptions) {
    const state = { closed: false };
    const onWake = (): void => {
      if (state.closed) return;
      const events = readEvents(native.drain());
      if (events.length > 0) options.onEvents(events);
    };
    const native = new (addon().NativeForwarder)(writeForwarderOptions(options), onWake);
    const threads = options.threads.length;
    const batch = new CommandBatch(threads, (thread, records) => native.post(thread, records));
    super(
      threads,
      (thread, record) => {
        if (!state.closed) batch.add(thread, record);
      },
      (socket) => socket % maxThreads,
    );
    this.#native = native;
    this.#threads = threads;
    this.#state = state;
    this.#batch = batch;
    const bound = [...tuples(native.sockets(), 2)];
    const requests = options.threads.flatMap((sockets, thread) => sockets.map((s) => ({ ...s, thread })));
    this.sockets = requests.map(({ address, transport, thread }, i) => {
      const [socket, port] = bound[i]!;
      return { socket: socket as SocketId, address: canonicalIp(address)!, port: port!, transport, thread };
    });
  }

  /** At once, without the thread, unless rules wait that have to take effect before. */
  override send(path: Path, bytes: Uint8Array): void {
    const thread = path.socket % maxThreads;
    if (!this.#state.closed && this.#batch.isEmpty(thread)) {
      if (this.#native.send(thread, this.#path.beginFields().path(path).fields(), bytes)) return;
    }
    super.send(path, bytes);
  }

  readAudioLevels(): AudioLevelSample[] {
    return this.#read(readKind.audioLevels).flatMap(audioLevelsOf);
  }

  readIngressStats(): IngressStats[] {
    return this.#read(readKind.ingressStats).flatMap(ingressStatsOf);
  }

  readEgressStats(): EgressStats[] {
    return this.#read(readKind.egressStats).flatMap(egressStatsOf);
  }

  readCounters(): Record<string, number> {
    return countersOf(this.#read(readKind.counters));
  }

  close(): void {
    if (this.#state.closed) return;
    this.#batch.flush();
    this.#state.closed = true;
    this.#native.close();
  }

  #read(kind: ReadKind): Float64Array[] {
    if (this.#state.closed) return [];
    this.#batch.flush();
    return Array.from({ length: this.#threads }, (_, thread) => this.#native.read(thread, kind));
  }
}

class AddonHarness extends RuleEncoder implements FlowTableHarness {
  readonly #native: NativeHarness;
  readonly #writer = new RecordWriter();

  constructor(options: HarnessOptions) {
    const native = new (addon().NativeHarness)(
      writeTableOptions(new RecordWriter().beginFields(), options).fields(),
    );
    super(
      maxThreads,
      (_thread, record) => native.execute(record),
      () => 0,
    );
    this.#native = native;
  }

  receive(now: NowMs, path: Path, bytes: Uint8Array): HarnessOutput {
    return this.#step(now, this.#writer.beginFields().path(path).fields(), bytes);
  }

  tick(now: NowMs): HarnessOutput {
    return this.#step(now, new Uint8Array(0), new Uint8Array(0));
  }

  readAudioLevels(): AudioLevelSample[] {
    return audioLevelsOf(this.#native.read(readKind.audioLevels));
  }

  readIngressStats(): IngressStats[] {
    return ingressStatsOf(this.#native.read(readKind.ingressStats));
  }

  readEgressStats(): EgressStats[] {
    return egressStatsOf(this.#native.read(readKind.egressStats));
  }

  readCounters(): Record<string, number> {
    return countersOf([this.#native.read(readKind.counters)]);
  }

  #step(now: NowMs, path: Uint8Array, bytes: Uint8Array): HarnessOutput {
    const { sent, events } = this.#native.step(Math.round(1000 * now), path, bytes);
    return { sent: readSent(sent), events: readEvents(events) };
  }
}

/**
 * Opens the sockets and starts the forwarding threads. The forwarder keeps the process alive until it is closed.
 *
 * @throws TypeError for wrong options; Error when a socket cannot be bound (`code` is `EADDRINUSE` if its port is
 * taken) or the addon was not built.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new AddonForwarder(options);
}

/** Makes a flow table without sockets, threads or clock. Its state dies with the object. */
export function createFlowTableHarness(options: HarnessOptions = {}): FlowTableHarness {
  return new AddonHarness(options);
}
