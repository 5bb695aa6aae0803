/**
 * What is tested, in this order:
 * - `encryption`: the browser can encrypt media frames.
 * - `microphone`, `camera`: there is one, it may be used, and something comes from it.
 * - `server`: the server answers over HTTPS (HTTP on the same machine).
 * - `conference`: it lets a caller into a conference.
 * - `udp`, `tcp`: media can reach it over UDP, over TCP.
 * - `turn-udp`, `turn-tcp`, `turn-tls`: media can reach it through its TURN server, by each way that it names; not there
 *   when it names none.
 * - `channel`: messages pass on the data channel of such a connection.
 * - `quality`: losses and round trip over a few seconds.
 */
export type DiagnosisStepId =
  | 'encryption'
  | 'microphone'
  | 'camera'
  | 'server'
  | 'conference'
  | 'udp'
  | 'tcp'
  | TurnStepId
  | 'channel'
  | 'quality';

/** The ways to a TURN server. */
export type TurnStepId = 'turn-udp' | 'turn-tcp' | 'turn-tls';

/** The steps that are always there, in the order in which they run. Those of TURN come behind `tcp`. */
export const diagnosisStepIds: readonly DiagnosisStepId[] = [
  'encryption',
  'microphone',
  'camera',
  'server',
  'conference',
  'udp',
  'tcp',
  'channel',
  'quality',
];

/** The steps of TURN, in the order in which they run. */
export const turnStepIds: readonly TurnStepId[] = ['turn-udp', 'turn-tcp', 'turn-tls'];

/** Where a step stands. */
export type DiagnosisStepState = 'waiting' | 'running' | 'passed' | 'failed' | 'skipped';

/** One step. A snapshot: a change makes a new object. */
export interface DiagnosisStep {
  readonly id: DiagnosisStepId;
  readonly state: DiagnosisStepState;
  /**
   * What was found, by a stable name such as `microphone-denied`, for a page that has texts of its own. Undefined
   * while the step waits or runs.
   */
  readonly finding: DiagnosisFinding | undefined;
  /** What was found in plain English, one or two sentences; why it was skipped, for a skipped step. */
  readonly result: string | undefined;
  /** What to do about it. May also come with a step that passed. */
  readonly advice: string | undefined;
  /** Figures behind the result: times in milliseconds, shares from 0 to 1, error names. Never addresses or ids. */
  readonly details: Readonly<Record<string, string | number>>;
  /** How long the step took; undefined while it waits or runs, and when it was skipped. */
  readonly durationMs: number | undefined;
}

/**
 * What the whole says. `good`: calls will work; `limited`: they will, with what the advice tells (no camera, TCP
 * alone, losses); `bad`: they will not. `running` until the last step has ended.
 */
export type DiagnosisVerdict = 'running' | 'good' | 'limited' | 'bad';

/** All that is known so far. A snapshot: a change makes a new object. */
export interface DiagnosisReport {
  /**
   * Every step of {@link diagnosisStepIds}, in that order, from the first report on; those of TURN once the server has
   * named TURN servers.
   */
  readonly steps: readonly DiagnosisStep[];
  readonly verdict: DiagnosisVerdict;
  /** The verdict in one plain English sentence. */
  readonly headline: string;
  /**
   * Plain text for whoever runs the network: moment, browser, server, every step, and what has to be allowed. It
   * grows with the steps and names the server and its media ports, but no person and no meeting.
   */
  readonly summary: string;
}

/** What {@link Diagnose} is told. */
export interface DiagnoseOptions {
  /** URL of the server to test, as in a meeting link; a page served by its server gives `location.origin`. */
  readonly server: string;
  /** Microphone and camera to test; default the browser's choice. `false` leaves the step out as skipped. */
  readonly microphone?: { readonly deviceId?: string } | false;
  readonly camera?: { readonly deviceId?: string } | false;
  /** Ends the test: the sequence ends early, without throwing, and everything is freed. */
  readonly signal?: AbortSignal;
}

/**
 * Tests step by step why a call might not connect. Yields a report at once and after every change; the last one has
 * a verdict other than `running`. Nothing throws: what fails is in the report. Leaving the loop early ends the test.
 * Devices that were opened are closed again, and the server keeps nothing.
 */
export type Diagnose = (options: DiagnoseOptions) => AsyncIterable<DiagnosisReport>;

/** Stable names of everything that a step may find. */
export type DiagnosisFinding =
  | 'encryption-supported'
  | 'encryption-missing'
  | 'webrtc-missing'
  | 'insecure-page'
  | 'microphone-works'
  | 'microphone-silent'
  | 'microphone-denied'
  | 'microphone-absent'
  | 'microphone-busy'
  | 'microphone-failed'
  | 'camera-works'
  | 'camera-denied'
  | 'camera-absent'
  | 'camera-busy'
  | 'camera-failed'
  | 'server-reachable'
  | 'server-url-wrong'
  | 'server-insecure'
  | 'server-foreign'
  | 'server-cors'
  | 'server-certificate'
  | 'server-refused'
  | 'server-timeout'
  | 'server-unreachable'
  | 'conference-offered'
  | 'conference-client-too-old'
  | 'conference-token-needed'
  | 'conference-refused'
  | 'conference-busy'
  | 'conference-timeout'
  | 'conference-failed'
  | 'udp-works'
  | 'udp-blocked'
  | 'udp-not-offered'
  | 'tcp-works'
  | 'tcp-blocked'
  | 'tcp-not-offered'
  | 'turn-udp-works'
  | 'turn-udp-blocked'
  | 'turn-tcp-works'
  | 'turn-tcp-blocked'
  | 'turn-tls-works'
  | 'turn-tls-blocked'
  | 'turn-without-media'
  | 'channel-works'
  | 'channel-silent'
  | 'quality-good'
  | 'quality-fair'
  | 'quality-poor'
  | 'quality-unknown'
  | 'skipped-by-choice'
  | 'skipped-after-failure';
