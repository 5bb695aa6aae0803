import { ByteWriter, toUtf8 } from '@conclave/bytes';
import { type MediaCrypto, NONCE_LENGTH } from './subtle-crypto.ts';

/** Bytes of a session key and of the media key derived from it. */
export const SESSION_KEY_LENGTH = 32;

/** What a frame carries; base IVs of the two differ, so their counters may be the same. */
export type MediaKind = 'audio' | 'video';

const NOTHING = new Uint8Array(0);
const MEDIA_KEY_INFO = toUtf8('media_key');
const SESSION_KEY_INFO = toUtf8('session_key');
const FRESH_KEY_INFO = toUtf8('cs');
const IV_SALT = { audio: toUtf8('audio_iv'), video: toUtf8('video_iv') } as const;

/** The key that seals frames, 32 bytes, of a session key in the conversation with this hash. */
export function deriveMediaKey(
  crypto: MediaCrypto,
  sessionKey: Uint8Array,
  conversationHash: string,
): Promise<Uint8Array> {
  return crypto.hkdf(sessionKey, toUtf8(conversationHash), MEDIA_KEY_INFO, SESSION_KEY_LENGTH);
}

/** The session key of the next index. There is no way back from it. */
export function deriveNextSessionKey(
  crypto: MediaCrypto,
  sessionKey: Uint8Array,
  conversationHash: string,
): Promise<Uint8Array> {
  return crypto.hkdf(sessionKey, toUtf8(conversationHash), SESSION_KEY_INFO, SESSION_KEY_LENGTH);
}

/** A session key that depends on no earlier one, from 32 random bytes (else `RangeError`) and {@link encodeRosterSalt}. */
export async function deriveFreshSessionKey(
  crypto: MediaCrypto,
  random32: Uint8Array,
  rosterSalt: Uint8Array,
): Promise<Uint8Array> {
  if (random32.length !== SESSION_KEY_LENGTH) throw new RangeError('a session key needs 32 random bytes');
  return crypto.hkdf(random32, rosterSalt, FRESH_KEY_INFO, SESSION_KEY_LENGTH);
}

/** The 12 bytes from which a sender's nonces are made; `userHash` as it stands in the participant list. */
export function deriveBaseIv(crypto: MediaCrypto, userHash: string, kind: MediaKind): Promise<Uint8Array> {
  return crypto.hkdf(toUtf8(userHash), IV_SALT[kind], NOTHING, NONCE_LENGTH);
}

/** The nonce of one frame: the base IV with counter and key index, 32 bits each, XORed into its first eight bytes. */
export function frameNonce(baseIv: Uint8Array, frameCounter: number, keyIndex: number): Uint8Array {
  const nonce = baseIv.slice();
  const view = new DataView(nonce.buffer, nonce.byteOffset, nonce.byteLength);
  view.setUint32(0, view.getUint32(0) ^ frameCounter);
  view.setUint32(4, view.getUint32(4) ^ keyIndex);
  return nonce;
}

/** One line of {@link RosterSaltInput}. */
export interface RosterSaltEntry {
  /** Hash of the user, as in the participant list. */
  readonly userHash: string;
  /** 32 bits. */
  readonly audioSsrc: number;
  /** 32 bits. */
  readonly videoSsrc: number;
}

/** What of a participant list goes into the salt of a fresh key. */
export interface RosterSaltInput {
  /** The server's time in milliseconds, a whole number. */
  readonly timestampMs: number;
  /** The list's number, 32 bits. */
  readonly sequenceNumber: number;
  /** The server's random bytes. */
  readonly entropy: Uint8Array;
  /** In the list's order. */
  readonly participants: readonly RosterSaltEntry[];
}

/** The participant list as bytes: salt of a fresh key, so that the server's entropy is mixed with our own. */
export function encodeRosterSalt(roster: RosterSaltInput): Uint8Array {
  const writer = new ByteWriter(256);
  writer.u64(BigInt(roster.timestampMs)).u32(roster.sequenceNumber).bytes(roster.entropy);
  for (const { userHash, audioSsrc, videoSsrc } of roster.participants) {
    writer.bytes(toUtf8(userHash)).u32(audioSsrc).u32(videoSsrc);
  }
  return writer.finish();
}
