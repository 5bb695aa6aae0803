import { concatBytes, type RandomBytes, toHex, toUtf8 } from '@conclave/bytes';
import { SESSION_KEY_LENGTH } from './key-derivation.ts';
import type { MediaCrypto } from './subtle-crypto.ts';

/** Bytes of the secret in a meeting link. */
export const MEETING_SECRET_LENGTH = 32;

/** Rounds of PBKDF2-HMAC-SHA-512 for a passphrase. Fewer make guessing cheaper for who has the link; more delay joining. */
export const PASSPHRASE_ITERATIONS = 600_000;

/** Longest passphrase in bytes of UTF-8. */
export const MAX_PASSPHRASE_LENGTH = 1024;

const SALT = toUtf8('conclave meeting v1');
const HASH_LENGTH = 16;
const CLIENT_ID_LENGTH = 16;
const SAFETY_GROUPS = 6;
const BYTES_PER_GROUP = 5;

/** All that is derived from a meeting link. Whoever has the link, and the passphrase if there is one, has the same. */
export interface MeetingKeys {
  /** Id of the conference at the server, 32 hexadecimal digits; tells nothing about the rest. */
  readonly conferenceId: string;
  /** 16 bytes from which hashes of participants are made. */
  readonly userHashSecret: Uint8Array;
  /** The session key of the media, 32 bytes. */
  readonly sessionKey: Uint8Array;
  /** The key of property boxes, 32 bytes. */
  readonly boxKey: Uint8Array;
  /** Six groups of five digits, the same on all screens of a meeting and on no others. */
  readonly safetyCode: string;
}

/** A participant of a link meeting, made anew for every join. */
export interface MeetingIdentity {
  /** 16 random bytes as hexadecimal digits. Never stored: with a fixed key a second use would repeat nonces. */
  readonly clientId: string;
  /** Stands for the participant at the server, 32 hexadecimal digits. */
  readonly userHash: string;
}

/** The secret of a new meeting. */
export function createMeetingSecret(random: RandomBytes): Uint8Array {
  return random(MEETING_SECRET_LENGTH);
}

/**
 * Derives everything of version 1 from a link's secret. `root` is HKDF-SHA-512 with salt `conclave meeting v1` and info
 * `root` over the secret; with a passphrase over secret ‖ PBKDF2-HMAC-SHA-512(passphrase in NFC and UTF-8,
 * salt = `conclave meeting v1` ‖ secret, 600000 rounds, 32 bytes), with info `root with passphrase`. From the root come, by HKDF with
 * the same salt, `conference id` (16 bytes), `user hashes` (16), `media` (32), `properties` (32) and `safety code` (30: each five
 * bytes modulo 100000 are a group). Throws `RangeError` for a secret that is not 32 bytes and a passphrase too long or empty.
 */
export async function deriveMeetingKeys(
  crypto: MediaCrypto,
  secret: Uint8Array,
  passphrase?: string,
): Promise<MeetingKeys> {
  if (secret.length !== MEETING_SECRET_LENGTH) throw new RangeError('a meeting secret has 32 bytes');
  const root = await deriveRoot(crypto, secret, passphrase);
  const derive = (info: string, length: number) => crypto.hkdf(root, SALT, toUtf8(info), length);
  const [conference, userHashSecret, sessionKey, boxKey, code] = await Promise.all([
    derive('conference id', HASH_LENGTH),
    derive('user hashes', HASH_LENGTH),
    derive('media', SESSION_KEY_LENGTH),
    derive('properties', SESSION_KEY_LENGTH),
    derive('safety code', SAFETY_GROUPS * BYTES_PER_GROUP),
  ]);
  root.fill(0);
  return {
    conferenceId: toHex(conference),
    userHashSecret,
    sessionKey,
    boxKey,
    safetyCode: formatSafetyCode(code),
  };
}

/** A participant that was never there before. Call it for every join, also after a reload. */
export async function createMeetingIdentity(
  crypto: MediaCrypto,
  keys: MeetingKeys,
  random: RandomBytes,
): Promise<MeetingIdentity> {
  const clientId = random(CLIENT_ID_LENGTH);
  const hash = await crypto.hkdf(keys.userHashSecret, clientId, toUtf8('user hash'), HASH_LENGTH);
  return { clientId: toHex(clientId), userHash: toHex(hash) };
}

async function deriveRoot(
  crypto: MediaCrypto,
  secret: Uint8Array,
  passphrase: string | undefined,
): Promise<Uint8Array> {
  if (passphrase === undefined) return crypto.hkdf(secret, SALT, toUtf8('root'), SESSION_KEY_LENGTH);
  // Keyboards differ in how they compose an accented letter.
  const bytes = toUtf8(passphrase.normalize('NFC'));
  if (bytes.length === 0 || bytes.length > MAX_PASSPHRASE_LENGTH) {
    throw new RangeError(`a passphrase has 1 to ${MAX_PASSPHRASE_LENGTH} bytes`);
  }
  const stretched = await crypto.pbkdf2(
    bytes,
    concatBytes(SALT, secret),
    PASSPHRASE_ITERATIONS,
    SESSION_KEY_LENGTH,
  );
  const material = concatBytes(secret, stretched);
  return crypto.hkdf(material, SALT, toUtf8('root with passphrase'), SESSION_KEY_LENGTH);
}

function formatSafetyCode(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_PER_GROUP) {
    let value = 0;
    for (let i = 0; i < BYTES_PER_GROUP; i++) value = value * 256 + bytes[at + i]!;
    groups.push(String(value % 100_000).padStart(5, '0'));
  }
  return groups.join(' ');
}
