import { ClientError, type ClientErrorCode } from './client-error.ts';
import type { Cancel } from './conference-platform.ts';

/** Refusals that trying again does not change. */
const FINAL_CODES: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>([
  'client-outdated',
  'access-denied',
  'may-not-start',
  'no-webrtc',
  'no-frame-encryption',
  'internal',
]);

/** How something is tried again and again. */
export interface RepeatedAttemptOptions<Value> {
  readonly attempt: () => Promise<Value>;
  readonly now: () => number;
  readonly after: (delayMs: number, run: () => void) => Cancel;
  /** Pause after the first failure; doubled after each further one. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** No attempt begins later than this after the first. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Tries until it succeeds. Rejects with `ClientError`: `connection-lost` when time is up, `aborted`, or at once with a refusal that
 * trying again does not change.
 */
export async function attemptRepeatedly<Value>(options: RepeatedAttemptOptions<Value>): Promise<Value> {
  const { attempt, now, signal, maxDelayMs } = options;
  const giveUpAt = now() + options.timeoutMs;
  for (let delayMs = options.delayMs; ; delayMs = Math.min(2 * delayMs, maxDelayMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted) throw new ClientError('aborted');
      if (!(error instanceof ClientError)) throw new ClientError('internal', { cause: error });
      if (FINAL_CODES.has(error.code)) throw error;
    }
    if (now() + delayMs > giveUpAt) throw new ClientError('connection-lost');
    await pause(options, delayMs);
    if (signal.aborted) throw new ClientError('aborted');
  }
}

function pause<Value>({ after, signal }: RepeatedAttemptOptions<Value>, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const stop = after(delayMs, done);
    signal.addEventListener('abort', done);
  });
}
