import { errorPage } from './error-page.ts';
import { type HttpReply, type HttpRequest, HttpServer } from './http-server.ts';

/** What {@link createMetricsServer} needs. */
export interface MetricsServerOptions {
  /** The metrics in Prometheus' text format. */
  readonly render: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Whether the service can do its work; decides `/healthz`. */
  readonly isHealthy: () => boolean;
  /** Whether new work should come here; decides `/readyz`. Default: whenever it is healthy. */
  readonly isReady?: () => boolean;
  /** How busy the service is, for `/load`; without it there is no such path. */
  readonly readLoad?: () => object;
  /** Hears what `render` rejected with. */
  readonly onFailed?: (error: unknown) => void;
}

/**
 * A server for the operator's side alone: `/metrics`, `/healthz` and `/readyz` (200 `ok`, else 503),
 * `/load` and `/debug`; anything else is 400. Listen on an address that the public does not reach: it asks for no credentials.
 */
export function createMetricsServer(options: MetricsServerOptions): HttpServer {
  return new HttpServer({
    limits: { bodyBytes: 1024, requestTimeoutMs: 10_000, keepAliveMs: 60_000, maxConnections: 256 },
    handle: (request) => answer(request, options),
    ...(options.onFailed ? { onFailed: options.onFailed } : {}),
  });
}

async function answer(request: HttpRequest, options: MetricsServerOptions): Promise<HttpReply> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return badRequest;
  switch (request.target.split('?', 1)[0]) {
    case '/metrics': {
      const { contentType, body } = await options.render();
      return { status: 200, contentType, body };
    }
    case '/healthz':
      return probe(options.isHealthy());
    case '/readyz':
      return probe(options.isHealthy() && (options.isReady?.() ?? true));
    case '/load':
      if (options.readLoad === undefined) return badRequest;
      return { status: 200, contentType: 'application/json', body: JSON.stringify(options.readLoad()) };
    case '/debug':
      return { status: 200, contentType: 'text/plain', body: 'Debug\n' };
    default:
      return badRequest;
  }
}

function probe(good: boolean): HttpReply {
  return good
    ? { status: 200, contentType: 'text/plain', body: 'ok\n' }
    : { status: 503, contentType: 'text/plain', body: 'not able to serve\n' };
}

const badRequest: HttpReply = { status: 400, contentType: 'text/html', body: errorPage(400) };
