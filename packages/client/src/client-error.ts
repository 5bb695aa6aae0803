/**
 * Every reason for which a conference is not joined or ends without the person's wish, by code, with a sentence for
 * developers. A page has its own words for people.
 */
export const CLIENT_ERRORS = {
  /** The signal given to join was aborted. */
  aborted: 'joining was given up',
  /** Options contradict each other or are out of their bounds. */
  'bad-option': 'an option is not usable',
  /** The link needs a passphrase and none was given, or an empty or over-long one. */
  'passphrase-needed': 'the meeting needs a passphrase',
  /** Neither the link nor the options nor the page say which server to use. */
  'no-server': 'no server is known',
  /** The browser has no WebRTC. */
  'no-webrtc': 'this browser has no WebRTC',
  /** The browser cannot encrypt media frames; nothing is sent in clear instead. */
  'no-frame-encryption': 'this browser cannot encrypt media frames',
  /** No server answered: network, name, certificate, or a server that does not let this page ask. */
  'server-unreachable': 'no server answered',
  /** The server is about to stop and takes nobody new. Another one may. */
  'server-draining': 'the server takes nobody new because it is about to stop',
  /** The conference or the server is full. */
  'server-full': 'the conference or the server is full',
  /** Too many requests from this address. Trying again later helps. */
  'rate-limited': 'the server asks for fewer requests',
  /** The server says that this program is too old. */
  'client-outdated': 'the server does not take this version of the client',
  /** The server wants an access token that is valid. */
  'access-denied': 'the server does not accept the access token',
  /** The access token is too old. */
  'access-expired': 'the access token has expired',
  /** The token lets its owner join, but not be the first. */
  'may-not-start': 'the access token does not allow starting a conference',
  /** The server answered with what is not a conference server's answer. */
  'bad-response': 'the server gave an answer that is not understood',
  /** The server was reached by HTTP, but no media connection came about: UDP and TCP are blocked, or need a relay. */
  'media-unreachable': 'no media connection to the server came about',
  /** The connection was lost and could not be made again. */
  'connection-lost': 'the connection was lost',
  /** The server ended the call. */
  'server-ended': 'the server ended the call',
  /** A track or stream cannot be sent. */
  'bad-track': 'the track cannot be sent',
  /** The conference has ended. */
  ended: 'the conference has ended',
  /** A defect of this program. */
  internal: 'an unforeseen error',
} as const;

/** A code of {@link CLIENT_ERRORS}. */
export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

/** What this package rejects with and throws. Its message never holds secrets, links or addresses. */
export class ClientError extends Error {
  /** The reason, for programs. */
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, options?: { readonly detail?: string; readonly cause?: unknown }) {
    const detail = options?.detail === undefined ? '' : ` (${options.detail})`;
    super(`${CLIENT_ERRORS[code]}${detail}`, options?.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ClientError';
    this.code = code;
  }
}
