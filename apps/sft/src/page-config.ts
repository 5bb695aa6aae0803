import type { HttpReply } from '@conclave/service';

/** Path of what a page has to know of its server before it joins a meeting. */
export const PAGE_CONFIG_PATH = '/config.json';

/** STUN or TURN servers under one credential, as browsers take them. */
export interface IceServer {
  /** `turn:host:port?transport=udp`, `turns:host:port?transport=tcp`, `stun:host:port`. */
  readonly urls: readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

/** What a server tells its pages of STUN and TURN servers. */
export interface PageIceServers {
  readonly iceServers: readonly IceServer[];
  /** How long the credentials can be used from now on. */
  readonly validForSeconds: number;
}

/** Of a page without servers: nothing has to be asked again soon. */
const NO_SERVERS: PageIceServers = { iceServers: [], validForSeconds: 3600 };

/**
 * The answer to a request for {@link PAGE_CONFIG_PATH} by GET or HEAD; undefined for any other request.
 *
 * @param iceServers fresh servers for whoever asked under this host name, which may be one of his own
 */
export function answerPageConfig(
  request: { readonly method: string; readonly target: string; readonly host: string | undefined },
  iceServers: ((hostname: string | undefined) => PageIceServers) | undefined,
): HttpReply | undefined {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  if (request.target.split('?', 1)[0] !== PAGE_CONFIG_PATH) return undefined;
  const hostname = request.host?.replace(/:\d+$/, '').toLowerCase();
  return {
    status: 200,
    contentType: 'application/json; charset=utf-8',
    headers: { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
    body: JSON.stringify(iceServers?.(hostname) ?? NO_SERVERS),
  };
}
