import { type DiagnosisReport, type DiagnosisStep, diagnose } from '@conclave/client';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { DiagnosisRun } from '../state/diagnosis-run.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { CopyButton } from './copy-button.tsx';
import { Frame } from './frame.tsx';
import { Icon, type IconName } from './icon.tsx';

const signs: Readonly<Record<DiagnosisStep['state'], IconName | undefined>> = {
  waiting: undefined,
  running: undefined,
  passed: 'check',
  failed: 'close',
  skipped: 'next',
};

/** Finds out, step by step, why calls do not connect. */
export function DiagnosisScreen(): VNode {
  const app = useApp();
  const run = useMemo(() => new DiagnosisRun(diagnose, app.server), [app]);
  useEffect(() => () => run.stop(), [run]);
  const report = run.report.value;
  const running = run.running.value;
  return (
    <Frame class="diagnosis">
      <h1 tabIndex={-1}>{texts.diagnosis.heading}</h1>
      <p class="lead">{texts.diagnosis.lead}</p>
      <div class="buttons">
        {running ? (
          <button type="button" class="quiet large" onClick={() => run.stop()}>
            {texts.diagnosis.stop}
          </button>
        ) : (
          <button type="button" class="primary large" onClick={() => void run.start()}>
            {report ? texts.diagnosis.again : texts.diagnosis.start}
          </button>
        )}
      </div>
      {report && <Verdict report={report} running={running} />}
      {report && (
        <ol class="steps">
          {report.steps.map((step) => (
            <Step key={step.id} step={step} />
          ))}
        </ol>
      )}
      {report && !running && <Summary text={report.summary} />}
    </Frame>
  );
}

function Verdict({
  report,
  running,
}: {
  readonly report: DiagnosisReport;
  readonly running: boolean;
}): VNode {
  const verdict = running ? 'running' : report.verdict;
  return (
    <p class={`verdict verdict-${verdict}`} role="status">
      {running && <span class="spinner" />}
      {running ? texts.diagnosis.running : report.headline}
    </p>
  );
}

function Step({ step }: { readonly step: DiagnosisStep }): VNode {
  const sign = signs[step.state];
  return (
    <li class={`step step-${step.state}`}>
      <span class="step-sign">
        {sign && <Icon name={sign} />}
        {step.state === 'running' && <span class="spinner" />}
      </span>
      <div>
        <h2>
          {texts.diagnosis.steps[step.id] ?? step.id}
          <span class="hidden">: {texts.diagnosis.states[step.state]}</span>
        </h2>
        {step.result && <p>{step.result}</p>}
        {step.advice && <p class="step-advice">{step.advice}</p>}
      </div>
    </li>
  );
}

function Summary({ text }: { readonly text: string }): VNode {
  const app = useApp();
  return (
    <section class="summary">
      <h2>{texts.diagnosis.summaryHeading}</h2>
      <p>{texts.diagnosis.summaryBody}</p>
      <textarea readOnly rows={10} aria-label={texts.diagnosis.summaryHeading} value={text} />
      <CopyButton
        text={text}
        label={texts.diagnosis.copy}
        done={texts.diagnosis.copied}
        failed={() => app.notices.say(texts.invite.copyFailed, 'warning')}
      />
    </section>
  );
}
