// Builds the C++ addon with node-gyp when its sources changed. Never touches the network: headers come from the
// running Node's own installation.
//   node scripts/build-addon.mjs [--sanitize] [--force]
// --sanitize builds a second copy with address and undefined-behaviour checks, in build/sanitize. To run tests on it:
//   CONCLAVE_FORWARDER_ADDON=$PWD/build/sanitize/build/Release/forwarder.node \
//   ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1 UBSAN_OPTIONS=halt_on_error=1 \
//   LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" node …/vitest.mjs run …
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageDirectory = join(dirname(fileURLToPath(import.meta.url)), '..');
const sanitize = process.argv.includes('--sanitize');
const force = process.argv.includes('--force');

const fail = (sentence) => {
  console.error(sentence);
  process.exit(1);
};

/** Everything the binary depends on but the compiler. Node's version is not: Node-API is stable across majors. */
const sourceHash = () => {
  const hash = createHash('sha256').update(`${sanitize} ${process.arch}`);
  const native = readdirSync(join(packageDirectory, 'native'), { recursive: true })
    .map(String)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort()
    .map((name) => join('native', name));
  for (const name of ['binding.gyp', 'scripts/build-addon.mjs', ...native]) {
    hash.update(`\0${name}\0`).update(readFileSync(join(packageDirectory, name)));
  }
  return hash.digest('hex');
};

/** The directory that holds include/node of the running Node. */
const nodeDirectory = () => {
  const directory = join(dirname(process.execPath), '..');
  for (const header of ['node_api.h', 'openssl/ssl.h']) {
    if (existsSync(join(directory, 'include/node', header))) continue;
    fail(
      `The addon cannot be built: include/node/${header} is missing beside ${process.execPath}. ` +
        'Install Node from an archive of nodejs.org or from NodeSource, which carry the headers ' +
        '(distributions keep them in a package such as libnode-dev).',
    );
  }
  return directory;
};

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Two builds at once would write the same objects; the later one waits. */
const takeLock = (path) => {
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      process.on('exit', () => rmSync(path, { force: true }));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
    if (holder > 0 && !isAlive(holder)) rmSync(path, { force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
};

const stage = sanitize ? join(packageDirectory, 'build/sanitize') : packageDirectory;
const output = join(stage, 'build');
const binary = join(output, 'Release/forwarder.node');
const stamp = join(output, 'forwarder.stamp');

mkdirSync(output, { recursive: true });
takeLock(join(output, 'forwarder.lock'));
const hash = sourceHash();
if (!force && existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash)
  process.exit(0);

if (sanitize) {
  for (const name of ['binding.gyp', 'native']) {
    if (!existsSync(join(stage, name))) symlinkSync(join('../..', name), join(stage, name));
  }
}
const nodeDir = nodeDirectory();
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const run = (command, ...extra) => {
  const args = [
    nodeGyp,
    command,
    `--directory=${stage}`,
    `--nodedir=${nodeDir}`,
    '--loglevel=error',
    ...extra,
  ];
  const result = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  fail(`The addon could not be built: node-gyp ${command} failed; g++, make and Python 3 must be installed.`);
};
rmSync(stamp, { force: true });
run('configure', ...(sanitize ? ['--', '-Dsanitize=1'] : []));
run('build', '--jobs=2');
writeFileSync(stamp, hash);
console.log(`Built ${binary}`);
