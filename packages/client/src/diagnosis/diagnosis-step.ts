import type { DiagnoseOptions, DiagnosisFinding } from './diagnosis.ts';
import type { DiagnosisPlatform } from './diagnosis-platform.ts';
import type { TestCall } from './test-call.ts';

/** What a step found. */
export interface StepOutcome {
  readonly finding: DiagnosisFinding;
  readonly details?: Readonly<Record<string, string | number>>;
}

/** What steps are given, and what they leave for later ones. */
export interface StepContext {
  readonly platform: DiagnosisPlatform;
  readonly options: DiagnoseOptions;
  /** The server's URL without a slash at the end. */
  readonly server: string;
  /** Aborted when the whole test ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** A call that got its offer and was not answered yet. */
  offered: TestCall | undefined;
  /** A call whose channel is open. */
  connected: TestCall | undefined;
  /** Media addresses of the server by transport, `192.0.2.1:40000`, for the summary. */
  mediaAddresses: { udp: readonly string[]; tcp: readonly string[] };
}
