import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The kinds of metrics and their collection. */
export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A registry with the metrics of the process: CPU, memory, open files, event loop lag, garbage collection. */
export function createProcessRegistry(): Registry {
  const registry = new Registry();
  collectProcessMetrics(registry);
  return registry;
}

/** Adds the process's own metrics to a registry. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
}

/** A counter in the registry. */
export function addCounter<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly L[] = [],
): Counter<L> {
  return new Counter({ name, help, labelNames, registers: [registry] });
}

/** A histogram in the registry; `buckets` are upper bounds in the unit that the name ends in. */
export function addHistogram<L extends string>(
  registry: Registry,
  name: string,
  help: string,
  buckets: readonly number[],
  labelNames: readonly L[] = [],
): Histogram<L> {
  return new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [registry] });
}

/** A gauge whose value is asked for at every scrape. */
export function addObservedGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** A counter kept elsewhere, whose value is asked for at every scrape. It must never go down. */
export function addObservedCounter(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(Math.max(0, read()));
    },
  });
}

/**
 * Counters that some other part keeps by name and hands over at every scrape. `readCounters` may have new
 * names later; each becomes a metric `<prefix><name in snake case>_total`.
 */
export class ObservedCounters {
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #read: () => Readonly<Record<string, number>>;
  readonly #known = new Set<string>();
  #latest: Readonly<Record<string, number>> = {};

  constructor(registry: Registry, prefix: string, read: () => Readonly<Record<string, number>>) {
    this.#registry = registry;
    this.#prefix = prefix;
    this.#read = read;
  }

  /** Asks for the values, and makes metrics of names not seen before; at most 500 in all. Call before rendering. */
  refresh(): void {
    this.#latest = this.#read();
    for (const name of Object.keys(this.#latest)) {
      if (this.#known.has(name) || this.#known.size >= 500) continue;
      this.#known.add(name);
      const snake = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[^A-Za-z0-9]+/g, '_');
      const metric = `${this.#prefix}${snake.toLowerCase().replace(/_total$/, '')}_total`;
      if (this.#registry.getSingleMetric(metric)) continue;
      addObservedCounter(this.#registry, metric, `Counter "${name}".`, () => this.#latest[name] ?? 0);
    }
  }
}
