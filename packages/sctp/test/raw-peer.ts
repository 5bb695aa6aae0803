import { ChunkType } from '../src/chunk-type.ts';
import { DataFlag } from '../src/data-chunk.ts';
import { SctpAssociation, type SctpEvent, type SctpOptions } from '../src/index.ts';
import { encodeInit, type InitChunk, parseInit } from '../src/init-chunk.ts';
import { PacketWriter } from '../src/packet-writer.ts';
import { parseSack, type Sack } from '../src/sack-chunk.ts';
import { parsePacket } from '../src/sctp-packet.ts';
import { seededBytes } from './association-pair.ts';

export interface SeenChunk {
  readonly tag: number;
  readonly type: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

export const ownInit: InitChunk = {
  initiateTag: 0x01020304,
  advertisedWindow: 1_000_000,
  outboundStreams: 65_535,
  inboundStreams: 65_535,
  initialTsn: 5000,
  forwardTsn: true,
  reconfig: true,
  unrecognized: [],
};

/** An association under test, and a peer of it that sends whatever the test writes. */
export class RawPeer {
  now = 1000;
  readonly association: SctpAssociation;
  readonly events: SctpEvent[] = [];
  readonly seen: SeenChunk[] = [];
  /** Verification tag of the association. */
  tag = 0;
  /** First TSN of the association. */
  theirTsn = 0;
  /** Highest TSN of the association's so far. */
  highestTsn = 0;
  /** Next TSN of ours. */
  tsn = ownInit.initialTsn;
  autoPoll = true;

  constructor(options: Partial<SctpOptions> = {}) {
    this.association = new SctpAssociation({ role: 'server', random: seededBytes(7), ...options });
  }

  /** Sends INIT and COOKIE ECHO: the association is established. */
  establish(init: Partial<InitChunk> = {}): this {
    this.send(0, (p) => p.chunk(ChunkType.init, 0, encodeInit({ ...ownInit, ...init })));
    const ack = parseInit(this.last(ChunkType.initAck).value).init;
    this.tag = ack.initiateTag;
    this.theirTsn = ack.initialTsn;
    this.highestTsn = (ack.initialTsn - 1) >>> 0;
    this.send(this.tag, (p) => p.chunk(ChunkType.cookieEcho, 0, ack.cookie!));
    this.last(ChunkType.cookieAck);
    this.tsn = { ...ownInit, ...init }.initialTsn;
    return this;
  }

  /** Sends a packet and collects the answers. */
  send(tag: number, write: (packet: PacketWriter) => unknown, ports: [number, number] = [5000, 5000]): void {
    const packet = new PacketWriter(65_532, ports[0], ports[1], tag);
    write(packet);
    this.deliver(packet.finish().slice());
  }

  chunk(type: number, flags: number, value: Uint8Array): void {
    this.send(this.tag, (p) => p.chunk(type, flags, value));
  }

  deliver(bytes: Uint8Array): void {
    this.association.handlePacket(this.now, bytes);
    this.collect();
  }

  collect(): void {
    if (this.autoPoll) this.pollEvents();
    const transmit = () => this.association.pollTransmit();
    for (let bytes = transmit(); bytes; bytes = transmit()) {
      const { chunks, verificationTag } = parsePacket(bytes);
      for (const { type, flags, value } of chunks) {
        if (type === ChunkType.data && ((u32(value, 0) - this.highestTsn) | 0) > 0)
          this.highestTsn = u32(value, 0);
        this.seen.push({ tag: verificationTag, type, flags, value: value.slice() });
      }
    }
  }

  pollEvents(): void {
    for (let e = this.association.pollEvent(); e; e = this.association.pollEvent()) this.events.push(e);
  }

  /** Lets time pass, timer by timer. */
  wait(durationMs: number): void {
    const limit = this.now + durationMs;
    for (
      let at = this.association.pollTimeout();
      at !== undefined && at <= limit;
      at = this.association.pollTimeout()
    ) {
      this.now = Math.max(this.now, at);
      this.association.handleTimeout(this.now);
      this.collect();
    }
    this.now = limit;
  }

  /** Sends one DATA chunk, by default a whole message with the next TSN. */
  data(
    options: {
      tsn?: number;
      streamId?: number;
      ssn?: number;
      ppid?: number;
      flags?: number;
      payload?: Uint8Array | string;
    } = {},
  ): void {
    this.send(this.tag, (p) => this.writeData(p, options));
  }

  writeData(packet: PacketWriter, options: Parameters<RawPeer['data']>[0] = {}): void {
    const {
      tsn = this.tsn++,
      streamId = 0,
      ssn = 0,
      ppid = 51,
      flags = DataFlag.begin | DataFlag.end,
      payload = 'x',
    } = options;
    const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
    packet
      .begin(ChunkType.data, flags)
      .u32(tsn >>> 0)
      .u16(streamId)
      .u16(ssn)
      .u32(ppid)
      .bytes(bytes)
      .end();
  }

  /** Sends DATA_CHANNEL_OPEN. */
  open(
    streamId: number,
    label = 'chat',
    options: { ssn?: number; channelType?: number; protocol?: string } = {},
  ): void {
    const { ssn = 0, channelType = 0, protocol = '' } = options;
    const names = new TextEncoder().encode(label + protocol);
    const head = Uint8Array.of(3, channelType, 0, 0, 0, 0, 0, 0, 0, 0, 0, protocol.length);
    new DataView(head.buffer).setUint16(8, names.length - protocol.length);
    this.data({ streamId, ssn, ppid: 50, payload: new Uint8Array([...head, ...names]) });
  }

  /** Acknowledges everything the association has sent so far. */
  ackAll(advertisedWindow = 1_000_000): void {
    this.sack(this.highestTsn, advertisedWindow);
  }

  sack(cumulativeTsn: number, advertisedWindow = 1_000_000, gaps: [number, number][] = []): void {
    this.send(this.tag, (p) => {
      p.begin(ChunkType.sack, 0)
        .u32(cumulativeTsn >>> 0)
        .u32(advertisedWindow)
        .u16(gaps.length)
        .u16(0);
      for (const [start, end] of gaps) p.u16(start).u16(end);
      p.end();
    });
  }

  all(type: number): SeenChunk[] {
    return this.seen.filter((chunk) => chunk.type === type);
  }

  last(type: number): SeenChunk {
    const chunk = this.all(type).at(-1);
    if (!chunk) throw new Error(`no chunk of type ${type} among ${this.seen.map((c) => c.type)}`);
    return chunk;
  }

  lastSack(): Sack {
    return parseSack(this.last(ChunkType.sack).value);
  }

  get messages(): (string | Uint8Array)[] {
    return this.events.flatMap((e) => (e.type === 'message' ? [e.data] : []));
  }

  get closedReason(): string | undefined {
    return this.events.flatMap((e) => (e.type === 'closed' ? [e.reason] : []))[0];
  }
}

export function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}
