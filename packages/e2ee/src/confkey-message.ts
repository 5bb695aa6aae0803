import { FormatError, fromBase64, toBase64 } from '@conclave/bytes';
import {
  type JsonObject,
  type JsonValue,
  MESSAGE_VERSION,
  type MessageEnvelope,
  parseBoundedJson,
  parseMessage,
} from '@conclave/econn';
import { SESSION_KEY_LENGTH } from './key-derivation.ts';
import { MAX_KEY_INDEX } from './key-index.ts';

/** Keys in one message at most; two are usual. */
export const MAX_KEYS_PER_MESSAGE = 16;

/** Longest CONFKEY text, in UTF-16 code units. */
export const MAX_KEY_MESSAGE_LENGTH = 8192;

const MAX_DEPTH = 8;

/** One session key as it travels. */
export interface IndexedKey {
  /** 0 to 2^32-1. */
  readonly index: number;
  /** 32 bytes. */
  readonly sessionKey: Uint8Array;
}

/** CONFKEY: a request for keys (`response` false) or keys. */
export interface ConfkeyMessage extends MessageEnvelope {
  readonly type: 'CONFKEY';
  /** The key in use first. At most {@link MAX_KEYS_PER_MESSAGE}, each index once; empty in a request. */
  readonly keys: readonly IndexedKey[];
}

/** JSON text of a CONFKEY. Holds the keys: only for an end-to-end encrypted pipe. */
export function encodeConfkey(message: ConfkeyMessage): string {
  // JSON leaves out members that are undefined.
  return JSON.stringify({
    version: MESSAGE_VERSION,
    type: 'CONFKEY',
    sessid: message.sessionId,
    src_userid: message.sourceUserId || undefined,
    src_clientid: message.sourceClientId || undefined,
    dest_userid: message.destinationUserId || undefined,
    dest_clientid: message.destinationClientId || undefined,
    resp: message.response,
    keys: message.keys.map(({ index, sessionKey }) => ({ idx: index, data: toBase64(sessionKey) })),
  });
}

/**
 * Parses a CONFKEY from another device. Throws `FormatError`: the codes of `parseMessage`, `not-confkey`,
 * `missing-keys`, `bad-keys`, `too-many-keys`, `bad-idx`, `duplicate-idx`, `bad-data`. Keys of a request are ignored.
 */
export function parseConfkey(text: string): ConfkeyMessage {
  const json = parseBoundedJson(text, { maxLength: MAX_KEY_MESSAGE_LENGTH, maxDepth: MAX_DEPTH });
  const message = parseMessage(text);
  if (message.type !== 'other' || message.name !== 'CONFKEY' || !isObject(json)) {
    throw new FormatError('not-confkey', 'the message is not a CONFKEY');
  }
  const { type: _, name: __, ...envelope } = message;
  return { ...envelope, type: 'CONFKEY', keys: envelope.response ? readKeys(json) : [] };
}

function readKeys(json: JsonObject): IndexedKey[] {
  const list = member(json, 'keys');
  if (list === undefined) throw new FormatError('missing-keys', 'keys: required');
  if (!Array.isArray(list) || list.length === 0)
    throw new FormatError('bad-keys', 'keys: not a list of keys');
  if (list.length > MAX_KEYS_PER_MESSAGE) {
    throw new FormatError('too-many-keys', `keys: more than ${MAX_KEYS_PER_MESSAGE}`);
  }
  const keys = list.map(readKey);
  if (new Set(keys.map(({ index }) => index)).size !== keys.length) {
    throw new FormatError('duplicate-idx', 'two keys with one index');
  }
  return keys;
}

function readKey(value: JsonValue): IndexedKey {
  if (!isObject(value)) throw new FormatError('bad-keys', 'keys: an element is not an object');
  const index = member(value, 'idx');
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > MAX_KEY_INDEX) {
    throw new FormatError('bad-idx', 'idx: not a 32-bit number');
  }
  const data = member(value, 'data');
  if (typeof data !== 'string' || data.length !== 4 * Math.ceil(SESSION_KEY_LENGTH / 3)) {
    throw badData();
  }
  const sessionKey = fromBase64(data);
  if (sessionKey.length !== SESSION_KEY_LENGTH) throw badData();
  return { index, sessionKey };
}

function badData(): FormatError {
  return new FormatError('bad-data', `data: not ${SESSION_KEY_LENGTH} bytes in base64`);
}

function member(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? (object[name] ?? undefined) : undefined;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
