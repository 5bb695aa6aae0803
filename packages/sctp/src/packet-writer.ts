import { packetChecksum } from './crc32c.ts';
import { COMMON_HEADER_BYTES } from './sctp-packet.ts';

/** Builds one SCTP packet in a buffer of its own: chunks one after the other, then the checksum. */
export class PacketWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = COMMON_HEADER_BYTES;
  #chunkAt = 0;

  /** `capacity` is the largest length the packet can reach, a multiple of four. */
  constructor(capacity: number, sourcePort: number, destinationPort: number, verificationTag: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint16(0, sourcePort);
    this.#view.setUint16(2, destinationPort);
    this.#view.setUint32(4, verificationTag);
  }

  /** Bytes still free, a multiple of four; a chunk needs four of them for its header. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** Whether it has no chunk yet. */
  get empty(): boolean {
    return this.#at === COMMON_HEADER_BYTES;
  }

  /** Begins a chunk; end it with {@link PacketWriter.end}. */
  begin(type: number, flags: number): this {
    this.#chunkAt = this.#at;
    this.#view.setUint8(this.#at, type);
    this.#view.setUint8(this.#at + 1, flags);
    this.#at += 4;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value);
    this.#at += 4;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  /** Ends the chunk begun last: writes its length and pads it with zeros to four bytes. */
  end(): this {
    this.#view.setUint16(this.#chunkAt + 2, this.#at - this.#chunkAt);
    this.#at = (this.#at + 3) & ~3;
    return this;
  }

  /** A whole chunk at once. */
  chunk(type: number, flags: number, value: Uint8Array): this {
    return this.begin(type, flags).bytes(value).end();
  }

  /** The packet with its checksum, which the caller owns from then on. The writer is spent. */
  finish(): Uint8Array {
    const packet = this.#bytes.subarray(0, this.#at);
    this.#view.setUint32(8, packetChecksum(packet), true);
    return packet;
  }
}

/** Bytes a chunk takes in a packet: header, value and padding. */
export function chunkSize(valueLength: number): number {
  return (4 + valueLength + 3) & ~3;
}
