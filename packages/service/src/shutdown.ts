import type { Logger } from './logger.ts';

/** The part of `process` that signals come from. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** What {@link handleSignals} needs. */
export interface SignalHandling {
  /** `process`, or a stand-in for tests. */
  readonly source: SignalSource;
  readonly log: Logger;
  /**
   * Stops taking new work and resolves when the work at hand is done and everything is closed; at once when
   * there is none. Called for the first SIGTERM or SIGINT.
   */
  readonly drain: () => Promise<void>;
  /** Reads again what may have changed on disk: SIGHUP. */
  readonly reload?: () => void | Promise<void>;
  /** Ends the process. */
  readonly exit: (code: number) => void;
}

const FORCED_EXIT: Readonly<Record<'SIGINT' | 'SIGTERM', number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * The life's end of a service: the first SIGTERM or SIGINT drains and then exits with 0 (1 when draining
 * failed), the second exits immediately with 128 plus the signal's number. SIGHUP reloads. Returns a function
 * that takes the handlers away again.
 */
export function handleSignals(handling: SignalHandling): () => void {
  const { source, log, drain, reload, exit } = handling;
  let draining = false;
  const end = (signal: 'SIGINT' | 'SIGTERM') => (): void => {
    if (draining) {
      log.warn({ signal }, 'second signal, exiting at once');
      exit(FORCED_EXIT[signal]);
      return;
    }
    draining = true;
    log.info({ signal }, 'draining: nothing new is taken, exit when what is there has ended');
    drain().then(
      () => {
        log.info('drained');
        exit(0);
      },
      (err: unknown) => {
        log.error({ err }, 'draining failed');
        exit(1);
      },
    );
  };
  const onHangUp = (): void => {
    Promise.resolve()
      .then(() => reload?.())
      .catch((err: unknown) => log.error({ err }, 'reload failed, the former settings stay'));
  };
  const onInterrupt = end('SIGINT');
  const onTerminate = end('SIGTERM');
  source.on('SIGINT', onInterrupt);
  source.on('SIGTERM', onTerminate);
  source.on('SIGHUP', onHangUp);
  return () => {
    source.off('SIGINT', onInterrupt);
    source.off('SIGTERM', onTerminate);
    source.off('SIGHUP', onHangUp);
  };
}
