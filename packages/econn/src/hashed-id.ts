import { type Branded, concatBytes, FormatError, type Hash, toHex, toUtf8 } from '@conclave/bytes';

/**
 * Stands for a conversation: all that a server ever learns of it. From clients of Wire it is 32 hexadecimal digits;
 * a server takes any path-safe text of 1 to 127 characters.
 */
export type ConversationHash = Branded<string, 'ConversationHash'>;

/** Stands for one user's device in one conference. From clients of Wire 32 hexadecimal digits; at most 127 characters. */
export type UserHash = Branded<string, 'UserHash'>;

/** Bytes of the secret that the starter of a conference shares with its members only. */
export const CONFERENCE_SECRET_LENGTH = 16;

const HASH_LENGTH = 16;
const LOGGED_CHARACTERS = 6;

/** Hash of a conversation id (with its `@domain` where there is one) under the conference's secret. */
export function conversationHash(secret: Uint8Array, conversationId: string, sha256: Hash): ConversationHash {
  return hashOf(sha256, secret, conversationId) as ConversationHash;
}

/** Hash of a user's device under the conference's secret. The ids are the texts that the application uses. */
export function userHash(secret: Uint8Array, userId: string, clientId: string, sha256: Hash): UserHash {
  return hashOf(sha256, secret, userId + clientId) as UserHash;
}

/**
 * Checks a conversation id from a URL's path: 1 to 127 of `A-Z a-z 0-9 . _ ~ @ : = + , -`, and not dots alone, so
 * that it can neither leave a path nor break a log line. Throws `FormatError` `bad-conversation`.
 */
export function parseConversationHash(text: string): ConversationHash {
  if (!/^[A-Za-z0-9._~@:=+,-]{1,127}$/.test(text) || /^\.+$/.test(text)) {
    throw new FormatError('bad-conversation', 'not a path-safe conversation id');
  }
  return text as ConversationHash;
}

/**
 * Checks the id of a caller, which has to be present: 1 to 127 characters without control characters or slash.
 * Throws `FormatError` `bad-user`.
 */
export function parseUserHash(text: string): UserHash {
  if (!/^[^/\\\p{Cc}\p{Zl}\p{Zp}\p{Cs}]{1,127}$/u.test(text)) {
    throw new FormatError('bad-user', 'not a usable user id');
  }
  return text as UserHash;
}

/** The id as logs may show it: its first six characters, whatever is not a letter, digit or one of `._-` replaced. */
export function loggable(id: string): string {
  const start = id.slice(0, LOGGED_CHARACTERS).replace(/[^A-Za-z0-9._-]/g, '?');
  return `${start}…`;
}

function hashOf(sha256: Hash, secret: Uint8Array, text: string): string {
  return toHex(sha256(concatBytes(secret, toUtf8(text))).subarray(0, HASH_LENGTH));
}
