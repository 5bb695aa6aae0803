import type { DtlsEvent, DtlsSession } from '@conclave/forwarder';

/** A DTLS session without cryptography, for tests that play the peer's SCTP by hand. */
export class ScriptedDtlsSession implements DtlsSession {
  /** What the transport sent over it. */
  readonly sent: Uint8Array[] = [];
  readonly #fingerprint: string;
  readonly #events: DtlsEvent[] = [];
  #closed = false;

  constructor(peerFingerprint: string) {
    this.#fingerprint = peerFingerprint;
  }

  start(): void {}

  /** A handshake message completes the handshake; anything else is data after its first byte. */
  handlePacket(_now: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    if (bytes[0] !== 22) {
      this.#events.push({ type: 'data', bytes: bytes.slice(1) });
      return;
    }
    const [sendKey, receiveKey] = [new Uint8Array(16), new Uint8Array(16)];
    const [sendSalt, receiveSalt] = [new Uint8Array(12), new Uint8Array(12)];
    const srtpKeys = { profile: 7, sendKey, sendSalt, receiveKey, receiveSalt } as const;
    this.#events.push({ type: 'connected', peerFingerprint: this.#fingerprint, srtpKeys });
  }

  handleTimeout(): void {}

  pollTimeout(): undefined {}

  pollTransmit(): undefined {}

  pollEvent(): DtlsEvent | undefined {
    return this.#events.shift();
  }

  send(bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length > 1100) throw new RangeError(`${bytes.length} bytes`);
    this.sent.push(Uint8Array.from(bytes));
  }

  close(): void {
    this.#closed = true;
  }
}

/** An SCTP packet of one chunk between ports 5000 (RFC 9260 §3), its checksum right. */
export function sctpPacket(verificationTag: number, chunkType: number, value: Uint8Array): Uint8Array {
  const packet = new Uint8Array(16 + Math.ceil(value.length / 4) * 4);
  const view = new DataView(packet.buffer);
  view.setUint16(0, 5000);
  view.setUint16(2, 5000);
  view.setUint32(4, verificationTag);
  view.setUint8(12, chunkType);
  view.setUint16(14, 4 + value.length);
  packet.set(value, 16);
  view.setUint32(8, crc32c(packet), true);
  return packet;
}

/** The value of an INIT ACK (RFC 9260 §3.3.3) with a cookie of so many bytes. */
export function initAckValue(initiateTag: number, cookieLength: number): Uint8Array {
  const value = new Uint8Array(20 + Math.ceil(cookieLength / 4) * 4);
  const view = new DataView(value.buffer);
  view.setUint32(0, initiateTag);
  view.setUint32(4, 131_072);
  view.setUint16(8, 1024);
  view.setUint16(10, 1024);
  view.setUint32(12, 1);
  view.setUint16(16, 7);
  view.setUint16(18, 4 + cookieLength);
  return value;
}

/** The checksum of SCTP (RFC 9260 appendix A), bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
