// `npm run test:node-versions [-- MAJOR…]`: the suites that need no browser, on the newer Node versions that are
// supported. The addon is the one that the Node in use has built: it has to work in all of them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname } from 'node:path';
import { prepare, root, run, say } from './prepare.mjs';
import { runSuite } from './suite.mjs';

const MAJORS = ['22', '24'];
/** Whole-system tests without a browser: real SFT processes and clients that call them. */
const WHOLE_SYSTEM = ['tests/src/command.test.ts'];

/** The program of a Node version, from its npm package; installed once, into a folder that git ignores. */
function installNode(major) {
  const folder = `${root}.state/node-${major}`;
  const name = `node-${process.platform}-${process.arch}`;
  const program = `${folder}/node_modules/${name}/bin/node`;
  if (!existsSync(program)) {
    say(`installing Node ${major} (${name})`);
    const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
    run('npm', ['install', ...flags, '--loglevel=error', '--prefix', folder, `${name}@${major}`]);
  }
  return program;
}

prepare();
const wanted = process.argv.length > 2 ? process.argv.slice(2) : MAJORS;
const lines = [];
let good = true;
for (const major of wanted) {
  const node = installNode(major);
  const versions = spawnSync(node, ['-p', 'JSON.stringify(process.versions)'], { encoding: 'utf8' });
  const { node: version, openssl } = JSON.parse(versions.stdout);
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  const started = Date.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of [
    { name: `node ${major} packages and apps`, config: 'vitest.config.mjs' },
    { name: `node ${major} whole system`, config: 'tests/vitest.config.mjs', words: WHOLE_SYSTEM },
  ]) {
    say(`testing: ${suite.name}`);
    const counts = runSuite({ ...suite, node, env });
    for (const key of Object.keys(total)) total[key] += counts[key];
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  lines.push(
    `Node ${version} (OpenSSL ${openssl}): ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped in ${seconds} s`,
  );
  good &&= total.failed === 0 && total.passed > 0;
}
for (const line of lines) console.log(line);
process.exit(good ? 0 : 1);
