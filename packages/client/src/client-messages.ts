import { Secret } from '@conclave/bytes';
import {
  ANY_CLIENT_ID,
  encodeMessage,
  type MessageEnvelope,
  type ParticipantsMessage,
  type Props,
  SERVER_USER_ID,
  type StreamRequest,
} from '@conclave/econn';

/** Version in requests. Servers take 0.0.x for a client of unknown make: it is offered simulcast and never blacklisted. */
const TOOL_VERSION = '0.0.1';

/** What a client says about itself when it calls. */
export interface ConnectRequest {
  readonly update: boolean;
  readonly videoSlots: number;
  readonly accessToken: { readonly username: string; readonly credential: string } | undefined;
}

/** Writes the messages of one client in one conference. */
export class ClientMessages {
  readonly #conferenceId: string;
  readonly #selfId: string;

  constructor(conferenceId: string, selfId: string) {
    this.#conferenceId = conferenceId;
    this.#selfId = selfId;
  }

  /** CONFCONN: the wish to join, or to be moved to a new connection. Holds the access token: never to be logged. */
  connect(request: ConnectRequest): string {
    return encodeMessage({
      ...this.#envelope('SFT', ANY_CLIENT_ID, false),
      type: 'CONFCONN',
      iceServers: [],
      update: request.update,
      tool: 'conclave',
      toolVersion: TOOL_VERSION,
      status: 0,
      selectiveAudio: true,
      selectiveVideo: true,
      videoStreams: request.videoSlots,
      username: request.accessToken?.username,
      credential: request.accessToken === undefined ? undefined : new Secret(request.accessToken.credential),
    });
  }

  /** The answer to an offer, of the same type. */
  answer(type: 'SETUP' | 'UPDATE', sdp: string, props: Props): string {
    return encodeMessage({ ...this.#toServer(true), type, sdp, props });
  }

  /** PROPSYNC. A request makes the server tell its own properties, a response does not. */
  props(props: Props, response: boolean): string {
    return encodeMessage({ ...this.#toServer(response), type: 'PROPSYNC', props });
  }

  /** CONFPART: whom of a list this client accepts. */
  authorise(list: ParticipantsMessage, accepts: (userId: string) => boolean): string {
    return encodeMessage({
      ...this.#envelope('SFT', 'SFT', true),
      type: 'CONFPART',
      sessionId: '',
      shouldStart: false,
      timestampMs: 0,
      sequenceNumber: 0,
      participants: list.participants
        .filter(({ userId }) => userId !== this.#selfId && accepts(userId))
        .map((participant) => ({ ...participant, authorized: true })),
    });
  }

  /** CONFSTREAMS: whose pictures are wanted, by slot. */
  streams(streams: readonly StreamRequest[]): string {
    return encodeMessage({
      ...this.#envelope('SFT', 'SFT', false),
      type: 'CONFSTREAMS',
      mode: 'list',
      streams,
    });
  }

  /** PING: a sign of life that is to be answered. */
  ping(): string {
    return encodeMessage({ ...this.#toServer(false), type: 'PING' });
  }

  /** HANGUP: goodbye, or the answer to it. */
  hangup(response: boolean): string {
    return encodeMessage({ ...this.#toServer(response), type: 'HANGUP' });
  }

  #toServer(response: boolean): MessageEnvelope {
    return this.#envelope(SERVER_USER_ID, 'SFT', response);
  }

  #envelope(destinationUserId: string, destinationClientId: string, response: boolean): MessageEnvelope {
    return {
      sessionId: this.#conferenceId,
      sourceUserId: this.#selfId,
      sourceClientId: ANY_CLIENT_ID,
      destinationUserId,
      destinationClientId,
      response,
    };
  }
}
