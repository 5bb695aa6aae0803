import { createHmac } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Hmac } from '@conclave/bytes';
import {
  createAddressResolver,
  errorPage,
  FileWatcher,
  type HttpReply,
  type HttpRequest,
  HttpServer,
  type Logger,
  RateLimiter,
  rateLimitKey,
  readTlsFiles,
  SecretFiles,
} from '@conclave/service';
import { Admission } from './admission.ts';
import type { ConferenceHost } from './conference-host.ts';
import { answerPageConfig, type PageIceServers } from './page-config.ts';
import { PageFiles } from './page-files.ts';
import type { SftConfig } from './sft-config.ts';
import type { SignallingMetrics } from './sft-metrics.ts';
import {
  Signalling,
  type SignallingOptions,
  type SignallingReply,
  type SignallingRequest,
} from './signalling.ts';
import { createCors } from './signalling-cors.ts';
import type { SisterRequests } from './sister-requests.ts';

/** Longest request body, in bytes; what the reference server buffers at most. */
const MAX_BODY_BYTES = 524_288;

/** What {@link startSignallingServer} needs. */
export interface SignallingServerOptions {
  readonly config: Pick<
    SftConfig,
    | 'signalling'
    | 'url'
    | 'webFolder'
    | 'auth'
    | 'blacklist'
    | 'limits'
    | 'cors'
    | 'trustedProxies'
    | 'timings'
  >;
  readonly host: ConferenceHost;
  readonly metrics: SignallingMetrics;
  readonly log: Logger;
  /** As {@link SftEnvironment.iceServers}. */
  readonly iceServers?: ((hostname: string | undefined) => PageIceServers) | undefined;
  /** Other servers of the installation, and where requests go on to them. */
  readonly sisters?: SignallingSisters | undefined;
}

/** How signalling works with other servers of the same installation. */
export interface SignallingSisters {
  readonly passOn: NonNullable<SignallingOptions['passOn']>;
  /** Makes the answerer of what they ask. */
  readonly requests: (
    handle: (request: SignallingRequest) => Promise<SignallingReply>,
  ) => Pick<SisterRequests, 'answer'>;
}

/** The signalling side of an SFT while it listens. */
export interface SignallingServer {
  /** The address in use. */
  readonly address: string;
  readonly port: number;
  /** Reads secrets and certificate again. Rejects when one cannot be used; all former ones then stay. */
  reload(): Promise<void>;
  /** Stops listening, lets requests at hand finish, and resolves when all is closed. May be called again. */
  close(): Promise<void>;
}

/**
 * Listens for clients. Throws a `ConclaveError` when secrets or certificate cannot be read or the address is
 * not to be had.
 */
export async function startSignallingServer(options: SignallingServerOptions): Promise<SignallingServer> {
  const { config, host, metrics, log } = options;
  const secrets = new SecretFiles(config.auth.secretFiles);
  const { tls } = config.signalling;
  const { webFolder } = config;
  let page = webFolder === undefined ? undefined : await PageFiles.read(webFolder);
  const signalling = new Signalling({
    host,
    admission: new Admission({
      host,
      blacklist: config.blacklist,
      authRequired: config.auth.required,
      secrets: () => secrets.secrets,
      limits: config.limits,
      hmacSha512,
      nowSeconds: () => Date.now() / 1000,
    }),
    url: config.url,
    maxVideoSlots: config.limits.maxVideoSlots,
    offerTimeoutMs: config.timings.offerTimeoutMs,
    observer: metrics,
    passOn: options.sisters?.passOn,
    log,
    now: () => performance.now(),
  });

  const limiter = new RateLimiter({
    ratePerSecond: config.limits.requestsPerSecond,
    burst: config.limits.requestBurst,
    maxKeys: config.limits.maxTrackedAddresses,
  });
  const resolveAddress = createAddressResolver(config.trustedProxies);
  const cors = createCors(config.cors.origins);
  const sisterRequests = options.sisters?.requests((request) => signalling.handle(request));
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const ofSister = await sisterRequests?.answer(request);
    if (ofSister) return ofSister;
    const corsHeaders = cors.headers(joined(request.headers.origin));
    const remoteAddress = resolveAddress(request.peerAddress, joined(request.headers['x-forwarded-for']));
    const rate = limiter.take(performance.now(), rateLimitKey(remoteAddress));
    if (!rate.allowed) {
      metrics.refused('rate-limited');
      const retryAfter = String(Math.max(1, Math.ceil(rate.retryAfterMs / 1000)));
      return errorReply(429, { ...corsHeaders, 'retry-after': retryAfter });
    }
    if (cors.isPreflight(request.method, request.headers)) {
      return {
        status: 204,
        contentType: 'text/plain',
        headers: { ...corsHeaders, ...cors.preflight },
        body: '',
      };
    }
    const file = page?.answer({ method: request.method, target: request.target, headers: request.headers });
    if (file) return file;
    if (page) {
      const { method, target } = request;
      const told = answerPageConfig(
        { method, target, host: request.headers.host as string },
        options.iceServers,
      );
      if (told) return { ...told, headers: { ...told.headers, ...corsHeaders } };
    }
    const reply = await signalling.handle({
      method: request.method,
      path: request.target,
      body: decodeBody(request.body),
      remoteAddress,
      closed: request.closed,
    });
    return { ...reply, headers: { ...reply.headers, ...corsHeaders } };
  };

  const server = new HttpServer({
    limits: {
      bodyBytes: MAX_BODY_BYTES,
      requestTimeoutMs: config.timings.requestTimeoutMs,
      keepAliveMs: config.timings.keepAliveMs,
      maxConnections: config.limits.maxConnections,
    },
    tls: tls && readTlsFiles(tls),
    handle,
    commonHeaders: (request) => cors.headers(request?.headers.origin),
    onRefused: () => metrics.refused('bad-http'),
    onFailed: (err) => log.error({ err }, 'a request failed'),
  });
  const bound = await server.listen(config.signalling.address, config.signalling.port);

  const reload = async (): Promise<void> => {
    const material = tls && readTlsFiles(tls);
    const newPage = webFolder === undefined ? undefined : await PageFiles.read(webFolder);
    secrets.reload();
    page = newPage;
    if (material) server.replaceTls(material);
    log.info('secrets, certificate and page read again');
  };
  const watched = [...secrets.paths, ...(tls ? [tls.certificatePath, tls.keyPath] : [])];
  const watcher = new FileWatcher({
    paths: watched,
    intervalMs: config.timings.fileCheckIntervalMs,
    onChange: reload,
    onError: (err) => log.error({ err }, 'changed files cannot be used, the former ones stay'),
  });
  return {
    ...bound,
    reload,
    close: () => {
      watcher.close();
      return server.close();
    },
  };
}

const hmacSha512: Hmac = (key, data) => createHmac('sha512', key).update(data).digest();

function decodeBody(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function joined(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}

function errorReply(status: number, headers: Readonly<Record<string, string>>): HttpReply {
  return { status, contentType: 'text/html', headers, body: errorPage(status) };
}
