import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONCLAVE = fileURLToPath(new URL('../../apps/conclave/bin/conclave.mjs', import.meta.url));

/** A whole site: the real `conclave up` in a process and a folder of its own. */
export interface SiteProcess {
  readonly folder: string;
  /** What it printed until it served. */
  readonly greeting: string;
  /** Everything it logged so far. */
  log(): string;
  /** Ends it at once and removes its folder. */
  close(): Promise<void>;
}

/** Starts a site and resolves when it says where it is. `prefix`: such as `ip netns exec NAME`. */
export async function startSiteProcess(options: {
  readonly flags: readonly string[];
  readonly prefix?: readonly string[];
}): Promise<SiteProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-site-'));
  const [command, ...before] = [...(options.prefix ?? []), process.execPath];
  const words = [...before, CONCLAVE, 'up', ...options.flags];
  const child: ChildProcess = spawn(command!, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let greeting = '';
  let log = '';
  child.stderr?.on('data', (text) => {
    log += text;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (text) => {
      greeting += text;
      if (greeting.includes('Ctrl-C.')) resolve();
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`conclave up ended with ${code}: ${log}`)));
  });
  return {
    ...{ folder, greeting },
    log: () => log,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGKILL');
        await ended;
      }
      rmSync(folder, { recursive: true });
    },
  };
}
