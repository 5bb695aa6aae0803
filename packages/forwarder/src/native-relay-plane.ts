import { canonicalIp, type NowMs, parseIp } from '@conclave/bytes';
import type { SocketId } from './flow-table.ts';
import { loadNativeAddon } from './native-addon.ts';
import { RecordWriter } from './record-codec.ts';
import { RelayEncoder, relayTransports, writeRelayClient } from './relay-encoder.ts';
import type {
  RelayAddress,
  RelayCertificate,
  RelayHarness,
  RelayHarnessOutput,
  RelayListener,
  RelayPlane,
  RelayPlaneOptions,
} from './relay-plane.ts';
import { readRelayEvents, readRelaySent, relayTotalsOf, relayTotalsWidth } from './relay-records.ts';
import type { RelayClient, RelayEndpoint, RelayEvent, RelayId, RelayTotals } from './relay-table.ts';

/** Kinds of the addon's `read`, as in native/relay_binding.cc. */
const readKind = { totals: 0, counters: 1 } as const;
type ReadKind = (typeof readKind)[keyof typeof readKind];

interface NativeRelayPlane {
  ports(): Float64Array;
  post(thread: number, record: Uint8Array): void;
  drain(): Uint8Array;
  read(thread: number, kind: ReadKind): Float64Array;
  setCertificate(fields: Uint8Array): void;
  close(): void;
}

interface NativeRelayHarness {
  execute(record: Uint8Array): void;
  step(nowUs: number, source: Uint8Array, bytes: Uint8Array): { sent: Uint8Array; events: Uint8Array };
  read(kind: ReadKind): Float64Array;
}

interface RelayAddon {
  NativeRelayPlane: new (options: Uint8Array, onWake: () => void) => NativeRelayPlane;
  NativeRelayHarness: new (messagesPerSecond: number, seed: number) => NativeRelayHarness;
  readonly relayCounterNames: readonly string[];
}

const noSocket = 0 as SocketId;
const addon = (): RelayAddon => loadNativeAddon() as RelayAddon;

function inRange(name: string, value: number, min: number, max = 0x7fffffff): number {
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new TypeError(`${name} must be from ${min} to ${max}, not ${value}`);
}

/** The unspecified address would not tell which of the machine's own a client used. */
function specified(name: string, address: string): string {
  if (parseIp(address)?.some((byte) => byte !== 0)) return address;
  throw new TypeError(`${name} must be one of the machine's own addresses, not ${address}`);
}

function writeRange(w: RecordWriter, range: RelayAddress): void {
  const { address, firstPort, lastPort, sharedPort } = range;
  specified('a relay address', address);
  w.path({ socket: noSocket, address, port: 0 });
  w.u16(inRange('firstPort', firstPort, 0, 0xffff)).u16(inRange('lastPort', lastPort, firstPort, 0xffff));
  w.u8(sharedPort === undefined ? 0 : 1).u16(inRange('sharedPort', sharedPort ?? 0, 0, 0xffff));
}

function writeOptions(w: RecordWriter, options: RelayPlaneOptions): void {
  const { listeners, relayAddresses, certificate, threads = 1 } = options;
  w.beginFields();
  w.u32(inRange('messagesPerSecond', options.messagesPerSecond ?? 1000, 1, 1_000_000));
  const { first, last } = options.peerPorts ?? { first: 0, last: 0xffff };
  w.u16(inRange('first peer port', first, 0, 0xffff)).u16(inRange('last peer port', last, first, 0xffff));
  w.f64(1000 * inRange('handshakeTimeoutMs', options.handshakeTimeoutMs ?? 10_000, 1));
  w.f64(1000 * inRange('idleTimeoutMs', options.idleTimeoutMs ?? 60_000, 1));
  w.u32(inRange('streamQueueBytes', options.streamQueueBytes ?? 262_144, 0));
  w.u32(inRange('socketBufferBytes', options.socketBufferBytes ?? 4_194_304, 0));
  w.u32(inRange('relayBufferBytes', options.relayBufferBytes ?? 262_144, 0));
  w.u8(options.segmentationOffload === false ? 0 : 1);
  w.f64(1000 * inRange('gatherMs', options.gatherMs ?? 0.5, 0, 10));
  w.u32(inRange('maxConnections', options.maxConnections ?? 16_384, 0));
  w.u32(inRange('maxConnectionsPerAddress', options.maxConnectionsPerAddress ?? 256, 0));
  w.u8(inRange('number of threads', threads, 1, 64)).u16(
    inRange('number of listeners', listeners.length, 0, 1024),
  );
  for (const { transport, address, port } of listeners) {
    const index = relayTransports.indexOf(transport);
    if (index < 0) throw new TypeError(`not a transport: ${transport}`);
    if ((transport === 'tls' || transport === 'dtls') && !certificate) {
      throw new TypeError(`a listener for ${transport} needs a certificate`);
    }
    w.u8(index).path({ socket: noSocket, address: specified('a listener', address), port });
  }
  w.u8(inRange('number of relay addresses', relayAddresses.length, 0, 255));
  for (const range of relayAddresses) writeRange(w, range);
  w.u8(certificate ? 1 : 0);
  writeCertificate(w, certificate ?? { certificatePem: '', privateKeyPem: '' });
}

function writeCertificate(w: RecordWriter, { certificatePem, privateKeyPem }: RelayCertificate): void {
  inRange('length of the certificate', certificatePem.length, 0, 0xffff);
  inRange('length of the private key', privateKeyPem.length, 0, 0xffff);
  w.text(certificatePem).text(privateKeyPem);
}

function totalsOf(numbers: Float64Array): RelayTotals[] {
  const totals: RelayTotals[] = [];
  for (let at = 0; at < numbers.length; at += relayTotalsWidth) {
    totals.push(relayTotalsOf(numbers.subarray(at, at + relayTotalsWidth)));
  }
  return totals;
}

function countersOf(numbers: readonly Float64Array[]): Record<string, number> {
  const sum = (i: number): number => numbers.reduce((total, cells) => total + (cells[i] ?? 0), 0);
  return Object.fromEntries(addon().relayCounterNames.map((name, i) => [name, sum(i)]));
}

class AddonRelayPlane extends RelayEncoder implements RelayPlane {
  readonly listeners: readonly RelayListener[];
  readonly #native: NativeRelayPlane;
  readonly #threads: number;
  readonly #state: { closed: boolean };

  constructor(options: RelayPlaneOptions) {
    const state = { closed: false };
    const onWake = (): void => {
      if (state.closed) return;
      const events = readRelayEvents(native.drain());
      for (const event of events) this.#forget(event);
      if (events.length > 0) options.onEvents(events);
    };
    const writer = new RecordWriter();
    writeOptions(writer, options);
    let native: NativeRelayPlane;
    try {
      native = new (addon().NativeRelayPlane)(writer.fields(), onWake);
    } finally {
      writer.wipe();
    }
    super((thread, record) => {
      if (!state.closed) native.post(thread, record);
    });
    this.#native = native;
    this.#threads = options.threads ?? 1;
    this.#state = state;
    const ports = native.ports();
    this.listeners = options.listeners.map(({ transport, address }, i) => {
      return { transport, address: canonicalIp(address)!, port: ports[i]! };
    });
  }

  setCertificate(certificate: RelayCertificate): void {
    if (this.#state.closed) return;
    const w = new RecordWriter().beginFields();
    try {
      writeCertificate(w, certificate);
      this.#native.setCertificate(w.fields());
    } finally {
      w.wipe();
    }
  }

  readTotals(): RelayTotals[] {
    return this.#read(readKind.totals).flatMap(totalsOf);
  }

  readCounters(): Record<string, number> {
    return countersOf(this.#read(readKind.counters));
  }

  close(): void {
    if (this.#state.closed) return;
    this.#state.closed = true;
    this.#native.close();
  }

  #forget(event: RelayEvent): void {
    if (event.type === 'relay-failed') this.forgetFailed(event.relay);
    else if (event.type === 'relay-closed') this.forget(event.totals.relay);
    else if (event.type === 'peer-closed') this.forgetConnection(event.connection);
  }

  #read(kind: ReadKind): Float64Array[] {
    if (this.#state.closed) return [];
    return Array.from({ length: this.#threads }, (_, thread) => this.#native.read(thread, kind));
  }
}

class AddonRelayHarness extends RelayEncoder implements RelayHarness {
  readonly #native: NativeRelayHarness;
  readonly #source = new RecordWriter();

  constructor(messagesPerSecond: number, seed: number) {
    const native = new (addon().NativeRelayHarness)(messagesPerSecond, seed);
    super((_thread, record) => native.execute(record));
    this.#native = native;
  }

  receiveFromClient(now: NowMs, client: RelayClient, bytes: Uint8Array): RelayHarnessOutput {
    return this.#step(now, writeRelayClient(this.#source.beginFields().u8(0), client), bytes);
  }

  receiveFromPeer(now: NowMs, relay: RelayId, peer: RelayEndpoint, bytes: Uint8Array): RelayHarnessOutput {
    const source = this.#source
      .beginFields()
      .u8(1)
      .u32(relay)
      .path({ ...peer, socket: noSocket });
    return this.#step(now, source, bytes);
  }

  readTotals(): RelayTotals[] {
    return totalsOf(this.#native.read(readKind.totals));
  }

  readCounters(): Record<string, number> {
    return countersOf([this.#native.read(readKind.counters)]);
  }

  #step(now: NowMs, source: RecordWriter, bytes: Uint8Array): RelayHarnessOutput {
    const { sent, events } = this.#native.step(Math.round(1000 * now), source.fields(), bytes);
    return { sent: readRelaySent(sent), events: readRelayEvents(events) };
  }
}

/**
 * Binds the listeners and starts the relay threads. The plane keeps the process alive until it is closed.
 *
 * @throws TypeError for wrong options or an unusable certificate; Error when a socket cannot be bound (`code` is
 * `EADDRINUSE` if its port is taken) or the addon was not built.
 */
export function createRelayPlane(options: RelayPlaneOptions): RelayPlane {
  return new AddonRelayPlane(options);
}

/**
 * Makes a relay table without sockets, threads or clock. Its state dies with the object.
 *
 * @param messagesPerSecond as in {@link RelayPlaneOptions}
 * @param seed 32 bits: the first of the transaction ids of Data indications
 */
export function createRelayHarness(messagesPerSecond = 1000, seed = 0): RelayHarness {
  return new AddonRelayHarness(messagesPerSecond, seed);
}
