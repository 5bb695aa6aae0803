// Runs one of the test suites and counts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { root } from './prepare.mjs';

const state = `${root}.state`;

/**
 * Runs vitest with the given configuration file. `words` are further words for vitest, such as files; `node` is the
 * Node that runs it and, since tests start processes with the Node they run in, everything it starts.
 * Returns how many tests passed, failed and were skipped; a suite that broke counts as one failure.
 */
export function runSuite({ name, config, words = [], node = process.execPath, env = process.env }) {
  mkdirSync(state, { recursive: true });
  const report = `${state}/${name.replaceAll(/[^a-z0-9]+/g, '-')}.json`;
  rmSync(report, { force: true });
  const result = spawnSync(
    node,
    [
      `${root}node_modules/vitest/vitest.mjs`,
      'run',
      '--config',
      config,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...words,
    ],
    { cwd: root, stdio: 'inherit', env },
  );
  try {
    const counts = JSON.parse(readFileSync(report, 'utf8'));
    const broke = result.status !== 0 && counts.numFailedTests === 0;
    return {
      passed: counts.numPassedTests,
      failed: broke ? 1 : counts.numFailedTests,
      skipped: counts.numPendingTests,
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
