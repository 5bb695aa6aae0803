// `npm test`: everything that decides whether this tree may be delivered.
import { ensureBrowser } from './browser.mjs';
import { prepare, run, say } from './prepare.mjs';
import { runSuite } from './suite.mjs';

const started = Date.now();
prepare();
run(process.execPath, ['scripts/check.mjs']);
ensureBrowser();

const suites = [
  { name: 'packages and apps', config: 'vitest.config.mjs' },
  { name: 'whole system', config: 'tests/vitest-alone.config.mjs', repeatFailures: true },
  {
    name: 'whole system, two at a time',
    config: 'tests/vitest-side-by-side.config.mjs',
    repeatFailures: true,
  },
];
const total = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites) {
  say(`testing: ${suite.name}`);
  const counts = runSuite({ ...suite, words: process.argv.slice(2) });
  for (const key of Object.keys(total)) total[key] += counts[key];
}
say(`took ${Math.round((Date.now() - started) / 1000)} s`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
