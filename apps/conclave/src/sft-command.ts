import type * as Sft from '@conclave/app-sft';
import { createLogger, loadOptions, renderHelp, type SignalSource } from '@conclave/service';
import type { Command, CommandContext } from './cli.ts';
import { untilSignalled } from './server-lifetime.ts';

/** The server that the command starts, with the settings it understands. */
export type SftProgram = Pick<
  typeof Sft,
  'checkSftFiles' | 'sftEnvironmentPrefix' | 'sftOptions' | 'toSftConfig'
> & {
  readonly startSft: Sft.StartSft;
};

/** What the `sft` command is made of; tests put stand-ins here. */
export interface SftCommandParts {
  readonly program: SftProgram;
  /** Where signals come from: `process`. */
  readonly signals: SignalSource;
  /** Takes the log lines instead of the configured place. */
  readonly logStream?: { write(line: string): void };
}

/** `conclave sft`: reads settings, starts the server, and runs until a signal ends it. */
export function createSftCommand(parts: SftCommandParts): Command {
  return {
    name: 'sft',
    summary: 'Run a selective forwarding server (SFT) for conferences.',
    run: (context) => runSft(context, parts),
  };
}

async function runSft(context: CommandContext, parts: SftCommandParts): Promise<number> {
  const { program } = parts;
  const { sftEnvironmentPrefix, sftOptions } = program;
  const loaded = loadOptions({
    options: sftOptions,
    words: context.words,
    environment: context.environment,
    environmentPrefix: sftEnvironmentPrefix,
    configOption: 'config',
  });
  if (!loaded) {
    context.out(
      renderHelp({
        usage: 'conclave sft [OPTIONS]',
        summary:
          'Runs a selective forwarding server for conferences. Clients call it over HTTP or HTTPS; media goes over UDP and TCP.',
        options: sftOptions,
        environmentPrefix: sftEnvironmentPrefix,
      }),
    );
    return 0;
  }
  const { config, warnings } = program.toSftConfig(loaded.values);
  program.checkSftFiles(config);
  for (const warning of [...loaded.warnings, ...warnings]) context.err(`conclave sft: warning: ${warning}\n`);

  const output = createLogger({
    name: 'sft',
    level: config.log.level,
    filePrefix: config.log.filePrefix,
    ...(parts.logStream ? { stream: parts.logStream } : {}),
  });
  try {
    const sft = await program.startSft(config, { log: output.log, version: context.version });
    // Whoever is told that it serves may send a signal right away.
    const ended = untilSignalled(sft, output, parts.signals);
    output.log.info(
      { signalling: sft.signalling, metrics: sft.metrics, url: config.url, version: context.version },
      'serving',
    );
    if (!loaded.values.quiet) context.out(greeting(config, sft));
    return await ended;
  } finally {
    output.flush();
  }
}

/** What a person who started the server wants to know: where it is and how it ends. */
function greeting(config: Sft.SftConfig, sft: Sft.RunningSft): string {
  const { url, mediaPort, workers } = config;
  const media = workers === 1 ? `port ${mediaPort}` : `ports ${mediaPort} to ${mediaPort + workers - 1}`;
  const metrics = `metrics at ${operatorUrl(sft.metrics)}metrics`;
  const calls = sft.admin ? `, calls at ${operatorUrl(sft.admin)}` : '';
  return `conclave: the SFT is running at ${url} (media on ${media}, ${metrics}${calls}). Stop it with Ctrl-C.\n`;
}

function operatorUrl({ address, port }: { readonly address: string; readonly port: number }): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;
}
