import type { Secret } from '@conclave/bytes';
import type {
  ConnectMessage,
  EncodableMessage,
  IceServer,
  ParticipantsMessage,
  SetupMessage,
  UpdateMessage,
} from './message.ts';
import { MESSAGE_VERSION } from './message.ts';

/**
 * The message's JSON text, without spaces and with the fields in the reference server's order. Secrets in it
 * (credentials of a CONFCONN) are written out: such a text must not be logged.
 */
export function encodeMessage(message: EncodableMessage): string {
  // JSON leaves out members that are undefined, so absent fields need no further care.
  return JSON.stringify({
    version: MESSAGE_VERSION,
    type: message.type,
    sessid: message.sessionId,
    src_userid: orAbsent(message.sourceUserId),
    src_clientid: orAbsent(message.sourceClientId),
    dest_userid: orAbsent(message.destinationUserId),
    dest_clientid: orAbsent(message.destinationClientId),
    resp: message.response,
    ...bodyOf(message),
  });
}

function bodyOf(message: EncodableMessage): Record<string, unknown> {
  switch (message.type) {
    case 'CONFCONN':
      return connectBody(message);
    case 'SETUP':
    case 'UPDATE':
      return descriptionBody(message);
    case 'CONFPART':
      return participantsBody(message);
    case 'PROPSYNC':
      return { props: message.props };
    case 'PING':
    case 'HANGUP':
      return {};
    case 'CONFSTREAMS':
      return {
        mode: message.mode,
        streams: message.streams.map((stream) => ({ userid: stream.userId, quality: stream.quality })),
      };
  }
}

function connectBody(message: ConnectMessage): Record<string, unknown> {
  return {
    ice_servers: message.iceServers.length > 0 ? message.iceServers.map(iceServerBody) : undefined,
    update: message.update,
    tool: message.tool,
    toolver: message.toolVersion,
    env: message.environment,
    status: message.status,
    selective_audio: message.selectiveAudio,
    selective_video: message.selectiveVideo,
    vstreams: message.videoStreams,
    sft_url: message.sftUrl,
    sft_tuple: message.sftTuple,
    username: message.username,
    credential: revealed(message.credential),
  };
}

function iceServerBody(server: IceServer): Record<string, unknown> {
  return { urls: server.url, username: server.username, credential: revealed(server.credential) };
}

function descriptionBody(message: SetupMessage | UpdateMessage): Record<string, unknown> {
  return { sdp: message.sdp, props: message.props, url: message.url, sft_tuple: message.sftTuple };
}

function participantsBody(message: ParticipantsMessage): Record<string, unknown> {
  return {
    should_start: message.shouldStart,
    timestamp: String(message.timestampMs),
    seqno: String(message.sequenceNumber),
    entropy: message.entropy,
    participants: message.participants.map((participant) => ({
      userid: participant.userId,
      clientid: participant.clientId,
      authorized: participant.authorized,
      ssrc_audio: String(participant.audioSsrc),
      ssrc_video: String(participant.videoSsrc),
      timestamp: participant.timestamp,
      muted: participant.muted,
    })),
    sfts: message.sfts,
  };
}

function orAbsent(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function revealed(secret: Secret<string> | undefined): string | undefined {
  return secret?.reveal();
}
