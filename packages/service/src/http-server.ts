import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { errorPage, errorTitle } from './error-page.ts';
import { ConclaveError, causeOf } from './error-registry.ts';
import type { TlsMaterial } from './tls-files.ts';

/** Limits of a server against slow, greedy or broken peers. */
export interface HttpLimits {
  /**
   * Longest request body, in bytes. A lower value bounds the memory of many requests at once, a higher one
   * lets longer requests in.
   */
  readonly bodyBytes: number;
  /**
   * Milliseconds for the headers, and again for the whole of a request to arrive. A lower value frees the
   * connections of slow-loris peers sooner, a higher one is kinder to poor networks.
   */
  readonly requestTimeoutMs: number;
  /** Milliseconds that an idle connection stays open. Lower spares sockets, higher spares TLS handshakes. */
  readonly keepAliveMs: number;
  /**
   * Connections at a time; one more is closed at once, and with it all that are idle, which makes room for the
   * next. Lower spares memory, higher serves more clients at once.
   */
  readonly maxConnections: number;
}

/** One request as handlers see it: no framework types, so that handlers can be tested as functions. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as they came, not decoded. */
  readonly target: string;
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Bytes of the body; empty when there was none. */
  readonly body: Uint8Array;
  /** Address of the connection's other end, as the system writes it. */
  readonly peerAddress: string;
  /** Aborted when the connection closes before the reply was sent. */
  readonly closed: AbortSignal;
}

/** The reply to an {@link HttpRequest}. */
export interface HttpReply {
  readonly status: number;
  readonly contentType: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** What {@link HttpServer} needs. */
export interface HttpServerOptions {
  readonly limits: HttpLimits;
  /** HTTPS with this certificate; without it plain HTTP. */
  readonly tls?: TlsMaterial | undefined;
  /** Answers every request, whatever its method and path. A rejection is answered with status 500. */
  readonly handle: (request: HttpRequest) => Promise<HttpReply>;
  /** Headers for replies that `handle` does not make: to requests too long, malformed or failed. */
  readonly commonHeaders?: (request: IncomingMessage | undefined) => Readonly<Record<string, string>>;
  /** Hears of requests that never reached `handle`, by the status they were answered with. */
  readonly onRefused?: (status: number) => void;
  /** Hears what `handle` rejected with. */
  readonly onFailed?: (error: unknown) => void;
}

const HTML = 'text/html';
const NO_BYTES = new Uint8Array(0);

/** Milliseconds that a peer has for reading why its connection is closed. */
const LINGER_MS = 2000;

/** An HTTP or HTTPS server with one handler for everything, that answers nonsense and survives abuse. */
export class HttpServer {
  readonly #app: FastifyInstance;
  readonly #server: Server;
  readonly #secure: boolean;
  readonly #options: HttpServerOptions;
  // Those that have not finished their TLS handshake are unknown to the HTTP server, so it cannot cut them.
  readonly #sockets = new Set<Socket>();
  #closing: Promise<void> | undefined;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#secure = options.tls !== undefined;
    this.#app = createApp(options);
    this.#server = this.#app.server;
    this.#server.maxConnections = options.limits.maxConnections;
    // Room for clients that have something to ask: whoever merely holds connections open loses them first.
    this.#server.on('drop', () => this.#server.closeIdleConnections());
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      this.#refuseRaw(request, response, 400);
    });
  }

  /** Listens and resolves to the address in use; port 0 lets the system choose one. Throws {@link ConclaveError}. */
  async listen(address: string, port: number): Promise<{ readonly address: string; readonly port: number }> {
    try {
      await this.#app.listen({ host: address, port });
    } catch (cause) {
      const message = `cannot listen on ${address} port ${port} (${causeOf(cause)})`;
      throw new ConclaveError('CONCLAVE_LISTEN_FAILED', message, { cause });
    }
    const bound = this.#server.address() as AddressInfo;
    return { address: bound.address, port: bound.port };
  }

  /** Uses a new certificate for connections from now on; those that are open go on. Throws for plain HTTP. */
  replaceTls(material: TlsMaterial): void {
    if (!this.#secure) throw new TypeError('a plain HTTP server has no certificate');
    (this.#server as unknown as HttpsServer).setSecureContext({ ...material });
  }

  /**
   * Takes no new connections, closes idle ones, and resolves when the requests at hand were answered; after
   * `graceMs` their connections are cut. May be called again.
   */
  close(graceMs = 5000): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    try {
      await this.#app.close();
    } finally {
      clearTimeout(cut);
    }
  }

  #refuseRaw(request: IncomingMessage, response: ServerResponse, status: number): void {
    this.#options.onRefused?.(status);
    const body = errorPage(status);
    response.writeHead(status, {
      ...this.#options.commonHeaders?.(request),
      'content-type': HTML,
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    });
    response.end(body);
  }
}

function createApp(options: HttpServerOptions): FastifyInstance {
  const { limits, tls, commonHeaders, onRefused, onFailed } = options;
  const serverSettings = {
    headersTimeout: limits.requestTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    // How often both are looked at: Node's default of 30 s would make them three times as long.
    connectionsCheckingInterval: Math.max(50, Math.min(1000, limits.requestTimeoutMs / 4)),
    maxHeaderSize: 16_384,
    requireHostHeader: false,
    noDelay: true,
  };
  const app = fastify({
    ...(tls
      ? { https: { ...serverSettings, ...tls, handshakeTimeout: limits.requestTimeoutMs } }
      : { http: serverSettings }),
    logger: false,
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestTimeoutMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    // One route for all: the framework would refuse paths that it cannot decode, and say them back.
    rewriteUrl: () => '/',
    clientErrorHandler: (error, socket) => refuseSocket(error, socket, commonHeaders?.(undefined), onRefused),
  }) as unknown as FastifyInstance;

  // Bodies are bytes whatever they are called: clients post JSON as forms, and a type that is nonsense is no
  // reason to refuse them. The framework would, so it does not get to see it.
  app.addHook('onRequest', async (request, reply) => {
    request.raw.headers['content-type'] = 'application/octet-stream';
    if (commonHeaders) reply.headers(commonHeaders(request.raw));
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  const serve = async (
    raw: IncomingMessage,
    response: ServerResponse,
    request: FastifyRequest,
  ): Promise<HttpReply> => {
    const abort = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) abort.abort();
    });
    return options.handle({
      method: raw.method ?? '',
      target: request.originalUrl,
      headers: raw.headers,
      body: request.body instanceof Uint8Array ? request.body : NO_BYTES,
      peerAddress: raw.socket.remoteAddress ?? '',
      closed: abort.signal,
    });
  };
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { status, contentType, headers, body } = await serve(request.raw, reply.raw, request);
    return reply
      .code(status)
      .headers({ ...headers, 'content-type': contentType })
      .send(typeof body === 'string' ? Buffer.from(body) : body);
  };
  app.all('/', answer);
  // Methods that the framework has no route for.
  app.setNotFoundHandler(answer);
  app.setErrorHandler(async (error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode !== undefined && error.statusCode < 500 ? error.statusCode : 500;
    const shown = status === 413 || status === 500 ? status : 400;
    if (shown === 500) onFailed?.(error);
    else onRefused?.(shown);
    // What is left of a refused body is not read, so the connection cannot be used again.
    if (shown === 413) reply.header('connection', 'close');
    return reply
      .code(shown)
      .header('content-type', HTML)
      .send(Buffer.from(errorPage(shown)));
  });
  return app;
}

function refuseSocket(
  error: Error & { code?: string },
  socket: Socket,
  headers: Readonly<Record<string, string>> | undefined,
  onRefused: ((status: number) => void) | undefined,
): void {
  // Without a finished handshake there is no way to tell the peer anything.
  const inHandshake = /^(ERR_SSL_|ERR_TLS_|EPROTO)/.test(error.code ?? '');
  if (inHandshake || error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    if (inHandshake) onRefused?.(400);
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  onRefused?.(status);
  const body = errorPage(status);
  const lines = [
    `HTTP/1.1 ${errorTitle(status)}`,
    ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    `Content-Type: ${HTML}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  // Closing at once could cost an honest peer the reply; waiting for a hostile one could take for ever.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
