import { FormatError } from '@conclave/bytes';
import { STUN_HEADER_BYTES } from '@conclave/stun';

const MAGIC_COOKIE_BYTES = [0x21, 0x12, 0xa4, 0x42];

/**
 * Cuts STUN and ChannelData messages out of the bytes of a TCP or TLS connection, however these were split
 * (RFC 8656 §12.5, RFC 8489 §6.2.2). Holds at most one unfinished message beside what was pushed last.
 *
 * @example
 * framer.push(chunk);
 * for (let m = framer.next(); m; m = framer.next()) server.handlePacket(now, tuple, m);
 */
export class TurnStreamFramer {
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** Whether the buffer is ours to append to, and not a chunk of the caller. */
  #owned = false;
  #failed = false;

  /** Adds received bytes. Keeps a reference to `chunk` until its last message was taken. */
  push(chunk: Uint8Array): void {
    if (this.#failed) return;
    const pending = this.pendingBytes;
    if (pending === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.#end + chunk.length > this.#buffer.length) {
      // Twice what is needed, so that a message in single bytes is not copied for each of them.
      const larger = new Uint8Array(2 * (pending + chunk.length));
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#buffer = larger;
      this.#start = 0;
      this.#end = pending;
      this.#owned = true;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Bytes that no message was made of yet. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /**
   * The next whole message, ChannelData without its padding, as a view of memory that is not written again; or
   * `undefined` when more bytes are needed. Throws {@link FormatError} `bad-frame` when the bytes cannot be
   * either: the connection must be closed then, and further calls return nothing.
   */
  next(): Uint8Array | undefined {
    const bytes = this.#buffer.subarray(this.#start, this.#end);
    if (bytes.length === 0) return undefined;
    const isStun = (bytes[0]! & 0xc0) === 0;
    if (isStun) this.#checkCookie(bytes);
    else if ((bytes[0]! & 0xc0) !== 0x40) throw this.#fail();
    if (bytes.length < 4) return undefined;
    const length = (bytes[2]! << 8) | bytes[3]!;
    if (isStun && length % 4 !== 0) throw this.#fail();
    const size = isStun ? STUN_HEADER_BYTES + length : 4 + length;
    const padded = (size + 3) & ~3;
    if (bytes.length < padded) return undefined;
    this.#start += padded;
    return bytes.subarray(0, size);
  }

  /**
   * Gives away all bytes that no message was made of: after a ConnectionBind they are the peer's
   * (RFC 6062 §5.4).
   */
  takeRest(): Uint8Array {
    const rest = this.#buffer.subarray(this.#start, this.#end);
    this.#forget();
    return rest;
  }

  #checkCookie(bytes: Uint8Array): void {
    // As early as it can be seen, so that a foreign protocol does not wait for 64 KiB to be refused.
    for (let i = 0; i < 4 && 4 + i < bytes.length; i++) {
      if (bytes[4 + i] !== MAGIC_COOKIE_BYTES[i]) throw this.#fail();
    }
  }

  #fail(): FormatError {
    this.#failed = true;
    this.#forget();
    return new FormatError('bad-frame', 'neither STUN nor ChannelData');
  }

  #forget(): void {
    this.#buffer = new Uint8Array(0);
    this.#start = this.#end = 0;
    this.#owned = false;
  }
}
