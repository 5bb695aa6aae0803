import { stat } from 'node:fs/promises';

/** What {@link FileWatcher} needs. */
export interface FileWatcherOptions {
  readonly paths: readonly string[];
  /**
   * Milliseconds between looks at the files; default 5000. A lower value notices changes sooner, a higher one
   * spares system calls.
   */
  readonly intervalMs?: number;
  /** Called once after any number of files changed. What it throws goes to `onError`. */
  readonly onChange: () => void | Promise<void>;
  /** Hears what `onChange` throws; the watcher goes on. */
  readonly onError: (error: unknown) => void;
}

/**
 * Notices that files were replaced or rewritten. It compares identity, size and time stamps at intervals:
 * unlike notifications of the system that also works for the symbolic links that Kubernetes swaps to change
 * mounted secrets. Does not keep the process alive.
 */
export class FileWatcher {
  readonly #options: FileWatcherOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  #marks: Promise<readonly string[]>;
  #closed = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#marks = this.#look();
    this.#timer = setInterval(() => void this.check(), options.intervalMs ?? 5000);
    this.#timer.unref();
  }

  /** Looks now. Resolves when a change, if there was one, has been handled. Never rejects. */
  async check(): Promise<void> {
    const before = this.#marks;
    const after = this.#look();
    this.#marks = after;
    const [old, now] = await Promise.all([before, after]);
    if (this.#closed || old.every((mark, i) => mark === now[i])) return;
    try {
      await this.#options.onChange();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Stops looking. May be called again. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  #look(): Promise<readonly string[]> {
    return Promise.all(this.#options.paths.map(markOf));
  }
}

async function markOf(path: string): Promise<string> {
  try {
    const s = await stat(path, { bigint: true });
    return `${s.dev}:${s.ino}:${s.size}:${s.mtimeNs}:${s.ctimeNs}`;
  } catch {
    return 'absent';
  }
}
