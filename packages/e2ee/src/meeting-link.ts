import { FormatError, fromBase64, toBase64 } from '@conclave/bytes';
import { MEETING_SECRET_LENGTH } from './meeting-secret.ts';

/** Version of links and of everything derived from them. */
export const MEETING_LINK_VERSION = 1;

/** Longest link or fragment that is read, in UTF-16 code units. */
export const MAX_MEETING_LINK_LENGTH = 2048;

/** Longest address of a server in a link, in characters. */
export const MAX_LINK_SERVER_LENGTH = 511;

/** What a meeting link says. The secret is a bearer secret: it is the meeting, and never for a log. */
export interface MeetingLink {
  /** 32 bytes. */
  readonly secret: Uint8Array;
  /** URL of the server, `https:` or `http:`. Absent: the one that serves the page. */
  readonly server?: string | undefined;
  /** A passphrase is needed besides. */
  readonly passphrase: boolean;
}

/**
 * The part of a link that starts with `#`, which browsers do not send to servers:
 * `#v=1&s=<secret in base64url>[&u=<server>][&p=1]`. Throws as {@link parseMeetingLink} does for what it would not read.
 */
export function formatMeetingFragment(link: MeetingLink): string {
  if (link.secret.length !== MEETING_SECRET_LENGTH) throw badSecret();
  if (link.server !== undefined) checkServer(link.server);
  const server = link.server === undefined ? '' : `&u=${encodeURIComponent(link.server)}`;
  return `#v=${MEETING_LINK_VERSION}&s=${toBase64Url(link.secret)}${server}${link.passphrase ? '&p=1' : ''}`;
}

/**
 * Reads a link, or its part from `#` on. Unknown parameters are ignored. Throws `FormatError`: `too-long`,
 * `missing-fragment`, `duplicate-parameter`, `missing-version`, `unsupported-version`, `missing-secret`, `bad-secret`,
 * `bad-server`, `bad-passphrase-flag`, `bad-escape`. Messages do not quote the link.
 */
export function parseMeetingLink(text: string): MeetingLink {
  if (text.length > MAX_MEETING_LINK_LENGTH) {
    throw new FormatError('too-long', `the link is longer than ${MAX_MEETING_LINK_LENGTH} characters`);
  }
  const hash = text.indexOf('#');
  if (hash < 0) throw new FormatError('missing-fragment', 'the link has no part after #');
  const parameters = new Map<string, string>();
  for (const pair of text.slice(hash + 1).split('&')) {
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    if (parameters.has(name)) throw new FormatError('duplicate-parameter', 'a parameter is there twice');
    parameters.set(name, equals < 0 ? '' : pair.slice(equals + 1));
  }
  const version = parameters.get('v');
  if (version === undefined) throw new FormatError('missing-version', 'the link names no version');
  if (version !== String(MEETING_LINK_VERSION)) {
    throw new FormatError('unsupported-version', 'the link is of a version that is not understood');
  }
  const passphrase = parameters.get('p') ?? '0';
  if (passphrase !== '0' && passphrase !== '1') {
    throw new FormatError('bad-passphrase-flag', 'the passphrase flag is neither 0 nor 1');
  }
  const server = parameters.get('u');
  return {
    secret: readSecret(parameters.get('s')),
    server: server === undefined ? undefined : checkServer(decodePercent(server)),
    passphrase: passphrase === '1',
  };
}

function readSecret(text: string | undefined): Uint8Array {
  if (text === undefined) throw new FormatError('missing-secret', 'the link holds no secret');
  // 43 digits are 32 bytes; the last one has two spare bits, which have to be zero so that a link has one spelling.
  if (!/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(text)) throw badSecret();
  return fromBase64(`${text.replaceAll('-', '+').replaceAll('_', '/')}=`);
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function checkServer(server: string): string {
  // Neither credentials, query nor fragment, and nothing that could break out of a policy or a log line.
  const shape = /^https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~/-]*)?$/;
  if (server.length > MAX_LINK_SERVER_LENGTH || !shape.test(server)) {
    throw new FormatError('bad-server', 'the address of the server is not one');
  }
  return server;
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new FormatError('bad-escape', 'a percent escape is not one of UTF-8');
  }
}

function badSecret(): FormatError {
  return new FormatError('bad-secret', `the secret is not ${MEETING_SECRET_LENGTH} bytes in base64url`);
}
