import { FormatError } from '@conclave/bytes';
import { type JsonObject, parseBoundedJson } from './bounded-json.ts';
import {
  fieldError,
  isJsonObject,
  memberOf,
  optionalList,
  optionalObjects,
  requiredLine,
} from './json-fields.ts';
import type { StreamRequest } from './message.ts';
import { MAX_ID_LENGTH, MAX_MESSAGE_DEPTH, MAX_MESSAGE_LENGTH, MAX_PARTICIPANTS } from './parse-message.ts';
import type { Props } from './props.ts';
import { requiredProps } from './read-props.ts';

/** Version of the messages that conference servers exchange about a conference they share. */
export const LINK_VERSION = 'conclave-link-1';

/** One video layer of a participant: of a sender with simulcast the small or the large one, of others the only one. */
export type LinkLayer = 'low' | 'high' | 'single';

/** A participant by its ids. */
export interface LinkParticipantId {
  readonly userId: string;
  readonly clientId: string;
}

/** One stream of a participant as it comes over the link. */
export interface LinkStream {
  readonly stream: 'audio' | LinkLayer;
  /** Its SSRC on this link, drawn by the sending server. */
  readonly ssrc: number;
  /** That of its repairs (RFC 4588); absent for audio. */
  readonly rtxSsrc?: number | undefined;
}

/** A participant as one server tells the other of it. */
export interface LinkParticipant extends LinkParticipantId {
  /** SSRC of its audio as clients know it. */
  readonly audioSsrc: number;
  /** Number that stands for its video as clients know it. */
  readonly videoSsrc: number;
  /** Place in the order of joining; smaller came earlier. */
  readonly joinIndex: number;
  /** What can be had of it over this link. Empty for participants that the receiving server contributes itself. */
  readonly streams: readonly LinkStream[];
}

interface LinkEnvelope {
  /** The conference: several may share one link. */
  readonly conversation: string;
}

/** What two conference servers tell each other, in order and without loss. */
export type LinkMessage =
  /** First of each conference: the sender takes part, and clients know it by this URL. */
  | (LinkEnvelope & { readonly type: 'hello'; readonly url: string })
  /** Everybody whom the sender contributes; of the anchor the whole list, in the order that all shall use. */
  | (LinkEnvelope & { readonly type: 'participants'; readonly participants: readonly LinkParticipant[] })
  /** Whom one of the sender's participants authorises; replaces what was told of it before. */
  | (LinkEnvelope &
      LinkParticipantId & {
        readonly type: 'authorisation';
        readonly authorised: readonly LinkParticipantId[];
      })
  /** What one of the sender's participants says about itself, all of it. */
  | (LinkEnvelope & LinkParticipantId & { readonly type: 'props'; readonly props: Props })
  /** Which layers of one of the sender's participants bring packets now. */
  | (LinkEnvelope & LinkParticipantId & { readonly type: 'layers'; readonly active: readonly LinkLayer[] })
  /** The video that somebody behind the sender watches; replaces the earlier list. */
  | (LinkEnvelope & {
      readonly type: 'wants';
      readonly streams: readonly (LinkParticipantId & { readonly layer: LinkLayer })[];
    })
  /**
   * The video that one of the sender's participants wants, in the order of its slots. Only to a server of the same
   * installation that takes that participant over.
   */
  | (LinkEnvelope &
      LinkParticipantId & { readonly type: 'wishes'; readonly streams: readonly StreamRequest[] })
  /** The sender takes no part in the conference any more. */
  | (LinkEnvelope & { readonly type: 'bye' });

const LAYERS: readonly LinkLayer[] = ['low', 'high', 'single'];
const QUALITIES: readonly StreamRequest['quality'][] = [0, 1, 2];
const STREAMS: readonly LinkStream['stream'][] = ['audio', ...LAYERS];
const MAX_URL_LENGTH = 1023;
/** Most streams that one server asks the other for: a layer of every participant. */
const MAX_WANTS = 2 * MAX_PARTICIPANTS;

/** The message's JSON text. */
export function encodeLinkMessage(message: LinkMessage): string {
  return JSON.stringify({
    version: LINK_VERSION,
    type: message.type,
    sessid: message.conversation,
    ...bodyOf(message),
  });
}

/**
 * Reads what the other server sent. Throws `FormatError` for anything but one of the messages above within its bounds:
 * text, ids, lists and numbers are bounded as in messages of clients.
 */
export function parseLinkMessage(text: string): LinkMessage {
  const json = parseBoundedJson(text, { maxLength: MAX_MESSAGE_LENGTH, maxDepth: MAX_MESSAGE_DEPTH });
  if (!isJsonObject(json)) throw new FormatError('bad-message', 'not an object');
  if (memberOf(json, 'version') !== LINK_VERSION) {
    throw new FormatError('unsupported-version', 'not a message of this version');
  }
  const conversation = requiredLine(json, 'sessid', MAX_ID_LENGTH);
  switch (memberOf(json, 'type')) {
    case 'hello':
      return { type: 'hello', conversation, url: requiredLine(json, 'url', MAX_URL_LENGTH) };
    case 'participants':
      return {
        type: 'participants',
        conversation,
        participants: objects(json, 'participants', MAX_PARTICIPANTS).map(readParticipant),
      };
    case 'authorisation':
      return {
        type: 'authorisation',
        conversation,
        ...readId(json),
        authorised: objects(json, 'authorised', MAX_PARTICIPANTS).map(readId),
      };
    case 'props':
      return { type: 'props', conversation, ...readId(json), props: requiredProps(json) };
    case 'layers':
      return { type: 'layers', conversation, ...readId(json), active: readLayers(json) };
    case 'wants':
      return {
        type: 'wants',
        conversation,
        streams: objects(json, 'streams', MAX_WANTS).map((stream) => ({
          ...readId(stream),
          layer: oneOf(stream, 'layer', LAYERS),
        })),
      };
    case 'wishes':
      return {
        type: 'wishes',
        conversation,
        ...readId(json),
        streams: objects(json, 'streams', MAX_PARTICIPANTS).map((stream) => ({
          userId: requiredLine(stream, 'userid', MAX_ID_LENGTH),
          quality: oneOf(stream, 'quality', QUALITIES),
        })),
      };
    case 'bye':
      return { type: 'bye', conversation };
    default:
      throw new FormatError('unknown-type', 'a type that servers do not exchange');
  }
}

function bodyOf(message: LinkMessage): Record<string, unknown> {
  switch (message.type) {
    case 'hello':
      return { url: message.url };
    case 'participants':
      return {
        participants: message.participants.map((entry) => ({
          ...idBody(entry),
          ssrc_audio: entry.audioSsrc,
          ssrc_video: entry.videoSsrc,
          index: entry.joinIndex,
          streams: entry.streams.map(({ stream, ssrc, rtxSsrc }) => ({ stream, ssrc, rtx: rtxSsrc })),
        })),
      };
    case 'authorisation':
      return { ...idBody(message), authorised: message.authorised.map(idBody) };
    case 'props':
      return { ...idBody(message), props: message.props };
    case 'layers':
      return { ...idBody(message), active: message.active };
    case 'wants':
      return { streams: message.streams.map((stream) => ({ ...idBody(stream), layer: stream.layer })) };
    case 'wishes':
      return {
        ...idBody(message),
        streams: message.streams.map(({ userId, quality }) => ({ userid: userId, quality })),
      };
    case 'bye':
      return {};
  }
}

function idBody(id: LinkParticipantId): Record<string, unknown> {
  return { userid: id.userId, clientid: id.clientId };
}

function readId(object: JsonObject): LinkParticipantId {
  return {
    userId: requiredLine(object, 'userid', MAX_ID_LENGTH),
    clientId: requiredLine(object, 'clientid', MAX_ID_LENGTH),
  };
}

function readParticipant(object: JsonObject): LinkParticipant {
  return {
    ...readId(object),
    audioSsrc: uint32(object, 'ssrc_audio'),
    videoSsrc: uint32(object, 'ssrc_video'),
    joinIndex: uint32(object, 'index'),
    streams: objects(object, 'streams', STREAMS.length).map((stream) => ({
      stream: oneOf(stream, 'stream', STREAMS),
      ssrc: uint32(stream, 'ssrc'),
      rtxSsrc: memberOf(stream, 'rtx') === undefined ? undefined : uint32(stream, 'rtx'),
    })),
  };
}

function readLayers(object: JsonObject): LinkLayer[] {
  const list = optionalList(object, 'active', LAYERS.length);
  if (list === undefined) throw fieldError('missing', 'active', 'required');
  return list.map((layer) => {
    const known = LAYERS.find((name) => name === layer);
    if (known === undefined) throw fieldError('bad', 'active', 'not a list of layers');
    return known;
  });
}

function objects(object: JsonObject, name: string, maxItems: number): readonly JsonObject[] {
  const list = optionalObjects(object, name, maxItems);
  if (list === undefined) throw fieldError('missing', name, 'required');
  return list;
}

function uint32(object: JsonObject, name: string): number {
  const value = memberOf(object, name);
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw fieldError(value === undefined ? 'missing' : 'bad', name, 'not a number of 32 bits');
  }
  return value;
}

function oneOf<T extends string | number>(object: JsonObject, name: string, values: readonly T[]): T {
  const value = values.find((candidate) => candidate === memberOf(object, name));
  if (value === undefined) throw fieldError('bad', name, `none of ${values.join(', ')}`);
  return value;
}
