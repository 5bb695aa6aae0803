import type { RunningSft } from '@conclave/app-sft';
import { handleSignals, type LogOutput, type SignalSource } from '@conclave/service';

/**
 * Resolves to the exit code when signals have ended a server: the first drains and closes it, a second does not wait,
 * SIGHUP reads files again.
 */
export async function untilSignalled(
  sft: RunningSft,
  output: LogOutput,
  source: SignalSource,
): Promise<number> {
  let release = (): void => {};
  const code = await new Promise<number>((exit) => {
    release = handleSignals({
      source,
      log: output.log,
      drain: async () => {
        await sft.drain();
        await sft.close();
      },
      reload: async () => {
        output.reopen();
        await sft.reload();
      },
      exit,
    });
  });
  release();
  return code;
}
