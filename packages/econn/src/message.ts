import type { Secret } from '@conclave/bytes';
import type { Props } from './props.ts';

/** Version of the message format; the only one there is. */
export const MESSAGE_VERSION = '3.0';

/** `src_clientid`, and `clientid` of participants: the hash of the user covers the device already. */
export const ANY_CLIENT_ID = '_';

/** `src_userid` of everything that a conference server says to a client. */
export const SERVER_USER_ID = 'sft';

/** What a CONFCONN from the server says about the request (`status`). */
export const ConnectStatus = {
  ok: 0,
  /** The client is too old; it shows that an update is needed. */
  versionBlacklisted: 1,
  /** The token is missing or forged. */
  authInvalid: 2,
  /** The token was good once. */
  authExpired: 3,
  /** A quota is used up. The reference server never sends it, but clients know it. */
  authLimit: 4,
  /** The token lets its owner join, but not start a conference. */
  mayNotStart: 5,
} as const;

/** A value of {@link ConnectStatus}. */
export type ConnectStatus = (typeof ConnectStatus)[keyof typeof ConnectStatus];

/** What every message carries. Ids are at most 127 characters, without control characters; `''` stands for absent. */
export interface MessageEnvelope {
  /** `sessid`: the conversation's hash, or `''` where the receiver does not need it. */
  readonly sessionId: string;
  /** `src_userid`: hash of the sending user. */
  readonly sourceUserId: string;
  /** `src_clientid`. */
  readonly sourceClientId: string;
  /** `dest_userid`. */
  readonly destinationUserId: string;
  /** `dest_clientid`. */
  readonly destinationClientId: string;
  /** `resp`: false for a request, true for a response. */
  readonly response: boolean;
}

/** A STUN or TURN server that a client proposes to the server. Nothing of it is trusted. */
export interface IceServer {
  /** The first of its `urls`, at most 511 characters. */
  readonly url: string;
  /** At most 511 characters. */
  readonly username?: string | undefined;
  /** At most 511 characters. */
  readonly credential?: Secret<string> | undefined;
}

/** CONFCONN: the wish to join, or the server's verdict about it. */
export interface ConnectMessage extends MessageEnvelope {
  readonly type: 'CONFCONN';
  /** At most 16. */
  readonly iceServers: readonly IceServer[];
  /** The caller has a call already (or had one, on a server that was restarted) and wants it moved to a new transport. */
  readonly update: boolean;
  /** Name of the client's library, at most 255 characters. */
  readonly tool: string;
  /** `toolver`: its version, at most 255 characters; see `parseToolVersion`. */
  readonly toolVersion: string;
  /** Backend environment, of newer clients; without meaning for a server. */
  readonly environment?: number | undefined;
  /** One of {@link ConnectStatus}, or whatever number the peer wrote. */
  readonly status: number;
  /** The client wants audio of selected speakers in slots. */
  readonly selectiveAudio: boolean;
  /** The client wants video in slots that it fills by CONFSTREAMS. */
  readonly selectiveVideo: boolean;
  /** `vstreams`: wanted video slots, 0 to 32; numbers beyond are clamped. */
  readonly videoStreams: number;
  /** URL of the server that holds the conference when it is another one (federation). At most 1023 characters. */
  readonly sftUrl?: string | undefined;
  /** `address:port/channel` of that server's place at its TURN server. At most 127 characters. */
  readonly sftTuple?: string | undefined;
  /** User name of the access token, at most 511 characters. */
  readonly username?: string | undefined;
  /** The access token's proof, at most 511 characters. */
  readonly credential?: Secret<string> | undefined;
}

/** SETUP: the server's offer of a new call, or the client's answer to it. */
export interface SetupMessage extends MessageEnvelope {
  readonly type: 'SETUP';
  /** The session description, at most 32,768 characters. */
  readonly sdp: string;
  readonly props: Props;
  /** Where the client is to send its further requests: the server's own URL. At most 1023 characters. */
  readonly url?: string | undefined;
  /** `address:port/channel` of the server's place at its TURN server (federation). At most 127 characters. */
  readonly sftTuple?: string | undefined;
}

/** UPDATE: the offer that moves a running call to a new transport, or the answer to it. Fields as in SETUP. */
export interface UpdateMessage extends Omit<SetupMessage, 'type'> {
  readonly type: 'UPDATE';
}

/** One entry of a CONFPART. */
export interface Participant {
  readonly userId: string;
  readonly clientId: string;
  /** In a client's CONFPART: this participant may get the client's media. A server writes false. */
  readonly authorized: boolean;
  /** SSRC of the participant's audio packets; also its CSRC in the slots of receivers. */
  readonly audioSsrc: number;
  /** Number that stands for the participant's video as a CSRC; no packet has it as its SSRC. */
  readonly videoSsrc: number;
  /** Index of the participant's joining: grows with every join and re-join. */
  readonly timestamp: number;
  readonly muted?: boolean | undefined;
}

/** CONFPART: who is in the conference (server), or whom the sender authorises (client, as a response). */
export interface ParticipantsMessage extends MessageEnvelope {
  readonly type: 'CONFPART';
  /** The receiver is the first and has to announce the conference to the conversation. */
  readonly shouldStart: boolean;
  /** Wall clock of the server in milliseconds since 1970. A string on the wire. */
  readonly timestampMs: number;
  /** Grows with every message of the server. A string on the wire. */
  readonly sequenceNumber: number;
  /** Base64 of 16 random bytes, the same for all receivers of one list. At most 127 characters. */
  readonly entropy?: string | undefined;
  /** At most 2000. The order matters: the first one makes the keys. */
  readonly participants: readonly Participant[];
  /** URLs of the servers that take part, at most 64 of at most 1023 characters. */
  readonly sfts?: readonly string[] | undefined;
}

/** PROPSYNC: mute and camera state. */
export interface PropsMessage extends MessageEnvelope {
  readonly type: 'PROPSYNC';
  readonly props: Props;
}

/** PING: a sign of life. */
export interface PingMessage extends MessageEnvelope {
  readonly type: 'PING';
}

/** HANGUP: the end of the call. */
export interface HangupMessage extends MessageEnvelope {
  readonly type: 'HANGUP';
}

/** How good a video stream the receiver wants: 0 whatever there is, 1 small, 2 large. */
export type VideoQuality = 0 | 1 | 2;

/** One wanted stream of a CONFSTREAMS. Its place in the list is the index of the video slot. */
export interface StreamRequest {
  readonly userId: string;
  readonly quality: VideoQuality;
}

/** CONFSTREAMS: whose video the client wants. Replaces the earlier list. */
export interface StreamsMessage extends MessageEnvelope {
  readonly type: 'CONFSTREAMS';
  /** `list`: the streams as listed. `level`: by loudness; known, though no client sends it. */
  readonly mode: 'list' | 'level';
  /** At most 64. */
  readonly streams: readonly StreamRequest[];
}

/** A known message that clients exchange among themselves and a server has no use for; its body was not read. */
export interface OtherMessage extends MessageEnvelope {
  readonly type: 'other';
  /** The type's name in upper case, for example `CONFSTART`. */
  readonly name: string;
}

/** Every message that a server writes and reads in full. */
export type EncodableMessage =
  | ConnectMessage
  | SetupMessage
  | UpdateMessage
  | ParticipantsMessage
  | PropsMessage
  | PingMessage
  | HangupMessage
  | StreamsMessage;

/** Any message of the format. */
export type ConferenceMessage = EncodableMessage | OtherMessage;
