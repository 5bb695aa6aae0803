import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import * as sft from '@conclave/app-sft';
import * as turn from '@conclave/app-turn';
import { describeUnforeseen, type SignalSource } from '@conclave/service';
import { runCli } from './cli.ts';
import { createDoctorCommand } from './doctor-command.ts';
import { createInitCommand } from './init-command.ts';
import { createSftCommand } from './sft-command.ts';
import { createTurnCommand } from './turn-command.ts';
import { createUpCommand } from './up-command.ts';

/** What {@link runProcess} takes from elsewhere than the process it runs in. */
export interface ProcessOverrides {
  /** The command line without program and script; default that of the process. */
  readonly words?: readonly string[];
  /** Where signals come from; default the process. */
  readonly signals?: SignalSource;
}

/** Runs a command line and ends the process with its exit code. */
export async function runProcess(overrides: ProcessOverrides = {}): Promise<void> {
  // Without this, the runtime would print whatever the error has in it.
  process.on('uncaughtException', (error) => {
    process.stderr.write(`conclave: ${describeUnforeseen(error)}\n`);
    process.exit(1);
  });
  const signals = overrides.signals ?? process;
  const code = await runCli(
    {
      words: overrides.words ?? process.argv.slice(2),
      environment: process.env,
      out: (text) => process.stdout.write(text),
      err: (text) => process.stderr.write(text),
      version: readVersion(),
    },
    [
      createUpCommand({ program: sft, turnProgram: turn, signals }),
      createInitCommand({ ask: process.stdin.isTTY ? askPerson : undefined }),
      createDoctorCommand({ program: sft, turnProgram: turn }),
      createSftCommand({ program: sft, signals }),
      createTurnCommand({ program: turn, signals }),
    ],
  );
  process.exit(code);
}

async function askPerson(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    // The end of the input is an answer too: none.
    const ended = once(terminal, 'close').then(() => '');
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
