import { FormatError } from '@conclave/bytes';
import {
  type ConversationHash,
  type JsonObject,
  type JsonValue,
  MAX_ID_LENGTH,
  MAX_MESSAGE_LENGTH,
  parseBoundedJson,
  parseConversationHash,
  parseUserHash,
  type UserHash,
} from '@conclave/econn';

/** What servers of one installation ask each other, by the last part of the request's path. */
export const SISTER_ACTIONS = ['prepare', 'locate', 'pass'] as const;
/** One of {@link SISTER_ACTIONS}. */
export type SisterAction = (typeof SISTER_ACTIONS)[number];

/** The receiver is to take a conference over: it links to the sender, whose clients will then come one by one. */
export interface PrepareRequest {
  readonly conversation: ConversationHash;
  /** URL of the sender, and where its link is, as `address:port`. */
  readonly url: string;
  readonly tuple: string;
}

/** Who has this conference, and this caller? */
export interface LocateRequest {
  readonly conversation: ConversationHash;
  readonly userId: UserHash;
  readonly clientId: string;
}

/** What a server has of what was asked for. */
export interface LocateReply {
  /** The caller has a call there. */
  readonly caller: boolean;
  /** The conference is there, with somebody in its list. */
  readonly conference: boolean;
  /** The server is about to end. */
  readonly draining: boolean;
}

/** A client's request that is for the receiver. */
export interface PassRequest {
  readonly conversation: ConversationHash;
  /** As the client sent it. */
  readonly body: string;
  /** Where the client's request came from. */
  readonly remoteAddress: string;
  /** How often it was passed on, this time included. */
  readonly hops: number;
}

/** The answer to a client's request, to be passed back. */
export interface PassReply {
  readonly status: number;
  readonly contentType: 'application/json' | 'text/html' | 'text/plain';
  readonly body: string;
}

const MAX_URL_LENGTH = 1023;
const MAX_TUPLE_LENGTH = 64;
const MAX_ADDRESS_LENGTH = 64;
const MAX_HOPS = 8;
const CONTENT_TYPES: readonly PassReply['contentType'][] = ['application/json', 'text/html', 'text/plain'];
/** A client's message as text in a message. */
const MAX_TEXT_LENGTH = 2 * MAX_MESSAGE_LENGTH + 4096;

/** Reads a {@link PrepareRequest}. Throws `FormatError`. */
export function parsePrepareRequest(text: string): PrepareRequest {
  const json = parseObject(text);
  return {
    conversation: conversationOf(json),
    url: textOf(json, 'url', MAX_URL_LENGTH),
    tuple: textOf(json, 'tuple', MAX_TUPLE_LENGTH),
  };
}

/** Reads a {@link LocateRequest}. Throws `FormatError`. */
export function parseLocateRequest(text: string): LocateRequest {
  const json = parseObject(text);
  return {
    conversation: conversationOf(json),
    userId: parseUserHash(textOf(json, 'userId', MAX_ID_LENGTH)),
    clientId: parseUserHash(textOf(json, 'clientId', MAX_ID_LENGTH)),
  };
}

/** Reads a {@link LocateReply}. Throws `FormatError`. */
export function parseLocateReply(text: string): LocateReply {
  const json = parseObject(text);
  return {
    caller: flagOf(json, 'caller'),
    conference: flagOf(json, 'conference'),
    draining: flagOf(json, 'draining'),
  };
}

/** Reads a {@link PassRequest}. Throws `FormatError`. */
export function parsePassRequest(text: string): PassRequest {
  const json = parseObject(text);
  return {
    conversation: conversationOf(json),
    body: textOf(json, 'body', MAX_MESSAGE_LENGTH),
    remoteAddress: textOf(json, 'remoteAddress', MAX_ADDRESS_LENGTH),
    hops: integerOf(json, 'hops', 1, MAX_HOPS),
  };
}

/** Reads a {@link PassReply}. Throws `FormatError`. */
export function parsePassReply(text: string): PassReply {
  const json = parseObject(text);
  const contentType = CONTENT_TYPES.find((type) => type === json.contentType);
  if (contentType === undefined) throw new FormatError('bad-message', 'contentType is none that is known');
  return {
    status: integerOf(json, 'status', 200, 599),
    contentType,
    body: textOf(json, 'body', MAX_MESSAGE_LENGTH),
  };
}

function parseObject(text: string): JsonObject {
  const json = parseBoundedJson(text, { maxLength: MAX_TEXT_LENGTH, maxDepth: 2 });
  if (json === null || typeof json !== 'object' || isList(json))
    throw new FormatError('bad-message', 'not an object');
  return json;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function conversationOf(json: JsonObject): ConversationHash {
  return parseConversationHash(textOf(json, 'conversation', MAX_ID_LENGTH));
}

function textOf(json: JsonObject, name: string, maxLength: number): string {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  if (typeof value !== 'string' || value.length > maxLength)
    throw new FormatError('bad-message', `${name} is no text, or too long`);
  return value;
}

function flagOf(json: JsonObject, name: string): boolean {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  if (typeof value !== 'boolean') throw new FormatError('bad-message', `${name} is not true or false`);
  return value;
}

function integerOf(json: JsonObject, name: string, min: number, max: number): number {
  const value = Object.hasOwn(json, name) ? json[name] : undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw new FormatError('bad-message', `${name} is no number from ${min} to ${max}`);
  return value;
}
