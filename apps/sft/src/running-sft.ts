import type { Logger } from '@conclave/service';
import type { PageIceServers } from './page-config.ts';
import type { SftConfig } from './sft-config.ts';

/** What an SFT takes from its surroundings besides its configuration. */
export interface SftEnvironment {
  readonly log: Logger;
  /** Version of the software, for the offers and the metrics. */
  readonly version: string;
  /**
   * STUN and TURN servers for the meeting page, with credentials that are good for as long as it says. Called for every page
   * that asks, with the host name it asked under. Default: none.
   */
  readonly iceServers?: (hostname: string | undefined) => PageIceServers;
  /** Metrics of what else runs in the process, in Prometheus' text format, to be shown beside the server's own. */
  readonly furtherMetrics?: () => Promise<string>;
}

/** An SFT that serves. */
export interface RunningSft {
  /** Addresses in use, with the ports that the system chose where 0 was asked for. */
  readonly signalling: { readonly address: string; readonly port: number };
  readonly metrics: { readonly address: string; readonly port: number };
  /** Where running calls are shown; undefined when they are not. */
  readonly admin: { readonly address: string; readonly port: number } | undefined;
  /** Takes no new callers. Resolves when the last conference has ended, at once when there is none. */
  drain(): Promise<void>;
  /** Reads certificates and secrets again. Rejects when one cannot be used; the former ones then stay. */
  reload(): Promise<void>;
  /** Ends all conferences and frees everything. May be called again. */
  close(): Promise<void>;
}

/** Starts an SFT. Rejects with a `ConclaveError` when it cannot serve with this configuration. */
export type StartSft = (config: SftConfig, environment: SftEnvironment) => Promise<RunningSft>;
