import type { Diagnose, DiagnosisReport } from '@conclave/client';
import { type Signal, signal } from '@preact/signals';

/** A test of why calls do not connect, as it goes on. */
export class DiagnosisRun {
  /** Undefined before the first test. */
  readonly report: Signal<DiagnosisReport | undefined> = signal(undefined);
  readonly running: Signal<boolean> = signal(false);
  readonly #diagnose: Diagnose;
  readonly #server: string;
  #abort: AbortController | undefined;

  constructor(diagnose: Diagnose, server: string) {
    this.#diagnose = diagnose;
    this.#server = server;
  }

  /** Tests anew. Resolves when the test has ended or was stopped. */
  async start(): Promise<void> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.running.value = true;
    for await (const report of this.#diagnose({ server: this.#server, signal: abort.signal })) {
      if (this.#abort !== abort) return;
      this.report.value = report;
    }
    if (this.#abort === abort) this.running.value = false;
  }

  /** Ends a test; what was found stays. */
  stop(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.running.value = false;
  }
}
