import { ClientError } from './client-error.ts';
import type { ConferencePlatform } from './conference-platform.ts';

/** Settings of {@link browserPlatform}. */
export interface BrowserPlatformOptions {
  /** STUN and TURN servers of the page's own. Default none: the server is reached directly. */
  readonly iceServers?: readonly RTCIceServer[];
  /** Use relays only. Default false. */
  readonly relayOnly?: boolean;
  /** Makes the worker that encrypts, for bundlers that do not know `new Worker(new URL(…))`. Its script is `frame-worker.js`. */
  readonly createWorker?: () => Worker;
  /** Video slots to ask for, 0 to 32, default 12. */
  readonly videoSlots?: number;
}

/** The browser's page as a platform. Touches nothing of the browser before a conference is joined. */
export function browserPlatform(_options: BrowserPlatformOptions = {}): ConferencePlatform {
  throw new ClientError('internal');
}
