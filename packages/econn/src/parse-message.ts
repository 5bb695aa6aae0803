import { FormatError, Secret } from '@conclave/bytes';
import { type JsonObject, type JsonValue, parseBoundedJson } from './bounded-json.ts';
import {
  fieldError,
  isJsonObject,
  memberOf,
  optionalBoolean,
  optionalDecimal,
  optionalInteger,
  optionalLine,
  optionalList,
  optionalObjects,
  optionalText,
  requiredBoolean,
  requiredDecimalUint32,
  requiredLine,
  requiredText,
} from './json-fields.ts';
import {
  type ConferenceMessage,
  type ConnectMessage,
  type IceServer,
  MESSAGE_VERSION,
  type MessageEnvelope,
  type Participant,
  type ParticipantsMessage,
  type SetupMessage,
  type StreamRequest,
  type StreamsMessage,
  type VideoQuality,
} from './message.ts';
import { optionalProps, requiredProps } from './read-props.ts';

/** Longest message text, in UTF-16 code units. The reference server reads no more either. */
export const MAX_MESSAGE_LENGTH = 524_288;

/** Deepest nesting of a message. Real ones have four levels; the rest is for unknown fields. */
export const MAX_MESSAGE_DEPTH = 32;

/** Longest user, client or session id. */
export const MAX_ID_LENGTH = 127;

/** Longest session description, in characters; clients read no longer ones. */
export const MAX_SDP_LENGTH = 32_768;

/** Most participants of one list. */
export const MAX_PARTICIPANTS = 2000;

/** Most streams that one client may ask for. */
export const MAX_STREAMS = 64;

/** Most ICE servers in one request. */
export const MAX_ICE_SERVERS = 16;

/** Most video slots a request can name; more are clamped. What fits into an offer is less. */
export const MAX_VIDEO_STREAMS = 32;

const MAX_SERVERS = 64;
const MAX_URL_LENGTH = 1023;
const MAX_CREDENTIAL_LENGTH = 511;
const MAX_TOOL_LENGTH = 255;

/** Types without a use for a conference server: of one-to-one calls, of old mesh calls, and between clients. */
const OTHER_TYPES: ReadonlySet<string> = new Set([
  'CANCEL',
  'GROUPSTART',
  'GROUPLEAVE',
  'GROUPCHECK',
  'GROUPSETUP',
  'CONFSTART',
  'CONFEND',
  'CONFKEY',
  'CONFCHECK',
  'REJECT',
  'ALERT',
  'DEVPAIR_PUBLISH',
  'DEVPAIR_ACCEPT',
]);

/**
 * Parses a message from a peer. `version` and `type` are read without regard to case, unknown fields are ignored,
 * a field that is null counts as absent, and of a field that occurs twice the last one counts.
 *
 * Throws `FormatError`, never anything else. Codes: `too-long`, `too-deep`, `bad-json`, `not-an-object`,
 * `unsupported-version`, `unknown-type`, `too-many-<field>`, `props-too-long`, and `missing-<field>` or
 * `bad-<field>` with the field's name in kebab case (`missing-sdp`, `bad-src-userid`, `bad-ssrc-audio`).
 */
export function parseMessage(text: string): ConferenceMessage {
  const json: JsonValue = parseBoundedJson(text, {
    maxLength: MAX_MESSAGE_LENGTH,
    maxDepth: MAX_MESSAGE_DEPTH,
  });
  if (!isJsonObject(json)) throw new FormatError('not-an-object', 'the message is not a JSON object');
  if (requiredText(json, 'version', 15).toLowerCase() !== MESSAGE_VERSION) {
    throw new FormatError('unsupported-version', `only version ${MESSAGE_VERSION} is understood`);
  }
  const type = requiredText(json, 'type', 31).toUpperCase();
  const envelope = readEnvelope(json);
  switch (type) {
    case 'CONFCONN':
      return readConnect(json, envelope);
    case 'SETUP':
      return { ...envelope, type, props: requiredProps(json), ...readDescription(json) };
    case 'UPDATE':
      return { ...envelope, type, props: optionalProps(json) ?? {}, ...readDescription(json) };
    case 'CONFPART':
      return readParticipants(json, envelope);
    case 'PROPSYNC':
      return { ...envelope, type, props: requiredProps(json) };
    case 'PING':
    case 'HANGUP':
      return { ...envelope, type };
    case 'CONFSTREAMS':
      return readStreams(json, envelope);
    default:
      if (!OTHER_TYPES.has(type))
        throw new FormatError('unknown-type', 'a type that the format does not have');
      return { ...envelope, type: 'other', name: type };
  }
}

function readEnvelope(json: JsonObject): MessageEnvelope {
  return {
    sessionId: requiredLine(json, 'sessid', MAX_ID_LENGTH),
    sourceUserId: optionalLine(json, 'src_userid', MAX_ID_LENGTH) ?? '',
    sourceClientId: optionalLine(json, 'src_clientid', MAX_ID_LENGTH) ?? '',
    destinationUserId: optionalLine(json, 'dest_userid', MAX_ID_LENGTH) ?? '',
    destinationClientId: optionalLine(json, 'dest_clientid', MAX_ID_LENGTH) ?? '',
    response: requiredBoolean(json, 'resp'),
  };
}

function readConnect(json: JsonObject, envelope: MessageEnvelope): ConnectMessage {
  const videoStreams = optionalInteger(json, 'vstreams') ?? 0;
  return {
    ...envelope,
    type: 'CONFCONN',
    iceServers: (optionalObjects(json, 'ice_servers', MAX_ICE_SERVERS) ?? []).map(readIceServer),
    update: optionalBoolean(json, 'update') ?? false,
    tool: optionalLine(json, 'tool', MAX_TOOL_LENGTH) ?? '',
    toolVersion: optionalLine(json, 'toolver', MAX_TOOL_LENGTH) ?? '',
    environment: optionalInteger(json, 'env'),
    status: optionalInteger(json, 'status') ?? 0,
    selectiveAudio: optionalBoolean(json, 'selective_audio') ?? false,
    selectiveVideo: optionalBoolean(json, 'selective_video') ?? false,
    videoStreams: Math.min(Math.max(videoStreams, 0), MAX_VIDEO_STREAMS),
    sftUrl: optionalLine(json, 'sft_url', MAX_URL_LENGTH),
    sftTuple: optionalLine(json, 'sft_tuple', MAX_ID_LENGTH),
    username: optionalLine(json, 'username', MAX_CREDENTIAL_LENGTH),
    credential: readCredential(json),
  };
}

function readIceServer(json: JsonObject): IceServer {
  const urls = memberOf(json, 'urls');
  const url = Array.isArray(urls) ? urls[0] : urls;
  if (url === undefined) throw fieldError('missing', 'urls', 'required');
  const first: JsonObject = { urls: url as JsonValue };
  return {
    url: requiredLine(first, 'urls', MAX_CREDENTIAL_LENGTH),
    username: optionalLine(json, 'username', MAX_CREDENTIAL_LENGTH),
    credential: readCredential(json),
  };
}

function readCredential(json: JsonObject): Secret<string> | undefined {
  const credential = optionalText(json, 'credential', MAX_CREDENTIAL_LENGTH);
  return credential === undefined ? undefined : new Secret(credential);
}

function readDescription(json: JsonObject): Pick<SetupMessage, 'sdp' | 'url' | 'sftTuple'> {
  return {
    sdp: requiredText(json, 'sdp', MAX_SDP_LENGTH),
    url: optionalLine(json, 'url', MAX_URL_LENGTH),
    sftTuple: optionalLine(json, 'sft_tuple', MAX_ID_LENGTH),
  };
}

function readParticipants(json: JsonObject, envelope: MessageEnvelope): ParticipantsMessage {
  const participants = optionalObjects(json, 'participants', MAX_PARTICIPANTS);
  if (participants === undefined) throw fieldError('missing', 'participants', 'required');
  return {
    ...envelope,
    type: 'CONFPART',
    shouldStart: optionalBoolean(json, 'should_start') ?? false,
    timestampMs: optionalDecimal(json, 'timestamp'),
    sequenceNumber: optionalDecimal(json, 'seqno'),
    entropy: optionalLine(json, 'entropy', MAX_ID_LENGTH),
    participants: participants.map(readParticipant),
    sfts: optionalList(json, 'sfts', MAX_SERVERS)?.map((sft) =>
      requiredLine({ sfts: sft }, 'sfts', MAX_URL_LENGTH),
    ),
  };
}

function readParticipant(json: JsonObject): Participant {
  return {
    userId: requiredLine(json, 'userid', MAX_ID_LENGTH),
    clientId: requiredLine(json, 'clientid', MAX_ID_LENGTH),
    authorized: requiredBoolean(json, 'authorized'),
    audioSsrc: requiredDecimalUint32(json, 'ssrc_audio'),
    videoSsrc: requiredDecimalUint32(json, 'ssrc_video'),
    timestamp: optionalDecimal(json, 'timestamp'),
    muted: optionalBoolean(json, 'muted'),
  };
}

function readStreams(json: JsonObject, envelope: MessageEnvelope): StreamsMessage {
  const mode = requiredText(json, 'mode', 15);
  if (mode !== 'list' && mode !== 'level') throw fieldError('bad', 'mode', 'neither list nor level');
  const streams = optionalObjects(json, 'streams', MAX_STREAMS) ?? [];
  return { ...envelope, type: 'CONFSTREAMS', mode, streams: streams.map(readStream) };
}

function readStream(json: JsonObject): StreamRequest {
  const quality = optionalInteger(json, 'quality') ?? 0;
  if (quality < 0 || quality > 2) throw fieldError('bad', 'quality', 'not 0, 1 or 2');
  return { userId: requiredLine(json, 'userid', MAX_ID_LENGTH), quality: quality as VideoQuality };
}
