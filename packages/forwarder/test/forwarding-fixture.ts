import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import {
  createFlowTableHarness,
  type EgressId,
  type EgressOptions,
  type ExtensionIds,
  type FlowTable,
  type FlowTableHarness,
  type ForwarderEvent,
  type GroupId,
  type HarnessOptions,
  type HarnessOutput,
  type IngressId,
  type IngressOptions,
  type Path,
  type PeerId,
  type PeerOptions,
  type SocketId,
  SrtpProfile,
  SrtpReceiver,
  SrtpSender,
} from '../src/index.ts';

export const peerId = (n: number): PeerId => n as PeerId;
export const ingressId = (n: number): IngressId => n as IngressId;
export const egressId = (n: number): EgressId => n as EgressId;
export const groupId = (n: number): GroupId => n as GroupId;
export const socketId = (n: number): SocketId => n as SocketId;

/** Extension ids as Conclave's offers use them. */
export const extensionIds: ExtensionIds = {
  audioLevel: 1,
  absSendTime: 2,
  transportSequence: 3,
  rid: 4,
  repairedRid: 5,
  mid: 7,
  genericFrameDescriptor: 11,
  dependencyDescriptor: 6,
};

export interface RtpFields {
  readonly payloadType?: number;
  readonly sequence: number;
  readonly timestamp?: number;
  readonly ssrc: number;
  readonly marker?: boolean;
  readonly csrcs?: readonly number[];
  /** Elements by id, in one-byte form. */
  readonly extensions?: Readonly<Record<number, Uint8Array | readonly number[]>>;
  readonly payload?: Uint8Array | readonly number[];
  /** Bytes of padding, the count included. */
  readonly padding?: number;
}

/** An RTP packet (RFC 3550 §5.1) of its fields. */
export function rtp(fields: RtpFields): Uint8Array {
  const {
    payloadType = 100,
    sequence,
    timestamp = 0,
    ssrc,
    marker = false,
    csrcs = [],
    padding = 0,
  } = fields;
  const elements = Object.entries(fields.extensions ?? {});
  const block: number[] = [];
  for (const [id, data] of elements) block.push((Number(id) << 4) | (data.length - 1), ...data);
  while (block.length % 4 !== 0) block.push(0);
  const header = Buffer.alloc(12);
  header[0] = 0x80 | (padding > 0 ? 0x20 : 0) | (elements.length > 0 ? 0x10 : 0) | csrcs.length;
  header[1] = (marker ? 0x80 : 0) | payloadType;
  header.writeUInt16BE(sequence & 0xffff, 2);
  header.writeUInt32BE(timestamp >>> 0, 4);
  header.writeUInt32BE(ssrc, 8);
  const parts: Buffer[] = [header];
  for (const csrc of csrcs) {
    const b = Buffer.alloc(4);
    b.writeUInt32BE(csrc);
    parts.push(b);
  }
  if (elements.length > 0) {
    parts.push(Buffer.from([0xbe, 0xde, 0, block.length / 4]), Buffer.from(block));
  }
  parts.push(Buffer.from(fields.payload ?? [1, 2, 3]));
  if (padding > 0) parts.push(Buffer.from([...new Array(padding - 1).fill(0), padding]));
  return new Uint8Array(Buffer.concat(parts));
}

export interface ParsedRtp {
  readonly payloadType: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly csrcs: readonly number[];
  readonly extensions: Readonly<Record<number, readonly number[]>>;
  readonly payload: readonly number[];
}

/** Fields of an RTP packet that the plane wrote: one-byte extensions, no padding. */
export function parseRtp(bytes: Uint8Array): ParsedRtp {
  const b = Buffer.from(bytes);
  let at = 12;
  const csrcs: number[] = [];
  for (let i = 0; i < (b[0]! & 15); i++, at += 4) csrcs.push(b.readUInt32BE(at));
  const extensions: Record<number, number[]> = {};
  if (b[0]! & 0x10) {
    if (b.readUInt16BE(at) !== 0xbede) throw new Error('not in one-byte form');
    const end = at + 4 + 4 * b.readUInt16BE(at + 2);
    at += 4;
    while (at < end) {
      const head = b[at++]!;
      if (head === 0) continue;
      extensions[head >> 4] = [...b.subarray(at, at + (head & 15) + 1)];
      at += (head & 15) + 1;
    }
  }
  return {
    payloadType: b[1]! & 0x7f,
    marker: (b[1]! & 0x80) !== 0,
    sequence: b.readUInt16BE(2),
    timestamp: b.readUInt32BE(4),
    ssrc: b.readUInt32BE(8),
    csrcs,
    extensions,
    payload: [...b.subarray(at)],
  };
}

export interface RtcpPart {
  readonly count: number;
  readonly type: number;
  readonly body: Buffer;
}

/** The packets of a compound RTCP packet; throws if their lengths do not add up. */
export function parseRtcp(bytes: Uint8Array): RtcpPart[] {
  const b = Buffer.from(bytes);
  const parts: RtcpPart[] = [];
  let at = 0;
  while (at < b.length) {
    const length = 4 * (b.readUInt16BE(at + 2) + 1);
    if (b[at]! >> 6 !== 2 || at + length > b.length) throw new Error('malformed RTCP');
    const padding = b[at]! & 0x20 ? b[at + length - 1]! : 0;
    parts.push({ count: b[at]! & 31, type: b[at + 1]!, body: b.subarray(at + 4, at + length - padding) });
    at += length;
  }
  return parts;
}

/** One RTCP packet of a type with a body of whole words. */
export function rtcp(type: number, count: number, words: readonly number[]): Uint8Array {
  const b = Buffer.alloc(4 + 4 * words.length);
  b[0] = 0x80 | count;
  b[1] = type;
  b.writeUInt16BE(words.length, 2);
  words.forEach((word, i) => {
    b.writeUInt32BE(word >>> 0, 4 + 4 * i);
  });
  return new Uint8Array(b);
}

const keySizes = {
  [SrtpProfile.aes128CmSha1_80]: [16, 14],
  [SrtpProfile.aeadAes128Gcm]: [16, 12],
  [SrtpProfile.aeadAes256Gcm]: [32, 12],
} as const;

/** A remote endpoint in a test: its keys, its path, and what it received. */
export class TestPeer {
  readonly id: PeerId;
  readonly path: Path;
  readonly sender: SrtpSender;
  readonly receiver: SrtpReceiver;

  constructor(
    table: FlowTable,
    id: number,
    path: Path,
    options: Partial<PeerOptions> = {},
    profile: SrtpProfile = SrtpProfile.aeadAes128Gcm,
  ) {
    this.id = peerId(id);
    this.path = path;
    const [keyLength, saltLength] = keySizes[profile];
    const make = (length: number, tag: number): Uint8Array =>
      Uint8Array.from({ length }, (_, i) => (i * 7 + id * 13 + tag) & 0xff);
    const [theirKey, theirSalt] = [make(keyLength, 1), make(saltLength, 2)];
    const [ourKey, ourSalt] = [make(keyLength, 3), make(saltLength, 4)];
    this.sender = new SrtpSender(profile, theirKey, theirSalt);
    this.receiver = new SrtpReceiver(profile, ourKey, ourSalt, 64);
    table.addPeer(this.id, {
      thread: 0,
      feedbackSsrc: 0xfeed0000 + id,
      cname: `test-${id}`,
      extensions: extensionIds,
      transportFeedback: false,
      ...options,
    });
    table.setPaths(this.id, [path], path);
    table.setSrtpKeys(this.id, {
      profile,
      receiveKey: theirKey,
      receiveSalt: theirSalt,
      sendKey: ourKey,
      sendSalt: ourSalt,
    });
  }
}

export const isRtcp = (bytes: Uint8Array): boolean => bytes[1]! >= 192 && bytes[1]! <= 223;

/** A harness with its peers, and what it sent them in clear. */
export class Bench {
  readonly table: FlowTableHarness;
  readonly peers = new Map<number, TestPeer>();
  now = 1000;

  constructor(options: HarnessOptions = {}) {
    this.table = createFlowTableHarness(options);
    this.table.tick(this.now);
  }

  addPeer(id: number, options: Partial<PeerOptions> = {}, profile?: SrtpProfile): TestPeer {
    const path = { socket: socketId(1), address: '192.0.2.1', port: 5000 + id };
    const peer = new TestPeer(this.table, id, path, options, profile);
    this.peers.set(id, peer);
    return peer;
  }

  addIngress(id: number, peer: TestPeer, options: Partial<IngressOptions> = {}): IngressId {
    this.table.addIngress(ingressId(id), {
      peer: peer.id,
      kind: 'video',
      ssrc: 1000 + id,
      payloadType: 100,
      clockRate: 90000,
      csrc: 7000 + id,
      nack: false,
      ...options,
    });
    return ingressId(id);
  }

  addEgress(id: number, peer: TestPeer, options: Partial<EgressOptions> = {}): EgressId {
    this.table.addEgress(egressId(id), {
      peer: peer.id,
      kind: 'video',
      ssrc: 2000 + id,
      payloadType: 100,
      clockRate: 90000,
      extensions: extensionIds,
      initialSequence: 100,
      initialTimestamp: 50000,
      initialRtxSequence: 900,
      ...options,
    });
    return egressId(id);
  }

  sendRtp(peer: TestPeer, fields: RtpFields): StepOutput {
    return this.open(this.table.receive(this.now, peer.path, peer.sender.protectRtp(rtp(fields))));
  }

  sendRtcp(peer: TestPeer, ...packets: Uint8Array[]): StepOutput {
    const compound = new Uint8Array(Buffer.concat(packets));
    return this.open(this.table.receive(this.now, peer.path, peer.sender.protectRtcp(compound)));
  }

  tick(elapsedMs = 0): StepOutput {
    this.now += elapsedMs;
    return this.open(this.table.tick(this.now));
  }

  /** Decrypts everything that was sent, each with the keys of the peer that has the path. */
  open(output: HarnessOutput): StepOutput {
    const media: SentRtp[] = [];
    const control: SentRtcp[] = [];
    for (const { path, bytes } of output.sent) {
      const peer = [...this.peers.values()].find((p) => p.path.port === path.port);
      if (!peer) throw new Error(`sent to nobody: ${path.port}`);
      if (isRtcp(bytes)) {
        const plain = peer.receiver.unprotectRtcp(bytes);
        control.push({ peer, parts: parseRtcp(plain), bytes: plain });
      } else {
        const plain = peer.receiver.unprotectRtp(bytes);
        media.push({ peer, ...parseRtp(plain), bytes: plain });
      }
    }
    return { media, control, events: output.events };
  }
}

export interface SentRtp extends ParsedRtp {
  readonly peer: TestPeer;
  readonly bytes: Uint8Array;
}

export interface SentRtcp {
  readonly peer: TestPeer;
  readonly parts: readonly RtcpPart[];
  readonly bytes: Uint8Array;
}

export interface StepOutput {
  readonly media: readonly SentRtp[];
  readonly control: readonly SentRtcp[];
  readonly events: readonly ForwarderEvent[];
}

/** A generic frame descriptor that begins a key frame, and one that begins a delta frame. */
export const keyFrameDescriptor: readonly number[] = [0xb0, 0x01, 0, 1, 2, 0x80, 1, 0x68];
export const deltaFrameDescriptor: readonly number[] = [0xf8, 0x01, 0, 2];

/** A UDP socket on the loopback address, and a way to wait for what comes. */
export class UdpEnd {
  readonly socket: Socket;
  readonly #address: string;
  readonly #received: Uint8Array[] = [];
  #wanted: (() => void) | undefined;

  private constructor(socket: Socket, address: string) {
    this.socket = socket;
    this.#address = address;
    socket.on('message', (bytes) => {
      this.#received.push(new Uint8Array(bytes));
      this.#wanted?.();
    });
  }

  static async open(address = '127.0.0.1'): Promise<UdpEnd> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new UdpEnd(socket, address);
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(port: number, bytes: Uint8Array): void {
    this.socket.send(bytes, port, this.#address);
  }

  /** The next datagram that was not taken yet. */
  async next(): Promise<Uint8Array> {
    while (this.#received.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    return this.#received.shift()!;
  }

  close(): void {
    this.socket.close();
  }
}
