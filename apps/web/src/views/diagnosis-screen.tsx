import type { VNode } from 'preact';
import { texts } from '../texts.ts';
import { Frame } from './frame.tsx';

/** Finds out why calls do not connect. */
export function DiagnosisScreen(): VNode {
  return (
    <Frame class="diagnosis">
      <h1 tabIndex={-1}>{texts.diagnosis.heading}</h1>
      <p class="lead">{texts.diagnosis.lead}</p>
    </Frame>
  );
}
