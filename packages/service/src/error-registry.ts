/** What the process exits with, by convention of the shell tools: 1 something failed, 2 wrong use. */
export type ExitCode = 1 | 2;

/** One kind of error that an operator may meet. */
export interface ErrorEntry {
  /** The process's exit code when this error ends it. */
  readonly exitCode: ExitCode;
  /** What has happened, one sentence. */
  readonly meaning: string;
  /** What to do about it, one sentence. */
  readonly remedy: string;
}

/** Stable name of an error, fit for searching documentation and logs. */
export type ErrorCode =
  | 'CONCLAVE_NOT_BUILT'
  | 'CONCLAVE_COMMAND_UNKNOWN'
  | 'CONCLAVE_FLAG_UNKNOWN'
  | 'CONCLAVE_FLAG_VALUE_MISSING'
  | 'CONCLAVE_FLAG_VALUE_UNEXPECTED'
  | 'CONCLAVE_ARGUMENT_UNEXPECTED'
  | 'CONCLAVE_OPTION_INVALID'
  | 'CONCLAVE_OPTIONS_CONFLICT'
  | 'CONCLAVE_CONFIG_UNREADABLE'
  | 'CONCLAVE_CONFIG_MALFORMED'
  | 'CONCLAVE_CONFIG_KEY_UNKNOWN'
  | 'CONCLAVE_SECRET_UNREADABLE'
  | 'CONCLAVE_SECRET_INVALID'
  | 'CONCLAVE_USERS_UNREADABLE'
  | 'CONCLAVE_USERS_INVALID'
  | 'CONCLAVE_TLS_UNREADABLE'
  | 'CONCLAVE_TLS_INVALID'
  | 'CONCLAVE_WEB_UNREADABLE'
  | 'CONCLAVE_STATE_UNWRITABLE'
  | 'CONCLAVE_FILE_EXISTS'
  | 'CONCLAVE_ANSWER_MISSING'
  | 'CONCLAVE_LOG_UNWRITABLE'
  | 'CONCLAVE_LISTEN_FAILED'
  | 'CONCLAVE_PORT_TAKEN'
  | 'CONCLAVE_INTERFACE_UNKNOWN'
  | 'CONCLAVE_INTERNAL';

/** All errors that end a process or a reload, in the order of the documentation. */
export const errorRegistry: Readonly<Record<ErrorCode, ErrorEntry>> = {
  CONCLAVE_NOT_BUILT: {
    exitCode: 2,
    meaning: 'The command was called before the sources were compiled.',
    remedy: 'Run `npm start` or `npm run build` in the repository, then call it again.',
  },
  CONCLAVE_COMMAND_UNKNOWN: {
    exitCode: 2,
    meaning: 'There is no subcommand of this name, or none was given.',
    remedy: 'Call `conclave --help` for the list of commands.',
  },
  CONCLAVE_FLAG_UNKNOWN: {
    exitCode: 2,
    meaning: 'The command has no flag of this name.',
    remedy: 'Call the command with `--help` for its flags; long names start with two hyphens.',
  },
  CONCLAVE_FLAG_VALUE_MISSING: {
    exitCode: 2,
    meaning: 'A flag that needs a value stands at the end of the line or before another flag.',
    remedy: 'Give the value after the flag; write `--flag=VALUE` when the value itself looks like a flag.',
  },
  CONCLAVE_FLAG_VALUE_UNEXPECTED: {
    exitCode: 2,
    meaning: 'A flag that switches something on was given a value other than true or false.',
    remedy: 'Give the flag alone, or as `--flag=false` to switch it off.',
  },
  CONCLAVE_ARGUMENT_UNEXPECTED: {
    exitCode: 2,
    meaning: 'The command line has a word that is neither a flag nor the value of one.',
    remedy: 'Remove it, or quote the value that it belongs to.',
  },
  CONCLAVE_OPTION_INVALID: {
    exitCode: 2,
    meaning: 'The value of an option is not of the kind the option takes or lies outside its range.',
    remedy: 'The message names the option, where its value came from and what is accepted.',
  },
  CONCLAVE_OPTIONS_CONFLICT: {
    exitCode: 2,
    meaning: 'Options that are right one by one do not go together, or one lacks another that it needs.',
    remedy: 'The message names both; change or add one of them.',
  },
  CONCLAVE_CONFIG_UNREADABLE: {
    exitCode: 2,
    meaning: 'The configuration file cannot be read.',
    remedy: 'Check its path and that the process may read it; it may be at most 1 MiB long.',
  },
  CONCLAVE_CONFIG_MALFORMED: {
    exitCode: 2,
    meaning: 'The configuration file is not YAML, or not a mapping of option names to values.',
    remedy: 'Write one `long-option-name: value` a line; the message names the place.',
  },
  CONCLAVE_CONFIG_KEY_UNKNOWN: {
    exitCode: 2,
    meaning: 'The configuration file has a key that is no option of the command.',
    remedy: 'Use the long names of the flags, without the hyphens in front.',
  },
  CONCLAVE_SECRET_UNREADABLE: {
    exitCode: 2,
    meaning: 'A file with a shared secret cannot be read.',
    remedy: 'Check its path and that the process may read it.',
  },
  CONCLAVE_SECRET_INVALID: {
    exitCode: 2,
    meaning: 'A file with a shared secret is empty, or its first word is longer than 255 characters.',
    remedy: 'Write the secret as the first word of the file, without white space in it.',
  },
  CONCLAVE_USERS_UNREADABLE: {
    exitCode: 2,
    meaning: 'The file with the users of the TURN server cannot be read.',
    remedy: 'Check its path and that the process may read it; it may be at most 1 MiB long.',
  },
  CONCLAVE_USERS_INVALID: {
    exitCode: 2,
    meaning: 'A line of the file with the users of the TURN server is malformed.',
    remedy: 'Write one `NAME:PASSWORD` a line, each at most 508 characters long; the message names the line.',
  },
  CONCLAVE_TLS_UNREADABLE: {
    exitCode: 2,
    meaning: 'The certificate or the private key cannot be read.',
    remedy: 'Check both paths and that the process may read the files.',
  },
  CONCLAVE_TLS_INVALID: {
    exitCode: 2,
    meaning: 'The certificate or the private key is malformed, or they do not belong together.',
    remedy: 'Give PEM files: the certificate with its intermediates first to last, and its own key.',
  },
  CONCLAVE_WEB_UNREADABLE: {
    exitCode: 2,
    meaning: 'The folder of the meeting page cannot be read, has no index.html, or is far too large.',
    remedy: 'Name the folder of the built page (`npm run build` makes apps/web/build).',
  },
  CONCLAVE_STATE_UNWRITABLE: {
    exitCode: 2,
    meaning: 'A file that the program makes for itself cannot be written.',
    remedy:
      'Check that the folder can be made or is a folder of its own, and that the process may write in it.',
  },
  CONCLAVE_FILE_EXISTS: {
    exitCode: 2,
    meaning: 'A file that was to be written is there already.',
    remedy: 'Move it away, name another folder, or give `--force` to replace it.',
  },
  CONCLAVE_ANSWER_MISSING: {
    exitCode: 2,
    meaning: 'A question has no usable answer, and no flag gives it.',
    remedy: 'Give the flag that the message names, or run the command in a terminal and answer.',
  },
  CONCLAVE_LOG_UNWRITABLE: {
    exitCode: 2,
    meaning: 'The log file cannot be created or written.',
    remedy: 'Check the log prefix and that the process may write in its directory.',
  },
  CONCLAVE_LISTEN_FAILED: {
    exitCode: 1,
    meaning: 'The process could not listen on an address and port.',
    remedy: 'Check that the address is one of this machine and that no other process has the port.',
  },
  CONCLAVE_PORT_TAKEN: {
    exitCode: 1,
    meaning: 'Another program listens on a port that is needed, often another running Conclave.',
    remedy:
      'Stop the other program (`ss -lptun` shows it), or give another port with the option that the message names.',
  },
  CONCLAVE_INTERFACE_UNKNOWN: {
    exitCode: 2,
    meaning: 'A network interface named in the options does not exist or has no usable address.',
    remedy: 'Name interfaces as the operating system does (`ip link`), or leave the option out for all.',
  },
  CONCLAVE_INTERNAL: {
    exitCode: 1,
    meaning: 'The program met a state that its authors did not foresee.',
    remedy: 'Restart it and report the log line with this code.',
  },
};

/** An error with a code of {@link errorRegistry}; its message is one sentence fit for an operator's eyes. */
export class ConclaveError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConclaveError';
    this.code = code;
  }

  /** What a process exits with when this error ends it. */
  get exitCode(): ExitCode {
    return errorRegistry[this.code].exitCode;
  }
}

/** Short cause of a failed system call (`ENOENT`, `EACCES`, ...), or a plain word when there is none. */
export function causeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'unknown cause';
}

/** The text of docs/ERRORS.md, made from {@link errorRegistry}; a test keeps file and registry equal. */
export function renderErrorDocument(): string {
  const lines = [
    '# Errors',
    '',
    'Every error that ends a command, by code. The command prints one line, `CODE: sentence`, to the standard',
    'error stream and exits with the code given here: 2 for wrong use or configuration, 1 for everything else.',
    '',
  ];
  for (const [code, entry] of Object.entries(errorRegistry)) {
    lines.push(
      `## ${code}`,
      '',
      `Exit code ${entry.exitCode}.`,
      '',
      `${entry.meaning}`,
      '',
      `**What to do:** ${entry.remedy}`,
      '',
    );
  }
  return lines.join('\n');
}
