import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { ConclaveError, causeOf } from './error-registry.ts';
import { redactFields, redactText } from './redaction.ts';

/** Writes structured lines: `log.info({ field }, 'message')`. */
export type { Logger } from 'pino';

/** How much is logged. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** What {@link createLogger} needs. */
export interface LoggerOptions {
  /** Name of the program, in every line. */
  readonly name: string;
  readonly level: LogLevel;
  /** Path without its ending; lines go to `<prefix>.log`. Without it they go to the standard error stream. */
  readonly filePrefix?: string | undefined;
  /** Takes the lines instead; for tests. */
  readonly stream?: DestinationStream;
}

/** A logger and what belongs to its destination. */
export interface LogOutput {
  readonly log: Logger;
  /** Opens the file again, after a program such as logrotate moved it away. Nothing for streams. */
  reopen(): void;
  /** Writes what is still buffered. */
  flush(): void;
}

/**
 * A logger of one JSON object a line, with RFC 3339 times. Every field and message passes the redaction of
 * `redactFields` and `redactText`. Throws {@link ConclaveError} when the log file cannot be opened.
 */
export function createLogger(options: LoggerOptions): LogOutput {
  const file = options.stream ? undefined : openDestination(options.filePrefix);
  const log = pino(
    {
      name: options.name,
      level: options.level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      // Errors are described by the redaction, which knows what may not be shown.
      serializers: { err: (error: unknown) => error },
      redact: { paths: ['*.credential', '*.secret', '*.sdp'], censor: '[secret]' },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redactFields(fields),
      },
      hooks: {
        logMethod(args, method) {
          const first: unknown = args[0];
          // Given an error alone, pino makes its raw message the line's.
          const full =
            first instanceof Error
              ? [{ err: first }, ...(args.length > 1 ? args.slice(1) : [first.message])]
              : args;
          const safe = full.map((arg: unknown) => (typeof arg === 'string' ? redactText(arg) : arg));
          method.apply(this, safe as typeof args);
        },
      },
    },
    options.stream ?? file!,
  );
  return {
    log,
    reopen: () => {
      if (options.filePrefix !== undefined) file?.reopen();
    },
    flush: () => file?.flushSync(),
  };
}

/** A logger that writes nothing, for code that is used without one. */
export function createSilentLogger(): Logger {
  return pino({ level: 'silent' });
}

function openDestination(prefix: string | undefined): ReturnType<typeof destination> {
  if (prefix === undefined) return destination({ dest: 2, sync: true });
  const path = `${prefix}.log`;
  try {
    // Written at once: the lines are few, and those before a crash are the ones that matter.
    return destination({ dest: path, sync: true, mkdir: true, append: true, mode: 0o640 });
  } catch (cause) {
    const message = `cannot write the log file "${redactText(path)}" (${causeOf(cause)})`;
    throw new ConclaveError('CONCLAVE_LOG_UNWRITABLE', message, { cause });
  }
}
