import { handleSignals, type LogOutput, type SignalSource } from '@conclave/service';

/** What signals ask of a running server. */
export interface SignalledServer {
  /** Takes nothing new; resolves when what was there has ended. */
  drain(): Promise<void>;
  /** Reads files again. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Resolves to the exit code when signals have ended a server: the first drains and closes it, a second does not wait,
 * SIGHUP reads files again.
 */
export async function untilSignalled(
  server: SignalledServer,
  output: LogOutput,
  source: SignalSource,
): Promise<number> {
  let release = (): void => {};
  const code = await new Promise<number>((exit) => {
    release = handleSignals({
      source,
      log: output.log,
      drain: async () => {
        await server.drain();
        await server.close();
      },
      reload: async () => {
        output.reopen();
        await server.reload();
      },
      exit,
    });
  });
  release();
  return code;
}
