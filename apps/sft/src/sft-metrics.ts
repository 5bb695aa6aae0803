import {
  addCounter,
  addHistogram,
  addObservedCounter,
  addObservedGauge,
  createProcessRegistry,
  Gauge,
  ObservedCounters,
} from '@conclave/service';
import type { ConferenceUsage } from './conference-host.ts';
import type { LegQualityFigures } from './leg-quality.ts';
import type { SignallingObserver, SignallingRefusal } from './signalling.ts';

/** Why a request was refused, those included that never came to signalling. */
export type RefusalReason = SignallingRefusal | 'rate-limited' | 'bad-http';

/** What the signalling server reports. */
export interface SignallingMetrics extends SignallingObserver {
  refused(reason: RefusalReason): void;
}

/** What {@link SftMetrics} needs. */
export interface SftMetricsOptions {
  /** Version of the software. */
  readonly version: string;
  /** Counts of the conferences, at every scrape. */
  readonly readUsage: () => ConferenceUsage;
  /** Links to other servers that are up, at every scrape. */
  readonly readLinks: () => number;
  /** Counters of the forwarding plane by name, each only growing; read at every scrape. */
  readonly readCounters: () => Readonly<Record<string, number>>;
  /** Seconds since the start. */
  readonly uptimeSeconds: () => number;
}

/** Seconds; a join over HTTP takes milliseconds nearby and seconds with relays. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];

/** Seconds; within a building up to a satellite. */
const ROUND_TRIP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
/** Shares; speech suffers from about 0.05 on. */
const LOSS_BUCKETS = [0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/**
 * The metrics of an SFT. The names that begin with `sft_` are those that operators of Wire's server know, with
 * the same meaning; only clients count as participants.
 */
export class SftMetrics implements SignallingMetrics {
  readonly #registry = createProcessRegistry();
  readonly #forwarder: ObservedCounters;
  readonly #refusals = addCounter(
    this.#registry,
    'conclave_sft_refusals_total',
    'Requests refused, by reason.',
    ['reason'],
  );
  readonly #stunRefusals = addCounter(
    this.#registry,
    'conclave_sft_stun_refusals_total',
    'STUN messages dropped, by reason.',
    ['reason'],
  );
  readonly #offers = addHistogram(
    this.#registry,
    'conclave_sft_offer_duration_seconds',
    'Time from a request to its offer.',
    DURATION_BUCKETS,
  );
  readonly #joins = addHistogram(
    this.#registry,
    'conclave_sft_join_duration_seconds',
    'Time from a request to the open data channel.',
    DURATION_BUCKETS,
  );
  readonly #roundTrips = addHistogram(
    this.#registry,
    'conclave_sft_round_trip_seconds',
    'Round trip to a client, every few seconds.',
    ROUND_TRIP_BUCKETS,
  );
  readonly #losses = addHistogram(
    this.#registry,
    'conclave_sft_loss_ratio',
    'Share of the packets to a client that did not arrive, every few seconds.',
    LOSS_BUCKETS,
  );
  readonly #faults = addCounter(
    this.#registry,
    'conclave_sft_faults_total',
    'Conferences ended by a defect of the server.',
  );
  readonly #answers = addCounter(this.#registry, 'conclave_sft_answers_total', 'Answers of callers taken.');

  constructor(options: SftMetricsOptions) {
    const registry = this.#registry;
    const { readUsage } = options;
    addObservedCounter(registry, 'sft_uptime', 'Seconds since the start.', options.uptimeSeconds);
    new Gauge({
      name: 'sft_build_info',
      help: 'Constant 1, with the version of the software.',
      labelNames: ['version'],
      registers: [registry],
    }).set({ version: options.version }, 1);
    addObservedGauge(
      registry,
      'sft_participants',
      'Clients in conferences now.',
      () => readUsage().participants,
    );
    addObservedGauge(registry, 'conclave_sft_links', 'Links to other servers now.', options.readLinks);
    addObservedGauge(registry, 'sft_calls', 'Conferences now.', () => readUsage().conferences);
    addObservedCounter(
      registry,
      'sft_participants_total',
      'Clients that ever joined.',
      () => readUsage().participantsTotal,
    );
    addObservedCounter(
      registry,
      'sft_calls_total',
      'Conferences ever created.',
      () => readUsage().conferencesTotal,
    );
    this.#forwarder = new ObservedCounters(registry, 'conclave_forwarder_', options.readCounters);
  }

  refused(reason: RefusalReason): void {
    this.#refusals.inc({ reason });
  }

  /** A STUN message was dropped. */
  stunRefused(reason: 'unknown-peer' | 'not-accepted'): void {
    this.#stunRefusals.inc({ reason });
  }

  /** A conference was ended by a defect. */
  faulted(): void {
    this.#faults.inc();
  }

  offered(durationMs: number): void {
    this.#offers.observe(durationMs / 1000);
  }

  answered(): void {
    this.#answers.inc();
  }

  /** A caller's data channel opened this many milliseconds after its request. */
  joined(durationMs: number): void {
    this.#joins.observe(durationMs / 1000);
  }

  /** What is known of the way to one client. */
  quality(figures: LegQualityFigures): void {
    if (figures.roundTripMs !== undefined) this.#roundTrips.observe(figures.roundTripMs / 1000);
    this.#losses.observe(figures.lossFraction);
  }

  /** All metrics in Prometheus' text format. */
  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#forwarder.refresh();
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
