import type { VNode } from 'preact';
import type { Problem } from '../state/problem.ts';
import { texts } from '../texts.ts';
import { useApp } from './app-context.ts';
import { Frame } from './frame.tsx';
import { Icon } from './icon.tsx';

/** Those that trying again does not cure. */
const hopeless: ReadonlySet<Problem> = new Set(['link-damaged', 'link-version', 'browser']);
const ofTheNetwork: ReadonlySet<Problem> = new Set(['unreachable', 'blocked', 'lost', 'unforeseen']);

/** What stands in the way of the call, and what to do about it. */
export function ProblemScreen({ problem }: { readonly problem: Problem }): VNode {
  const app = useApp();
  const text = texts.problems[problem];
  return (
    <Frame class="message">
      <div class="message-card">
        <span class="message-icon">
          <Icon name="warning" />
        </span>
        <h1 tabIndex={-1}>{text.title}</h1>
        <p class="lead">{text.body}</p>
        <ul class="advice">
          {text.advice.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ul>
        <div class="buttons">
          {!hopeless.has(problem) && (
            <button type="button" class="primary large" onClick={() => void app.rejoin()}>
              {texts.problem.retry}
            </button>
          )}
          <button type="button" class="quiet large" onClick={() => app.goHome()}>
            {texts.problem.home}
          </button>
        </div>
        {ofTheNetwork.has(problem) && (
          <button type="button" class="link" onClick={() => app.goDiagnosis()}>
            {texts.problem.diagnose}
          </button>
        )}
      </div>
    </Frame>
  );
}
