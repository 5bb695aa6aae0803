import type { ConversationHash } from './hashed-id.ts';
import {
  ANY_CLIENT_ID,
  type ConnectMessage,
  ConnectStatus,
  type HangupMessage,
  type MessageEnvelope,
  type Participant,
  type ParticipantsMessage,
  type PingMessage,
  type PropsMessage,
  SERVER_USER_ID,
  type SetupMessage,
  type UpdateMessage,
} from './message.ts';
import type { Props } from './props.ts';

/** Whom a message of the server is for. */
export interface Recipient {
  /** The client's user hash. */
  readonly userId: string;
  /** The client's id; Wire clients always have {@link ANY_CLIENT_ID}. */
  readonly clientId: string;
}

/** The state a server announces about itself: it has no camera and is never muted. Clients ignore it. */
export function serverProps(audioCbr: boolean): Props {
  return { videosend: 'true', screensend: 'false', audiocbr: String(audioCbr), muted: 'false' };
}

/** What goes into {@link setupMessage} and {@link updateMessage}. */
export interface OfferMessageOptions {
  readonly conversation: ConversationHash;
  /** The offer. */
  readonly sdp: string;
  /** The server's own URL. Without it in a SETUP the client cannot send its answer. */
  readonly url?: string | undefined;
  /** `address:port/channel` at the federation's TURN server. */
  readonly sftTuple?: string | undefined;
  /** Named in a re-offer to a running call. */
  readonly to?: Recipient | undefined;
}

/** SETUP with the offer of a new call. */
export function setupMessage(options: OfferMessageOptions): SetupMessage {
  return { ...offerOf(options), type: 'SETUP' };
}

/** UPDATE with the offer that moves a call to a new transport. */
export function updateMessage(options: OfferMessageOptions): UpdateMessage {
  return { ...offerOf(options), type: 'UPDATE' };
}

/** CONFCONN that confirms a client's answer. `sessionId` is as the client wrote it. */
export function connectOkMessage(sessionId: string): ConnectMessage {
  return {
    ...connectVerdict(sessionId, ConnectStatus.ok),
    sourceUserId: SERVER_USER_ID,
    // The reference server differs here from all its other messages; clients do not care.
    sourceClientId: SERVER_USER_ID,
    response: true,
  };
}

/** CONFCONN that refuses a new caller. */
export function connectRefusalMessage(
  conversation: ConversationHash,
  status: Exclude<ConnectStatus, 0>,
): ConnectMessage {
  return connectVerdict(conversation, status);
}

/** What goes into {@link participantsMessage}. */
export interface ParticipantsMessageOptions {
  /** The receiver is the first of a new conference. */
  readonly shouldStart: boolean;
  /** Wall clock in milliseconds since 1970. */
  readonly timestampMs: number;
  readonly sequenceNumber: number;
  /** Base64 of 16 random bytes, the same for all receivers. */
  readonly entropy: string;
  /** In order of joining, the receiver included, the same order for everybody. */
  readonly participants: readonly Participant[];
  /** The server's own URL, and those of the other servers of the conference. */
  readonly sfts: readonly string[];
}

/** CONFPART as clients get it: without ids of sender, receiver and session. */
export function participantsMessage(options: ParticipantsMessageOptions): ParticipantsMessage {
  return { ...NOBODY, ...options, type: 'CONFPART' };
}

/** PROPSYNC with the server's own state: a request when the channel opens, a response to a client's request. */
export function serverPropsMessage(
  conversation: ConversationHash,
  to: Recipient,
  options: { readonly response: boolean; readonly audioCbr: boolean },
): PropsMessage {
  return {
    ...fromServer(conversation, to, options.response),
    type: 'PROPSYNC',
    props: serverProps(options.audioCbr),
  };
}

/** PROPSYNC that tells the others what one participant said about itself. */
export function forwardedPropsMessage(from: Recipient, props: Props): PropsMessage {
  return {
    ...NOBODY,
    type: 'PROPSYNC',
    sourceUserId: from.userId,
    sourceClientId: from.clientId,
    response: true,
    props,
  };
}

/** Answer to a client's PING. */
export function pingResponseMessage(conversation: ConversationHash, to: Recipient): PingMessage {
  return { ...fromServer(conversation, to, true), type: 'PING' };
}

/** HANGUP: the server ends the call (request), or confirms that the client did (response). */
export function hangupMessage(
  conversation: ConversationHash,
  to: Recipient,
  options: { readonly response: boolean },
): HangupMessage {
  return { ...fromServer(conversation, to, options.response), type: 'HANGUP' };
}

const NOBODY: MessageEnvelope = {
  sessionId: '',
  sourceUserId: '',
  sourceClientId: '',
  destinationUserId: '',
  destinationClientId: '',
  response: false,
};

function fromServer(
  conversation: ConversationHash,
  to: Recipient | undefined,
  response: boolean,
): MessageEnvelope {
  return {
    sessionId: conversation,
    sourceUserId: SERVER_USER_ID,
    sourceClientId: ANY_CLIENT_ID,
    destinationUserId: to?.userId ?? '',
    destinationClientId: to?.clientId ?? '',
    response,
  };
}

function offerOf(options: OfferMessageOptions): Omit<SetupMessage, 'type'> {
  return {
    ...fromServer(options.conversation, options.to, false),
    sdp: options.sdp,
    // CBR is agreed on in the session descriptions; this is the state before.
    props: serverProps(false),
    url: options.url,
    sftTuple: options.sftTuple,
  };
}

function connectVerdict(sessionId: string, status: ConnectStatus): ConnectMessage {
  return {
    ...NOBODY,
    type: 'CONFCONN',
    sessionId,
    iceServers: [],
    update: false,
    tool: '',
    toolVersion: '',
    status,
    selectiveAudio: false,
    selectiveVideo: false,
    videoStreams: 0,
  };
}
