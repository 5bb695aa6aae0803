import { FormatError, fromUtf8, type NowMs, toUtf8 } from '@conclave/bytes';

/** What a client-to-mixer audio level extension says (RFC 6464 §3). */
export interface AudioLevel {
  /** Whether the sender takes the packet for speech. */
  readonly voice: boolean;
  /** Loudness in −dBov: 0 is loudest, 127 silence. */
  readonly level: number;
}

/** Reads an audio level. Throws {@link FormatError} `bad-audio-level` on an empty value; more bytes are ignored. */
export function parseAudioLevel(value: Uint8Array): AudioLevel {
  const byte = value[0];
  if (byte === undefined) throw new FormatError('bad-audio-level', 'an audio level has one byte');
  return { voice: (byte & 0x80) !== 0, level: byte & 0x7f };
}

/** The one byte of an audio level. */
export function encodeAudioLevel({ voice, level }: AudioLevel): Uint8Array {
  return Uint8Array.of((voice ? 0x80 : 0) | (level & 0x7f));
}

/**
 * Reads an absolute send time: seconds as 6.18 fixed point, that is ticks of 2^-18 s modulo 64 s. Throws
 * {@link FormatError} `bad-abs-send-time` unless there are three bytes.
 */
export function parseAbsSendTime(value: Uint8Array): number {
  if (value.length !== 3) throw new FormatError('bad-abs-send-time', 'an absolute send time has three bytes');
  return (value[0]! << 16) | (value[1]! << 8) | value[2]!;
}

/** The three bytes of the absolute send time of `now`, rounded down. */
export function encodeAbsSendTime(now: NowMs): Uint8Array {
  const ticks = Math.floor((now * 2 ** 18) / 1000) % 2 ** 24;
  return Uint8Array.of(ticks >>> 16, ticks >>> 8, ticks);
}

/**
 * Reads a transport-wide sequence number (16 bits). Throws {@link FormatError} `bad-transport-sequence` on fewer
 * than two bytes; the feedback request that version 2 of the extension appends is ignored.
 */
export function parseTransportSequence(value: Uint8Array): number {
  if (value.length < 2) throw new FormatError('bad-transport-sequence', 'a transport sequence has two bytes');
  return (value[0]! << 8) | value[1]!;
}

/** The two bytes of a transport-wide sequence number. */
export function encodeTransportSequence(sequence: number): Uint8Array {
  return Uint8Array.of(sequence >>> 8, sequence);
}

/**
 * Reads an RtpStreamId or RepairedRtpStreamId (RFC 8852 §3): letters, digits, and for the sake of RFC 8851 also `-`
 * and `_`. Throws {@link FormatError} `bad-rid` on anything else.
 */
export function parseRid(value: Uint8Array): string {
  for (const byte of value) if (!isRidByte(byte)) throw badRid();
  if (value.length === 0) throw badRid();
  return fromUtf8(value);
}

/** The bytes of a stream id. Throws `RangeError` when it is none. */
export function encodeRid(rid: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]{1,255}$/.test(rid)) throw new RangeError('not an RTP stream id');
  return toUtf8(rid);
}

function isRidByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (
    (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x5f
  );
}

function badRid(): FormatError {
  return new FormatError('bad-rid', 'a stream id has letters, digits, hyphens and underscores only');
}
