import type { NowMs } from '@conclave/bytes';

/** What is known of the way to one client. */
export interface LegQualityFigures {
  /** By what media goes: UDP, or TCP where UDP is blocked; undefined until there is a way. */
  readonly transport: 'udp' | 'tcp' | undefined;
  /** Smoothed round trip by the client's receiver reports; undefined until one came. */
  readonly roundTripMs: number | undefined;
  /** Share of the packets to the client that did not arrive, 0 to 1, smoothed. */
  readonly lossFraction: number;
}

/** Weight of a new report in the smoothed figures. Higher: follows faster; lower: one bad second shows less. */
const WEIGHT = 0.2;
/** Least spacing of what goes into histograms. Lower: finer distributions; higher: less work with many clients. */
const SAMPLE_INTERVAL_MS = 5000;

/** Smooths what a client's receiver reports tell, of all its slots together. */
export class LegQuality {
  transport: 'udp' | 'tcp' | undefined;
  #roundTripMs: number | undefined;
  #lossFraction = 0;
  #sampledAtMs: NowMs | undefined;

  /** Takes one report block; `fractionLost` is 0 to 1. Says whether the figures are due for a histogram. */
  handleReport(now: NowMs, fractionLost: number, roundTripMs: number | undefined): boolean {
    this.#lossFraction += WEIGHT * (fractionLost - this.#lossFraction);
    if (roundTripMs !== undefined) {
      this.#roundTripMs =
        this.#roundTripMs === undefined
          ? roundTripMs
          : this.#roundTripMs + WEIGHT * (roundTripMs - this.#roundTripMs);
    }
    if (this.#sampledAtMs !== undefined && now - this.#sampledAtMs < SAMPLE_INTERVAL_MS) return false;
    this.#sampledAtMs = now;
    return true;
  }

  get figures(): LegQualityFigures {
    return {
      transport: this.transport,
      roundTripMs: this.#roundTripMs,
      lossFraction: this.#lossFraction,
    };
  }
}
