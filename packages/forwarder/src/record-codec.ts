import { formatIp, parseIp } from '@conclave/bytes';
import type { Path, SocketId } from './flow-table.ts';

/**
 * Writes the little-endian records that the addon reads: a 32-bit length of the whole record, an operation, fields.
 * One record at a time, in one buffer that is used again.
 */
export class RecordWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Starts a record. */
  begin(operation: number): this {
    this.#length = 4;
    return this.u8(operation);
  }

  /** Starts fields without a record around them. */
  beginFields(): this {
    this.#length = 0;
    return this;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
    return this;
  }

  f64(value: number): this {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value, true);
    return this;
  }

  /** A 16-bit length, then the bytes. */
  bytes(bytes: Uint8Array): this {
    this.u16(bytes.length);
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** ASCII text, like {@link RecordWriter.bytes}. */
  text(text: string): this {
    this.u16(text.length);
    const at = this.#grow(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[at + i] = text.charCodeAt(i);
    return this;
  }

  /** Throws `TypeError` unless the path's parts are valid. */
  path(path: Path): this {
    const address = parseIp(path.address);
    if (!address) throw new TypeError(`not an IP address: ${path.address}`);
    if (!Number.isInteger(path.port) || path.port < 0 || path.port > 65535) {
      throw new TypeError(`not a port: ${path.port}`);
    }
    if (!Number.isSafeInteger(path.socket) || path.socket < 0) {
      throw new TypeError(`not a socket id: ${path.socket}`);
    }
    this.f64(path.socket).u8(address.length === 16 ? 6 : 4);
    const at = this.#grow(address.length);
    this.#bytes.set(address, at);
    return this.u16(path.port);
  }

  /** The complete record; valid until the next begin. */
  finish(): Uint8Array {
    this.#view.setUint32(0, this.#length, true);
    return this.#bytes.subarray(0, this.#length);
  }

  /** The fields begun with {@link RecordWriter.beginFields}; valid until the next begin. */
  fields(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Overwrites what was written, for records that held secrets. */
  wipe(): void {
    this.#bytes.fill(0, 0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      // The old buffer may hold keys.
      this.#bytes.fill(0);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Reads the fields of the records the addon writes. They are trusted: the addon is part of this program. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Whether another record follows. */
  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  i32(): number {
    return this.u32() | 0;
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  /** A copy, so that an event that is kept does not keep its whole batch. */
  bytes(): Uint8Array {
    return this.#take(this.u16()).slice();
  }

  /** One character per byte; `undefined` if empty. */
  text(): string | undefined {
    const bytes = this.#take(this.u16());
    return bytes.length === 0 ? undefined : String.fromCharCode(...bytes);
  }

  path(): Path {
    const socket = this.f64() as SocketId;
    const address = formatIp(this.#take(this.u8() === 6 ? 16 : 4));
    return { socket, address, port: this.u16() };
  }

  #take(count: number): Uint8Array {
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }
}
