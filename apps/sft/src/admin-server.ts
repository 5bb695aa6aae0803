import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Secret } from '@conclave/bytes';
import { type HttpReply, type HttpRequest, HttpServer } from '@conclave/service';
import type { CallReports } from './call-report.ts';

/** What {@link createAdminServer} needs. */
export interface AdminServerOptions {
  readonly reports: CallReports;
  /** Whoever asks for calls has to show it as `Authorization: Bearer …`. Absent: only for listening on loopback. */
  readonly token: Secret<Uint8Array> | undefined;
  /** Hears what failed inside. */
  readonly onFailed?: (error: unknown) => void;
}

const FILES: Readonly<Record<string, { readonly name: string; readonly contentType: string }>> = {
  '/': { name: 'index.html', contentType: 'text/html; charset=utf-8' },
  '/admin.js': { name: 'admin.js', contentType: 'text/javascript; charset=utf-8' },
  '/admin.css': { name: 'admin.css', contentType: 'text/css; charset=utf-8' },
};

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * A server for operators who look at running calls: `/calls` lists them, `/calls/<call>` shows one with everybody in it,
 * `/` is a page that draws both. Whole ids, addresses and names are in none of them. Anything else is 404.
 */
export function createAdminServer(options: AdminServerOptions): HttpServer {
  const files = new Map(
    Object.entries(FILES).map(([path, { name, contentType }]) => [
      path,
      { contentType, body: readFileSync(new URL(`../assets/admin/${name}`, import.meta.url), 'utf8') },
    ]),
  );
  return new HttpServer({
    limits: { bodyBytes: 1024, requestTimeoutMs: 10_000, keepAliveMs: 60_000, maxConnections: 64 },
    handle: (request) => Promise.resolve(answerAdminRequest(request, options, files)),
    ...(options.onFailed ? { onFailed: options.onFailed } : {}),
  });
}

/** The reply to one request. `files` are the page's, by path. */
export function answerAdminRequest(
  request: Pick<HttpRequest, 'method' | 'target' | 'headers'>,
  options: AdminServerOptions,
  files: ReadonlyMap<string, { readonly contentType: string; readonly body: string }>,
): HttpReply {
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'only GET' });
  // Without a token nothing but the address protects: a page whose name was pointed at it must not read it.
  if (!options.token && !isLiteralHost(request.headers.host)) {
    return json(403, { error: 'ask by address or as localhost' });
  }
  const path = request.target.split('?', 1)[0] ?? '';
  const file = files.get(path);
  if (file) return { status: 200, contentType: file.contentType, headers: HEADERS, body: file.body };
  if (path !== '/calls' && !path.startsWith('/calls/')) return json(404, { error: 'not found' });
  if (options.token && !bearerMatches(request.headers.authorization, options.token)) {
    return json(401, { error: 'a token is needed' }, { 'www-authenticate': 'Bearer' });
  }
  if (path === '/calls') return json(200, { calls: options.reports.list() });
  const report = options.reports.describe(path.slice('/calls/'.length));
  return report ? json(200, report) : json(404, { error: 'the call is over' });
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply {
  return {
    status,
    contentType: 'application/json',
    headers: { ...HEADERS, ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}

function isLiteralHost(host: string | string[] | undefined): boolean {
  if (typeof host !== 'string') return false;
  const name = host.replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || isIP(name) !== 0;
}

function bearerMatches(header: string | string[] | undefined, token: Secret<Uint8Array>): boolean {
  if (typeof header !== 'string' || !header.startsWith('Bearer ')) return false;
  // Hashes have one length, so that the comparison tells nothing of the token's.
  const shown = createHash('sha256').update(header.slice('Bearer '.length)).digest();
  return timingSafeEqual(shown, createHash('sha256').update(token.reveal()).digest());
}
