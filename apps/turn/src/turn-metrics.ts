import {
  addCounter,
  addObservedCounter,
  addObservedGauge,
  collectProcessMetrics,
  Gauge,
  ObservedCounters,
  Registry,
} from '@conclave/service';
import type { TurnServerStats, TurnTransport } from '@conclave/turn';
import type { TrafficTotals } from './relay-control.ts';

/** What {@link TurnMetrics} asks at every scrape. */
export interface TurnMetricsOptions {
  /** Version of the software. */
  readonly version: string;
  /** Whether the metrics of the process are among them. */
  readonly ofProcess: boolean;
  readonly readStats: () => TurnServerStats;
  readonly readTraffic: () => TrafficTotals;
  /** Numbers of the relay plane by name: those of {@link planeGauges} of now, all others only growing. */
  readonly readCounters: () => Readonly<Record<string, number>>;
  readonly isDraining: () => boolean;
}

/** Names that coturn gives to the ways clients come. */
const transportNames: Readonly<Record<TurnTransport, string>> = {
  udp: 'UDP',
  tcp: 'TCP',
  tls: 'TLS/TCP',
  dtls: 'DTLS',
};

/** Coturn's names for traffic: received and sent, seen from the server; packets and bytes. */
const traffic: readonly (readonly [string, string, keyof TrafficTotals])[] = [
  ['turn_total_traffic_rcvp', 'Messages with data from clients.', 'fromClientPackets'],
  ['turn_total_traffic_rcvb', 'Bytes of data messages from clients.', 'fromClientBytes'],
  ['turn_total_traffic_sentp', 'Messages with data to clients.', 'toClientPackets'],
  ['turn_total_traffic_sentb', 'Bytes of data messages to clients.', 'toClientBytes'],
  ['turn_total_traffic_peer_rcvp', 'Datagrams from peers.', 'fromPeerPackets'],
  ['turn_total_traffic_peer_rcvb', 'Bytes from peers.', 'fromPeerBytes'],
  ['turn_total_traffic_peer_sentp', 'Datagrams to peers.', 'toPeerPackets'],
  ['turn_total_traffic_peer_sentb', 'Bytes to peers.', 'toPeerBytes'],
];

/** Numbers of the relay plane that tell what there is now. */
export const planeGauges: ReadonlySet<string> = new Set(['connections', 'relays', 'permissions', 'channels']);

/**
 * The metrics of a TURN server. The names that begin with `turn_` and `stun_` are coturn's, so that its dashboards
 * work; unlike there, traffic counts at once and not when its allocation ends.
 */
export class TurnMetrics {
  readonly #registry = new Registry();
  readonly #plane: ObservedCounters;
  readonly #options: TurnMetricsOptions;
  #stats: TurnServerStats;
  #traffic: TrafficTotals;
  #counters: Readonly<Record<string, number>>;
  readonly #relayFailures = addCounter(
    this.#registry,
    'conclave_turn_relay_failures_total',
    'Relays that could not be opened, by reason.',
    ['reason'],
  );
  readonly #faults = addCounter(
    this.#registry,
    'conclave_turn_faults_total',
    'Requests and events that met a defect of the server.',
  );
  readonly #allocationGauge = new Gauge({
    name: 'turn_total_allocations',
    help: 'Allocations now, by how their clients come.',
    labelNames: ['type'],
    registers: [this.#registry],
  });
  readonly #refusals = addCounter(
    this.#registry,
    'conclave_turn_refusals_total',
    'Authenticated requests refused, by error code.',
    ['code'],
  );
  readonly #drops = addCounter(
    this.#registry,
    'conclave_turn_dropped_messages_total',
    'Messages dropped without an answer, by reason.',
    ['reason'],
  );

  constructor(options: TurnMetricsOptions) {
    this.#options = options;
    const registry = this.#registry;
    if (options.ofProcess) collectProcessMetrics(registry);
    this.#stats = options.readStats();
    this.#traffic = options.readTraffic();
    this.#counters = options.readCounters();
    new Gauge({
      name: 'conclave_turn_build_info',
      help: 'Constant 1, with the version of the software.',
      labelNames: ['version'],
      registers: [registry],
    }).set({ version: options.version }, 1);
    for (const [name, help, key] of traffic) {
      addObservedCounter(registry, name, help, () => this.#traffic[key]);
    }
    const counter = (name: string, help: string, read: (stats: TurnServerStats) => number): void =>
      addObservedCounter(registry, name, help, () => read(this.#stats));
    const gauge = (name: string, help: string, read: (stats: TurnServerStats) => number): void =>
      addObservedGauge(registry, name, help, () => read(this.#stats));
    counter('stun_binding_request', 'STUN Binding requests.', (s) => s.bindingRequests);
    counter('stun_binding_response', 'Answers to them.', (s) => s.bindingResponses);
    counter('stun_binding_error', 'Error answers to them.', (s) => s.bindingErrors);
    counter(
      'turn_unauthenticated_401_requests',
      'Requests that proved nothing.',
      (s) => s.unauthenticatedRequests,
    );
    counter(
      'turn_unauthenticated_401_responses',
      'Challenges sent to them.',
      (s) => s.unauthenticatedResponses,
    );
    counter(
      'turn_unauthenticated_401_dropped_responses',
      'Challenges not sent, for the rate of their address.',
      (s) => s.unauthenticatedRequests - s.unauthenticatedResponses,
    );
    counter('conclave_turn_allocations_total', 'Allocations ever begun.', (s) => s.totalAllocations);
    gauge('conclave_turn_reservations', 'Ports kept for an allocation to come.', (s) => s.reservations);
    gauge('conclave_turn_ports', 'Relay ports held, kept ones included.', (s) => s.quotaPorts);
    gauge('conclave_turn_peer_connections', 'TCP connections with peers.', (s) => s.connections);
    gauge('conclave_turn_limited_sources', 'Addresses whose rate is remembered.', (s) => s.limitedSources);
    addObservedCounter(
      registry,
      'conclave_turn_capped_packets_total',
      'Data dropped by the bandwidth cap.',
      () => this.#traffic.cappedPackets,
    );
    addObservedGauge(registry, 'conclave_turn_draining', '1 while no new allocation is taken, else 0.', () =>
      options.isDraining() ? 1 : 0,
    );
    for (const name of planeGauges) {
      addObservedGauge(
        registry,
        `conclave_relay_${name}`,
        `What there is now of "${name}".`,
        () => this.#counters[name] ?? 0,
      );
    }
    this.#plane = new ObservedCounters(registry, 'conclave_relay_', () =>
      Object.fromEntries(Object.entries(this.#counters).filter(([name]) => !planeGauges.has(name))),
    );
  }

  /** A relay could not be opened. */
  relayFailed(reason: string): void {
    this.#relayFailures.inc({ reason });
  }

  /** Something threw that nobody foresaw. */
  faulted(): void {
    this.#faults.inc();
  }

  /** All metrics in Prometheus' text format. */
  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#stats = this.#options.readStats();
    this.#traffic = this.#options.readTraffic();
    this.#counters = this.#options.readCounters();
    this.#plane.refresh();
    for (const [transport, type] of Object.entries(transportNames)) {
      this.#allocationGauge.set({ type }, this.#stats.allocationsByTransport[transport as TurnTransport]);
    }
    this.#refusals.reset();
    for (const [code, count] of this.#stats.refusals) this.#refusals.inc({ code: String(code) }, count);
    this.#drops.reset();
    for (const [reason, count] of this.#stats.drops) this.#drops.inc({ reason }, count);
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
