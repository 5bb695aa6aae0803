import type { Diagnose, DiagnosisReport } from '@conclave/client';
import { describe, expect, it } from 'vitest';
import { DiagnosisRun } from './diagnosis-run.ts';

const report = (headline: string): DiagnosisReport => ({
  steps: [],
  verdict: 'running',
  headline,
  summary: '',
});

/** A test that goes on when its step is called, until it is stopped. */
function slowDiagnosis() {
  const steps: (() => void)[] = [];
  const asked: string[] = [];
  const diagnose: Diagnose = async function* ({ server, signal }) {
    asked.push(server);
    const number = asked.length;
    for (let step = 0; step < 3; step++) {
      await new Promise<void>((resolve) => {
        steps.push(resolve);
        signal?.addEventListener('abort', () => resolve());
      });
      if (signal?.aborted) return;
      yield report(`test ${number} step ${step}`);
    }
  };
  return { diagnose, steps, asked };
}

describe('a diagnosis on the page', () => {
  it('shows each report and ends with the last', async () => {
    const { diagnose, steps, asked } = slowDiagnosis();
    const run = new DiagnosisRun(diagnose, 'https://sft.example');
    const ended = run.start();
    expect(run.running.value).toBe(true);
    for (let step = 0; step < 3; step++) {
      while (steps.length <= step) await Promise.resolve();
      steps[step]!();
      while (run.report.value?.headline !== `test 1 step ${step}`) await Promise.resolve();
    }
    await ended;
    expect(run.running.value).toBe(false);
    expect(asked).toEqual(['https://sft.example']);
  });

  it('keeps what was found when it is stopped', async () => {
    const { diagnose, steps } = slowDiagnosis();
    const run = new DiagnosisRun(diagnose, 'https://sft.example');
    const ended = run.start();
    steps[0]!();
    while (!run.report.value) await Promise.resolve();
    run.stop();
    await ended;
    expect(run.running.value).toBe(false);
    expect(run.report.value?.headline).toBe('test 1 step 0');
  });

  it('forgets an earlier test when it begins anew', async () => {
    const { diagnose, steps } = slowDiagnosis();
    const run = new DiagnosisRun(diagnose, 'https://sft.example');
    const first = run.start();
    const second = run.start();
    await first;
    expect(run.running.value).toBe(true);
    for (let step = 1; step < 4; step++) {
      while (steps.length <= step) await Promise.resolve();
      steps[step]!();
    }
    await second;
    expect(run.report.value?.headline).toBe('test 2 step 2');
  });
});
