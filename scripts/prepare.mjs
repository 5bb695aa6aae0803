// Everything between a bare clone and running code: packages, TypeScript, the addon, the meeting page. Each step is skipped when
// its inputs have not changed since it last succeeded.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const state = `${root}.state`;

/** Says what is about to happen, in one line a person can follow. */
export function say(text) {
  console.log(`conclave: ${text}`);
}

/** Runs a command in the repository; ends this process with its exit code when it fails. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) {
    console.error(`conclave: cannot run ${command}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Refuses machines that cannot work, with a sentence that says what is missing. */
function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`conclave: Node.js 20.19 or newer is needed, this is ${process.versions.node}.`);
    process.exit(2);
  }
  for (const tool of ['g++', 'make', 'python3']) {
    if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error) {
      console.error(
        `conclave: ${tool} is needed to build the forwarding addon. On Debian: apt-get install g++ make python3`,
      );
      process.exit(2);
    }
  }
}

/** Installs the locked packages, without running any install script, unless the lockfile is the one installed. */
export function installPackages() {
  const hash = createHash('sha256')
    .update(readFileSync(`${root}package-lock.json`))
    .digest('hex');
  const stamp = `${state}/packages`;
  const installed =
    existsSync(`${root}node_modules/.bin`) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
  if (installed) return;
  say('installing packages (npm ci)');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  mkdirSync(state, { recursive: true });
  writeFileSync(stamp, hash);
}

/** Compiles all TypeScript; only what changed is compiled again. */
export function buildTypeScript() {
  say('compiling TypeScript');
  run(`${root}node_modules/.bin/tsc`, ['-b']);
}

/** Builds the forwarding addon if its sources changed. */
export function buildAddon() {
  run(process.execPath, ['packages/forwarder/scripts/build-addon.mjs']);
}

/** What the meeting page is made of. */
const PAGE_SOURCES = [
  'apps/web/src',
  'apps/web/public',
  'apps/web/index.html',
  'apps/web/vite.config.mjs',
  'packages/bytes/src',
  'packages/client/src',
  'packages/e2ee/src',
  'packages/econn/src',
  'package-lock.json',
];

function* files(path) {
  if (!statSync(path).isDirectory()) yield path;
  else for (const name of readdirSync(path).sort()) yield* files(join(path, name));
}

/** Builds the meeting page into apps/web/build if its sources changed. Compiled packages must be there. */
export function buildPage() {
  const hash = createHash('sha256');
  for (const source of PAGE_SOURCES) {
    for (const file of files(`${root}${source}`)) {
      if (/\.test\.tsx?$/.test(file)) continue;
      hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
    }
  }
  const digest = hash.digest('hex');
  const stamp = `${state}/page`;
  const built = existsSync(`${root}apps/web/build/index.html`);
  if (built && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say('building the meeting page');
  run(process.execPath, [
    'node_modules/vite/bin/vite.js',
    'build',
    '--config',
    'apps/web/vite.config.mjs',
    '--logLevel',
    'warn',
  ]);
  mkdirSync(state, { recursive: true });
  writeFileSync(stamp, digest);
}

/** All steps, in order. */
export function prepare() {
  checkMachine();
  installPackages();
  buildTypeScript();
  buildAddon();
  buildPage();
}
