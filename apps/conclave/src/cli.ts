import { ConclaveError, describeUnforeseen, type Environment, quote } from '@conclave/service';

/** Where a command writes: one call, one text. */
export type Output = (text: string) => void;

/** What a command runs with. */
export interface CommandContext {
  /** Words after the command's name. */
  readonly words: readonly string[];
  readonly environment: Environment;
  readonly out: Output;
  readonly err: Output;
  /** Version of the software. */
  readonly version: string;
}

/** One subcommand. */
export interface Command {
  readonly name: string;
  /** One sentence for the list of commands. */
  readonly summary: string;
  /** Runs to its end and resolves to the exit code. May reject with a `ConclaveError`. */
  run(context: CommandContext): Promise<number>;
}

/**
 * Runs a command line and resolves to the exit code. Errors become one line on the error stream: the code and
 * a sentence.
 */
export async function runCli(context: CommandContext, commands: readonly Command[]): Promise<number> {
  const [name, ...words] = context.words;
  const command = commands.find((candidate) => candidate.name === name);
  try {
    if (command) return await command.run({ ...context, words });
    if (name === '--version' || name === '-V') {
      context.out(`conclave ${context.version}\n`);
      return 0;
    }
    if (name === '--help' || name === '-h' || name === 'help') {
      context.out(usage(commands));
      return 0;
    }
    if (name === undefined) throw new ConclaveError('CONCLAVE_COMMAND_UNKNOWN', 'no command given');
    throw name.startsWith('-')
      ? new ConclaveError('CONCLAVE_FLAG_UNKNOWN', `unknown flag ${quote(name)} before a command`)
      : new ConclaveError('CONCLAVE_COMMAND_UNKNOWN', `unknown command ${quote(name)}`);
  } catch (error) {
    const prefix = command ? `conclave ${command.name}` : 'conclave';
    if (error instanceof ConclaveError) {
      const hint = error.exitCode === 2 ? ` (see \`${prefix} --help\`)` : '';
      context.err(`${prefix}: ${error.code}: ${error.message}${hint}\n`);
      return error.exitCode;
    }
    context.err(`${prefix}: ${describeUnforeseen(error)}\n`);
    return 1;
  }
}

function usage(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'Usage: conclave COMMAND [OPTIONS]',
    '',
    'End-to-end encrypted conferencing.',
    '',
    'Commands:',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'Options:',
    '  --version  Print the version and exit.',
    '  --help     Print this text and exit; `conclave COMMAND --help` for the options of a command.',
    '',
  ].join('\n');
}
