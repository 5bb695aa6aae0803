import type { DiagnoseOptions, DiagnosisFinding, TurnStepId } from './diagnosis.ts';
import type { DiagnosisPlatform } from './diagnosis-platform.ts';
import type { TestCall } from './test-call.ts';

/** What a step found. */
export interface StepOutcome {
  readonly finding: DiagnosisFinding;
  readonly details?: Readonly<Record<string, string | number>>;
}

/** One way to a TURN server. */
export interface TurnWay {
  readonly id: TurnStepId;
  readonly server: RTCIceServer & { readonly urls: string };
  /** Name or address, and port, for whoever runs the network. */
  readonly place: string;
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
  /** The ways to its TURN servers that the server names. */
  turnWays: readonly TurnWay[];
  /** Media addresses of the server by transport, `192.0.2.1:40000`, for the summary. */
  mediaAddresses: { udp: readonly string[]; tcp: readonly string[] };
}
