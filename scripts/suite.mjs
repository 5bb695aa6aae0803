// Runs one of the test suites and counts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { root, say } from './prepare.mjs';

const state = `${root}.state`;

/** Runs vitest once. Returns its report (undefined if it broke before it could write one) and its exit status. */
function runVitest({ name, config, words, node, env }) {
  mkdirSync(state, { recursive: true });
  const file = `${state}/${name.replaceAll(/[^a-z0-9]+/g, '-')}.json`;
  rmSync(file, { force: true });
  const { status } = spawnSync(
    node,
    [
      `${root}node_modules/vitest/vitest.mjs`,
      'run',
      '--config',
      config,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...words,
    ],
    { cwd: root, stdio: 'inherit', env },
  );
  try {
    return { status, report: JSON.parse(readFileSync(file, 'utf8')) };
  } catch {
    return { status, report: undefined };
  }
}

function countReport({ status, report }) {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const broke = status !== 0 && report.numFailedTests === 0;
  return {
    passed: report.numPassedTests,
    failed: broke ? 1 : report.numFailedTests,
    skipped: report.numPendingTests,
  };
}

/**
 * Runs one suite with the given configuration file. `words` are further words for vitest, such as files; `node` is the
 * Node that runs it and, since tests start processes with the Node they run in, everything it starts.
 *
 * With `repeatFailures`, files in which something failed are run once more, from the start, and count as they end then:
 * for tests that judge real time on a machine that others may use too. What needed it is said, so that nothing that
 * fails now and then stays unseen.
 *
 * Returns how many tests passed, failed and were skipped; a suite that broke counts as one failure.
 */
export function runSuite({
  name,
  config,
  words = [],
  node = process.execPath,
  env = process.env,
  repeatFailures = false,
}) {
  const first = runVitest({ name, config, words, node, env });
  const counts = countReport(first);
  const failed = first.report?.testResults.filter((file) => file.status === 'failed') ?? [];
  if (!repeatFailures || failed.length === 0) return counts;
  say(`running again what failed: ${failed.map((file) => file.name.slice(root.length)).join(', ')}`);
  const again = countReport(
    runVitest({ name: `${name} again`, config, words: failed.map((file) => file.name), node, env }),
  );
  if (again.failed === 0) {
    say('passed only when run again, so look at them:');
    for (const file of failed) {
      for (const test of file.assertionResults)
        if (test.status === 'failed') say(`  ${test.fullName}: ${test.failureMessages[0]?.split('\n')[0]}`);
    }
  }
  const inFailed = (status) =>
    failed.flatMap((file) => file.assertionResults).filter((test) => test.status === status).length;
  return {
    passed: counts.passed - inFailed('passed') + again.passed,
    failed: again.failed,
    skipped: counts.skipped - inFailed('pending') - inFailed('skipped') + again.skipped,
  };
}
