import { frameTransformSupport, MediaCrypto } from '@conclave/e2ee';
import { BrowserMedia } from './browser-media.ts';
import { ClientError } from './client-error.ts';
import type { ConferencePlatform } from './conference-platform.ts';
import type { IceServerSource } from './server-ice-servers.ts';

/** Settings of {@link browserPlatform}. */
export interface BrowserPlatformOptions {
  /**
   * STUN and TURN servers, or what tells them for each new connection, such as `serverIceServers`. Default none: the server
   * is reached directly.
   */
  readonly iceServers?: readonly RTCIceServer[] | IceServerSource;
  /** Use relays only. Default false. */
  readonly relayOnly?: boolean;
  /** Makes the worker that encrypts, for bundlers that do not know `new Worker(new URL(…))`. Its script is `frame-worker.js`. */
  readonly createWorker?: () => Worker;
  /** Video slots to ask for, 0 to 32, default 12. */
  readonly videoSlots?: number;
}

/** Longest answer of a server that is read, in characters. */
const MAX_REPLY_LENGTH = 524_288;

/** The browser's page as a platform. Touches nothing of the browser before a conference is joined. */
export function browserPlatform(options: BrowserPlatformOptions = {}): ConferencePlatform {
  const { iceServers = [], relayOnly = false, videoSlots = 12, createWorker = startFrameWorker } = options;
  const source = typeof iceServers === 'function' ? iceServers : async () => iceServers;
  return {
    get crypto() {
      // Browsers keep it from pages that came over plain HTTP from another machine.
      if (globalThis.crypto?.subtle === undefined) {
        throw new ClientError('no-frame-encryption', { detail: 'not a secure context' });
      }
      return new MediaCrypto(globalThis.crypto.subtle);
    },
    get defaultServer() {
      return /^https?:/.test(location.protocol) ? location.origin : undefined;
    },
    now: () => performance.now(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    onGoing(run) {
      addEventListener('pagehide', run);
      return () => removeEventListener('pagehide', run);
    },
    async post(url, body, signal) {
      // Neither cookies nor a referrer, and a content type for which no browser asks the server first.
      const response = await fetch(url, {
        method: 'POST',
        body,
        signal,
        headers: { 'content-type': 'text/plain' },
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store',
      });
      const text = await response.text();
      if (text.length > MAX_REPLY_LENGTH) throw new ClientError('bad-response', { detail: 'too long' });
      return { status: response.status, body: text };
    },
    openMedia(events) {
      if (typeof RTCPeerConnection === 'undefined') throw new ClientError('no-webrtc');
      if (frameTransformSupport(globalThis) === 'none') throw new ClientError('no-frame-encryption');
      // Asked while the conference server is, so that its answer need not wait.
      void source();
      return new BrowserMedia({ worker: createWorker(), iceServers: source, relayOnly, videoSlots, events });
    },
  };
}

function startFrameWorker(): Worker {
  return new Worker(new URL('./frame-worker.js', import.meta.url), { type: 'module' });
}
