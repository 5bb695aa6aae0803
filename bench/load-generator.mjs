// The load generator's JavaScript half: builds and loads its addon, and leads signalling to the endpoint it is for.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeGenericFrameDescriptor } from '../packages/rtp/dist/index.js';

const here = dirname(fileURLToPath(import.meta.url));
const forwarderSources = join(here, '../packages/forwarder/native');

/** Compiles `output` if a source is newer; `arguments_` are g++'s. */
export function compile(output, sources, arguments_) {
  mkdirSync(dirname(output), { recursive: true });
  const built = statSync(output, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.every((source) => statSync(source).mtimeMs < built)) return output;
  const files = sources.filter((source) => source.endsWith('.cc'));
  const result = spawnSync('g++', ['-std=c++17', '-O2', ...arguments_, '-o', output, ...files], {
    stdio: 'inherit',
  });
  if (result.status !== 0) throw new Error(`g++ could not compile ${output}`);
  return output;
}

function loadAddon() {
  const native = readdirSync(join(here, 'native'))
    .filter((name) => name.startsWith('load_generator'))
    .map((name) => join(here, 'native', name));
  // Its SRTP is the forwarder's, which tests hold against published vectors and other implementations.
  const srtp = ['srtp.cc', 'srtp_cipher.cc', 'srtp_keys.cc'].map((name) => join(forwarderSources, name));
  const include = join(dirname(process.execPath), '../include/node');
  const flags = [
    '-fPIC',
    '-shared',
    '-fvisibility=hidden',
    '-DNAPI_VERSION=8',
    '-I',
    include,
    '-I',
    forwarderSources,
  ];
  const addon = compile(join(here, 'build/load-generator.node'), [...native, ...srtp], flags);
  return createRequire(import.meta.url)(addon);
}

const none = new Uint8Array(0);
const descriptors = {
  key: encodeGenericFrameDescriptor({
    startOfFrame: true,
    endOfFrame: false,
    temporalLayer: 0,
    frame: { spatialLayers: 1, frameId: 1, dependencies: [], width: 640, height: 360 },
  }),
  delta: encodeGenericFrameDescriptor({
    startOfFrame: true,
    endOfFrame: false,
    temporalLayer: 0,
    frame: { spatialLayers: 1, frameId: 2, dependencies: [1] },
  }),
  rest: encodeGenericFrameDescriptor({ startOfFrame: false, endOfFrame: true, temporalLayer: 0 }),
};

const toNumber = (address) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (address) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

/** Endpoints with sockets of their own, whose media one native thread sends, receives and counts. */
export class LoadGenerator {
  #native;
  #listeners = new Map();

  constructor() {
    const { LoadGenerator: Native } = loadAddon();
    this.#native = new Native(() => this.#deliver());
  }

  /** Opens an endpoint; `onMessage(bytes, address, port)` hears its STUN and DTLS. */
  open(onMessage, address = '127.0.0.1') {
    const [endpoint, port] = this.#native.open(toNumber(address));
    if (endpoint < 0) throw new Error('no socket could be opened');
    this.#listeners.set(endpoint, onMessage);
    return {
      endpoint,
      port,
      send: (bytes, toPort, toAddress) => this.#native.send(endpoint, toNumber(toAddress), toPort, bytes),
      /** Where its media goes. */
      setServer: ({ address, port: toPort }) => this.#native.setServer(endpoint, toNumber(address), toPort),
      secured: (keys) => {
        const { profile, sendKey, sendSalt, receiveKey, receiveSalt } = keys;
        this.#native.setKeys(endpoint, profile, sendKey, sendSalt, receiveKey, receiveSalt);
      },
      close: () => {
        this.#listeners.delete(endpoint);
        this.#native.closeEndpoint(endpoint);
      },
    };
  }

  /** Gives an endpoint a stream, which does not run yet; returns its number. */
  addStream(endpoint, { ssrc, payloadType, audio = false, level = 127, ids = {}, rid = '', frame }) {
    const numbers = [ssrc, payloadType, audio ? 1 : 0, level, ids.audioLevel, ids.absSendTime];
    numbers.push(ids.transportSequence, rid === '' ? 0 : ids.rid, ids.genericFrameDescriptor);
    numbers.push(frame.packets, frame.bytes, Math.round(1e6 / frame.perSecond));
    const { key, delta, rest } = audio ? { key: none, delta: none, rest: none } : descriptors;
    const values = Float64Array.from(numbers, (value) => value ?? 0);
    return this.#native.addStream(endpoint, values, new TextEncoder().encode(rid), key, delta, rest);
  }

  /** Lets these streams run, `speed` times as fast as they were declared, and pauses all others. */
  run(streams, speed = 1) {
    this.#native.run(Float64Array.from(streams), speed);
  }

  /** Totals so far; latencies, in microseconds, since the last call. */
  read() {
    const [received, bytes, checked, bad, reports, cpuUs, p50Us, p99Us, p999Us] = this.#native.read();
    return { received, bytes, checked, bad, reports, cpuUs, p50Us, p99Us, p999Us };
  }

  /** Packets sent so far, by stream. */
  sentByStream() {
    return this.#native.sentByStream();
  }

  /** Media packets received so far, by endpoint. */
  receivedByEndpoint() {
    return this.#native.receivedByEndpoint();
  }

  close() {
    this.#native.close();
  }

  #deliver() {
    const records = this.#native.drain();
    const view = new DataView(records.buffer);
    for (let at = 0; at < records.length; ) {
      const length = view.getUint16(at + 10, true);
      const bytes = records.slice(at + 12, at + 12 + length);
      const listener = this.#listeners.get(view.getUint32(at, true));
      listener?.(bytes, toText(view.getUint32(at + 4, true)), view.getUint16(at + 8, true));
      at += 12 + length;
    }
  }
}
