import {
  type DiagnosisFinding,
  type DiagnosisReport,
  type DiagnosisStep,
  type DiagnosisStepId,
  type DiagnosisVerdict,
  diagnosisStepIds,
  type TurnStepId,
  turnStepIds,
} from './diagnosis.ts';
import type { StepOutcome, TurnWay } from './diagnosis-step.ts';
import { findingTexts, stepTitles, verdictTexts } from './diagnosis-texts.ts';

/** What the summary tells besides the steps. */
export interface ReportSurroundings {
  /** The moment of the test. */
  readonly startedAt: string;
  readonly browser: string;
  readonly server: string;
  /** Media addresses of the server, as far as it has named them. */
  readonly mediaAddresses: () => { readonly udp: readonly string[]; readonly tcp: readonly string[] };
  /** The ways to TURN servers, as far as the server has named them. */
  readonly turnWays: () => readonly TurnWay[];
}

/** Keeps the steps of one test and makes reports of them. */
export class ReportBoard {
  readonly #surroundings: ReportSurroundings;
  #steps: readonly DiagnosisStep[] = diagnosisStepIds.map(waitingStep);

  constructor(surroundings: ReportSurroundings) {
    this.#surroundings = surroundings;
  }

  /** The step whose turn it is; undefined when all have ended. */
  next(): DiagnosisStepId | undefined {
    return this.#steps.find(({ state }) => state === 'waiting')?.id;
  }

  /** Adds steps behind another. */
  addBehind(id: DiagnosisStepId, added: readonly DiagnosisStepId[]): void {
    const at = this.#steps.findIndex((step) => step.id === id) + 1;
    this.#steps = [...this.#steps.slice(0, at), ...added.map(waitingStep), ...this.#steps.slice(at)];
  }

  /** Marks a step as running. */
  start(id: DiagnosisStepId): void {
    this.#change(id, { state: 'running' });
  }

  /** Writes down what a step found. */
  end(id: DiagnosisStepId, outcome: StepOutcome, durationMs: number): void {
    const { state, result, advice } = findingTexts[outcome.finding];
    this.#change(id, {
      state,
      finding: outcome.finding,
      result,
      advice,
      details: outcome.details ?? {},
      durationMs: state === 'skipped' ? undefined : Math.round(durationMs),
    });
  }

  /** Whether a step ended with this state. */
  is(id: DiagnosisStepId, state: DiagnosisStep['state']): boolean {
    return this.#steps.some((step) => step.id === id && step.state === state);
  }

  /** All that is known now. */
  report(): DiagnosisReport {
    const verdict = verdictOf(this.#steps);
    return {
      steps: this.#steps,
      verdict,
      headline: verdictTexts[verdict],
      summary: summaryOf(this.#steps, verdict, this.#surroundings),
    };
  }

  #change(id: DiagnosisStepId, change: Partial<DiagnosisStep>): void {
    this.#steps = this.#steps.map((step) => (step.id === id ? { ...step, ...change } : step));
  }
}

function waitingStep(id: DiagnosisStepId): DiagnosisStep {
  return {
    id,
    state: 'waiting',
    finding: undefined,
    result: undefined,
    advice: undefined,
    details: {},
    durationMs: undefined,
  };
}

function verdictOf(steps: readonly DiagnosisStep[]): DiagnosisVerdict {
  if (steps.some(({ state }) => state === 'waiting' || state === 'running')) return 'running';
  const failed = new Set(steps.filter(({ state }) => state === 'failed').map(({ id }) => id));
  const needed: readonly DiagnosisStepId[] = ['encryption', 'server', 'conference', 'channel'];
  const passed = (id: DiagnosisStepId): boolean => steps.some((s) => s.id === id && s.state === 'passed');
  const noWay = failed.has('udp') && failed.has('tcp') && !turnStepIds.some(passed);
  if (needed.some((id) => failed.has(id)) || noWay) return 'bad';
  // UDP alone serves every call; all else is for where UDP is blocked.
  for (const id of ['tcp', ...turnStepIds] as const) failed.delete(id);
  return failed.size > 0 ? 'limited' : 'good';
}

function summaryOf(
  steps: readonly DiagnosisStep[],
  verdict: DiagnosisVerdict,
  { startedAt, browser, server, mediaAddresses, turnWays }: ReportSurroundings,
): string {
  const lines = [
    `Conclave connection test, ${startedAt}`,
    `Server: ${server}`,
    `Browser: ${browser}`,
    `Result: ${verdictTexts[verdict]}`,
    '',
  ];
  for (const step of steps) {
    const details = Object.entries(step.details).map(([name, value]) => `${name} ${value}`);
    const suffix = details.length > 0 ? ` (${details.join(', ')})` : '';
    lines.push(`[${step.state}] ${stepTitles[step.id]}: ${step.result ?? '…'}${suffix}`);
    if (step.advice !== undefined) lines.push(`  ${step.advice}`);
  }
  const needs = needsOf(steps, server, mediaAddresses(), turnWays());
  if (needs.length > 0) lines.push('', 'The network has to allow, from this device:', ...needs);
  return `${lines.join('\n')}\n`;
}

/** What a firewall has to let through, as far as the test found that it does not. */
function needsOf(
  steps: readonly DiagnosisStep[],
  server: string,
  media: { readonly udp: readonly string[]; readonly tcp: readonly string[] },
  turnWays: readonly TurnWay[],
): string[] {
  const found = new Set<DiagnosisFinding | undefined>(steps.map(({ finding }) => finding));
  const needs: string[] = [];
  if (
    ['server-timeout', 'server-refused', 'server-unreachable', 'server-certificate'].some((f) =>
      found.has(f as DiagnosisFinding),
    )
  )
    needs.push(`- HTTPS to ${server}, without a filter that replaces its certificate`);
  if (found.has('udp-blocked'))
    needs.push(...media.udp.map((address) => `- UDP to ${address}, and its answers`));
  if (found.has('tcp-blocked') && found.has('udp-blocked'))
    needs.push(
      ...media.tcp.map((address) => `- TCP to ${address} (not only HTTP; without inspection of its content)`),
    );
  if (found.has('udp-blocked') && found.has('tcp-blocked')) {
    for (const { id, place } of turnWays) {
      if (found.has(`${id}-blocked`)) needs.push(`- or else ${TURN_PROTOCOLS[id]} to ${place}`);
    }
  }
  return needs;
}

const TURN_PROTOCOLS: Readonly<Record<TurnStepId, string>> = {
  'turn-udp': 'UDP',
  'turn-tcp': 'TCP (not only HTTP)',
  'turn-tls': 'TLS, without a filter that replaces its certificate,',
};
