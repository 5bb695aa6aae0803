import type * as Turn from '@conclave/app-turn';
import { createLogger, loadOptions, renderHelp, type SignalSource } from '@conclave/service';
import type { Command, CommandContext } from './cli.ts';
import { untilSignalled } from './server-lifetime.ts';

/** The server that the command starts, with the settings it understands. */
export type TurnProgram = Pick<
  typeof Turn,
  'checkTurnFiles' | 'formatTransportAddress' | 'toTurnConfig' | 'turnEnvironmentPrefix' | 'turnOptions'
> & {
  readonly startTurn: Turn.StartTurn;
};

/** What the `turn` command is made of; tests put stand-ins here. */
export interface TurnCommandParts {
  readonly program: TurnProgram;
  /** Where signals come from: `process`. */
  readonly signals: SignalSource;
  /** Takes the log lines instead of the configured place. */
  readonly logStream?: { write(line: string): void };
}

/** `conclave turn`: reads settings, starts the server, and runs until a signal ends it. */
export function createTurnCommand(parts: TurnCommandParts): Command {
  return {
    name: 'turn',
    summary: 'Run a STUN and TURN server that relays for clients behind firewalls.',
    run: (context) => runTurn(context, parts),
  };
}

async function runTurn(context: CommandContext, parts: TurnCommandParts): Promise<number> {
  const { program } = parts;
  const { turnEnvironmentPrefix, turnOptions } = program;
  const loaded = loadOptions({
    options: turnOptions,
    words: context.words,
    environment: context.environment,
    environmentPrefix: turnEnvironmentPrefix,
    configOption: 'config',
  });
  if (!loaded) {
    context.out(
      renderHelp({
        usage: 'conclave turn [OPTIONS]',
        summary:
          'Runs a STUN and TURN server (RFC 8489, RFC 8656, RFC 6062). Clients reach it over UDP, TCP, TLS and DTLS.',
        options: turnOptions,
        environmentPrefix: turnEnvironmentPrefix,
      }),
    );
    return 0;
  }
  const config = program.toTurnConfig(loaded.values);
  program.checkTurnFiles(config);
  for (const warning of loaded.warnings) context.err(`conclave turn: warning: ${warning}\n`);

  const output = createLogger({
    name: 'turn',
    level: config.log.level,
    filePrefix: config.log.filePrefix,
    ...(parts.logStream ? { stream: parts.logStream } : {}),
  });
  try {
    const turn = await program.startTurn(config, { log: output.log, version: context.version });
    // Whoever is told that it serves may send a signal right away.
    const ended = untilSignalled(turn, output, parts.signals);
    const listeners = turn.listeners.map((at) => `${program.formatTransportAddress(at)}/${at.transport}`);
    output.log.info({ listeners, metrics: turn.metrics, version: context.version }, 'serving');
    if (!loaded.values.quiet) {
      const metrics = turn.metrics
        ? ` (metrics at http://${program.formatTransportAddress(turn.metrics)}/metrics)`
        : '';
      context.out(
        `conclave: the TURN server is running on ${listeners.join(', ')}${metrics}. Stop it with Ctrl-C.\n`,
      );
    }
    return await ended;
  } finally {
    output.flush();
  }
}
