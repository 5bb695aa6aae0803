import type { RelayPlane, RelayPlaneOptions } from '@conclave/forwarder';
import type { Logger } from '@conclave/service';
import type { TransportAddress } from '@conclave/stun';
import type { TurnConfig, TurnListener } from './turn-config.ts';

/** What a TURN server takes from its surroundings besides its configuration. */
export interface TurnEnvironment {
  readonly log: Logger;
  /** Version of the software, for the metrics. */
  readonly version: string;
  /** Opens the relay plane; default the native one. Tests put models here. */
  readonly createRelayPlane?: (options: RelayPlaneOptions) => RelayPlane;
}

/** A TURN server that serves. */
export interface RunningTurn {
  /** Addresses in use, with the ports that the system chose where 0 was asked for. */
  readonly listeners: readonly TurnListener[];
  /** Where the metrics are; undefined when the configuration names no place. */
  readonly metrics: TransportAddress | undefined;
  /** The metrics in Prometheus' text format; those of the process only when they have a place of their own. */
  renderMetrics(): Promise<string>;
  /**
   * Takes no new allocations; clients that ask are sent to another server if one is configured. Resolves when the last
   * allocation has ended, those that live longer than the deadline by force.
   */
  drain(): Promise<void>;
  /** Reads certificate, secrets and users again. Rejects when one cannot be used; the former ones then stay. */
  reload(): Promise<void>;
  /** Ends all allocations and frees everything. May be called again. */
  close(): Promise<void>;
}

/** Starts a TURN server. Rejects with a `ConclaveError` when it cannot serve with this configuration. */
export type StartTurn = (config: TurnConfig, environment: TurnEnvironment) => Promise<RunningTurn>;
