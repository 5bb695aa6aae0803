import { Fifo } from './fifo.ts';
import { chunkSize, PacketWriter } from './packet-writer.ts';
import { COMMON_HEADER_BYTES } from './sctp-packet.ts';
import type { SctpStats } from './sctp-stats.ts';

/** Packets that may wait for the owner to fetch them: more than one input leads to. */
const MAX_PACKETS = 1024;

const EMPTY = new Uint8Array(0);

/** Packets on their way out. */
export class PacketOutbox {
  readonly #localPort: number;
  readonly #remotePort: number;
  readonly #mtu: number;
  readonly #stats: SctpStats;
  readonly #packets = new Fifo<Uint8Array>();

  constructor(localPort: number, remotePort: number, mtu: number, stats: SctpStats) {
    this.#localPort = localPort;
    this.#remotePort = remotePort;
    this.#mtu = mtu;
    this.#stats = stats;
  }

  get isEmpty(): boolean {
    return this.#packets.length === 0;
  }

  /** Whether more would be dropped. */
  get isFull(): boolean {
    return this.#packets.length >= MAX_PACKETS;
  }

  /** A packet to be filled and given to {@link PacketOutbox.push}. */
  create(tag: number, capacity: number = this.#mtu): PacketWriter {
    return new PacketWriter(capacity, this.#localPort, this.#remotePort, tag);
  }

  /** Queues a packet, or drops it when the owner has not fetched any for long. */
  push(packet: PacketWriter): void {
    if (this.isFull) return;
    this.#stats.packetsSent++;
    this.#packets.push(packet.finish());
  }

  /** Queues a packet with one chunk, larger than the MTU if the chunk is. */
  pushChunk(tag: number, type: number, flags = 0, value: Uint8Array = EMPTY): void {
    this.push(this.create(tag, COMMON_HEADER_BYTES + chunkSize(value.length)).chunk(type, flags, value));
  }

  /** Whether a chunk with a value of this length keeps within the MTU. */
  fits(valueLength: number): boolean {
    return COMMON_HEADER_BYTES + chunkSize(valueLength) <= this.#mtu;
  }

  shift(): Uint8Array | undefined {
    return this.#packets.shift();
  }
}
