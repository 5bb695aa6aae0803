import { open, readFile } from 'node:fs/promises';

/** What {@link searchMemory} found. */
export interface MemorySearch {
  /** How often each pattern stands in memory, by its name; patterns that were not found are missing. */
  readonly found: ReadonlyMap<string, number>;
  /** Bytes looked at. */
  readonly searchedBytes: number;
}

const CHUNK_BYTES = 8 * 1024 * 1024;
/** Pages of the kernel, which cannot be read this way and hold nothing of the process. */
const KERNEL_REGIONS = /\[(vvar|vvar_vclock|vsyscall|vdso)\]$/;

/**
 * Looks for byte patterns in all memory of a process that it may read itself: heap, stacks, libraries, buffers. The
 * process stands still meanwhile. Undefined when this process may not look into that one.
 */
export async function searchMemory(
  pid: number,
  patterns: ReadonlyMap<string, Uint8Array>,
): Promise<MemorySearch | undefined> {
  process.kill(pid, 'SIGSTOP');
  try {
    await untilStopped(pid);
    return await searchRegions(pid, patterns);
  } catch (error) {
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** How often each pattern stands in the bytes. */
export function countPatterns(
  bytes: Uint8Array,
  patterns: ReadonlyMap<string, Uint8Array>,
  found: Map<string, number> = new Map(),
): Map<string, number> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const [name, pattern] of patterns) {
    for (let at = view.indexOf(pattern); at >= 0; at = view.indexOf(pattern, at + 1)) {
      found.set(name, (found.get(name) ?? 0) + 1);
    }
  }
  return found;
}

async function searchRegions(pid: number, patterns: ReadonlyMap<string, Uint8Array>): Promise<MemorySearch> {
  const longest = Math.max(...[...patterns.values()].map(({ length }) => length));
  const found = new Map<string, number>();
  let searchedBytes = 0;
  const memory = await open(`/proc/${pid}/mem`, 'r');
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (const { start, end } of await readableRegions(pid)) {
      // What lies across the border of two chunks is in the second one, which begins a pattern's length earlier.
      for (let at = start; at < end; at += CHUNK_BYTES - longest + 1) {
        const length = Math.min(CHUNK_BYTES, end - at);
        const { bytesRead } = await memory.read(buffer, 0, length, at);
        searchedBytes += bytesRead;
        countPatterns(buffer.subarray(0, bytesRead), patterns, found);
        if (at + length >= end) break;
      }
    }
  } finally {
    await memory.close();
  }
  return { found, searchedBytes };
}

async function readableRegions(
  pid: number,
): Promise<readonly { readonly start: number; readonly end: number }[]> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  return maps.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line);
    if (!match || KERNEL_REGIONS.test(line)) return [];
    return [{ start: Number.parseInt(match[1]!, 16), end: Number.parseInt(match[2]!, 16) }];
  });
}

/** A signal is delivered to each thread in its own time. */
async function untilStopped(pid: number): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!/^State:\tT/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) {
    if (performance.now() > deadline) throw new Error('the process does not stop');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
