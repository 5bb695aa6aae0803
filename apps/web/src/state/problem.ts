import { ClientError, type ClientErrorCode } from '@conclave/client';

/**
 * What stands in the way of a call, as people can tell it apart: each has a title, an explanation and something to do.
 */
export type Problem =
  | 'unreachable'
  | 'blocked'
  | 'full'
  | 'busy'
  | 'draining'
  | 'outdated'
  | 'browser'
  | 'access'
  | 'lost'
  | 'server-ended'
  | 'key-used-up'
  | 'link-damaged'
  | 'link-version'
  | 'unforeseen';

const problems: Readonly<Partial<Record<ClientErrorCode, Problem>>> = {
  'server-unreachable': 'unreachable',
  'bad-response': 'unreachable',
  'no-server': 'unreachable',
  'media-unreachable': 'blocked',
  'server-full': 'full',
  'rate-limited': 'busy',
  'server-draining': 'draining',
  'client-outdated': 'outdated',
  'no-webrtc': 'browser',
  'no-frame-encryption': 'browser',
  'access-denied': 'access',
  'access-expired': 'access',
  'may-not-start': 'access',
  'connection-lost': 'lost',
  'server-ended': 'server-ended',
};

/** The problem behind a code of the client. */
export function problemOfCode(code: ClientErrorCode): Problem {
  return problems[code] ?? 'unforeseen';
}

/** The problem behind whatever was thrown. */
export function problemOfError(error: unknown): Problem {
  return error instanceof ClientError ? problemOfCode(error.code) : 'unforeseen';
}
