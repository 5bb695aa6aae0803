import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const FOLDER = fileURLToPath(new URL('../wire-clients/', import.meta.url));
let sft: SftProcess;

/** Installs the library by its own lockfile unless what is installed is what the lockfile says. */
function installLibrary(): void {
  const installed = `${FOLDER}node_modules/@wireapp/avs/package.json`;
  const lock = JSON.parse(readFileSync(`${FOLDER}package-lock.json`, 'utf8'));
  const wanted = lock.packages['node_modules/@wireapp/avs'].version;
  if (existsSync(installed) && JSON.parse(readFileSync(installed, 'utf8')).version === wanted) return;
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: FOLDER,
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`npm ci in tests/wire-clients failed: ${result.stderr}`);
}

beforeAll(async () => {
  installLibrary();
  sft = await startSftProcess();
}, 180_000);

afterAll(async () => {
  await sft?.stop();
});

test('three unmodified Wire clients hold an encrypted conference with audio and video', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['conversation.mjs', '--sft', sft.url, '--clients', '3'],
    { cwd: FOLDER, maxBuffer: 1 << 24 },
  ).catch((error: { stdout?: string; message: string }) => ({
    stdout: error.stdout || JSON.stringify({ failed: [error.message] }),
  }));
  const report = JSON.parse(stdout);
  expect(report.failed).toEqual([]);
  expect(report.passed).toBeGreaterThan(20);
}, 240_000);
