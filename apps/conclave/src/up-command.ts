import { existsSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type RunningSft, type SftConfig, selectMediaAddresses } from '@conclave/app-sft';
import {
  ConclaveError,
  createLogger,
  type Environment,
  type LoadedOptions,
  type LogOutput,
  loadOptions,
  renderHelp,
} from '@conclave/service';
import type { Command, CommandContext } from './cli.ts';
import { tryPort, type WantedPort } from './port-check.ts';
import { ensureSelfMadeCertificate, type SelfMadeCertificate } from './self-made-certificate.ts';
import { untilSignalled } from './server-lifetime.ts';
import type { SftCommandParts, SftProgram } from './sft-command.ts';
import { defaultConfigFile, type UpOptionValues, upEnvironmentPrefix, upOptions } from './up-options.ts';
import { planUp, type UpMachine, type UpPlan } from './up-plan.ts';

/** What the `up` command is made of; tests put stand-ins here. */
export interface UpCommandParts extends SftCommandParts {
  /** Default: this machine. */
  readonly machine?: UpMachine;
  /** Default: the system's clock. */
  readonly nowMs?: () => number;
}

/** Often enough for a certificate that is renewed 30 days early. */
const CERTIFICATE_CHECK_MS = 86_400_000;

/** `conclave up`: runs everything that a site on one machine needs, until a signal ends it. */
export function createUpCommand(parts: UpCommandParts): Command {
  return {
    name: 'up',
    summary: 'Run everything on one machine: conference server and meeting page.',
    run: (context) => runUp(context, parts),
  };
}

/** Settings of `conclave up` by its rules: flags, environment, file. Undefined when help was asked for. */
export function loadUpOptions(
  words: readonly string[],
  environment: Environment,
): LoadedOptions<UpOptionValues> | undefined {
  const named = environment[`${upEnvironmentPrefix}CONFIG`];
  const found = (named === undefined || named === '') && existsSync(defaultConfigFile);
  return loadOptions({
    options: upOptions,
    // A later flag of the same name wins, so this one is only a default.
    words: found ? ['--config', defaultConfigFile, ...words] : words,
    environment,
    environmentPrefix: upEnvironmentPrefix,
    configOption: 'config',
  });
}

/** The machine that this process runs on. */
export function thisMachine(): UpMachine {
  return { interfaces: networkInterfaces(), hostName: hostname() };
}

/** The conference server's configuration in a plan. Throws {@link ConclaveError} as the `sft` command does. */
export function sftConfigOf(
  values: UpOptionValues,
  plan: UpPlan,
  program: Pick<SftProgram, 'sftOptions' | 'sftEnvironmentPrefix' | 'toSftConfig'>,
): SftConfig {
  const files = certificateFiles(plan);
  const loaded = loadOptions({
    options: program.sftOptions,
    words: [
      ...['--listen-address', plan.listenAddress, '--listen-port', String(plan.port), '--url', plan.urls[0]!],
      ...(files ? ['--tls-cert', files.certificatePath, '--tls-key', files.keyPath] : []),
      ...values['public-address'].flatMap((address) => ['--public-address', address]),
      ...plan.interfaces.flatMap((name) => ['--interface', name]),
      ...['--media-port', String(values['media-port']), '--workers', String(values.workers)],
      ...(values['metrics-address'] === undefined ? [] : ['--metrics-address', values['metrics-address']]),
      ...['--metrics-port', String(values['metrics-port']), '--web', plan.webFolder],
      ...plan.trustedProxies.flatMap((block) => ['--trusted-proxy', block]),
      ...(values['log-prefix'] === undefined ? [] : ['--log-prefix', values['log-prefix']]),
      ...(values.quiet ? ['--quiet'] : []),
      ...(values.verbose ? ['--verbose'] : []),
    ],
    environment: {},
    environmentPrefix: program.sftEnvironmentPrefix,
  });
  return program.toSftConfig(loaded!.values).config;
}

/** Every port that a configuration listens on, each with the option that changes it. */
export function wantedPorts(
  config: SftConfig,
  machine: UpMachine,
): readonly (WantedPort & { readonly option: string })[] {
  const media = selectMediaAddresses(machine.interfaces, config.interfaces, config.publicAddresses);
  const threads = Array.from({ length: config.workers }, (_, thread) => config.mediaPort + thread);
  return [
    { ...config.signalling, transport: 'tcp', option: '--port' },
    { ...config.metrics, transport: 'tcp', option: '--metrics-port' },
    ...media.flatMap(({ address }) =>
      threads.flatMap((port) => [
        { address, port, transport: 'udp' as const, option: '--media-port' },
        { address, port, transport: 'tcp' as const, option: '--media-port' },
      ]),
    ),
  ];
}

async function runUp(context: CommandContext, parts: UpCommandParts): Promise<number> {
  const loaded = loadUpOptions(context.words, context.environment);
  if (!loaded) {
    context.out(
      renderHelp({
        usage: 'conclave up [OPTIONS]',
        summary:
          'Runs everything that a site on one machine needs: the conference server and the meeting page, at one address. Without options it serves this machine alone.',
        options: upOptions,
        environmentPrefix: upEnvironmentPrefix,
      }),
    );
    return 0;
  }
  const { values } = loaded;
  const machine = parts.machine ?? thisMachine();
  const plan = planUp(values, machine);
  const config = sftConfigOf(values, plan, parts.program);
  await checkPorts(config, machine);
  const certificate = await renewCertificate(plan, parts);
  parts.program.checkSftFiles(config);
  for (const warning of loaded.warnings) context.err(`conclave up: warning: ${warning}\n`);

  const output = createLogger({
    name: 'sft',
    level: config.log.level,
    filePrefix: config.log.filePrefix,
    ...(parts.logStream ? { stream: parts.logStream } : {}),
  });
  try {
    return await serve(context, parts, { values, plan, config, certificate, output });
  } finally {
    output.flush();
  }
}

interface Start {
  readonly values: UpOptionValues;
  readonly plan: UpPlan;
  readonly config: SftConfig;
  readonly certificate: SelfMadeCertificate | undefined;
  readonly output: LogOutput;
}

async function serve(context: CommandContext, parts: UpCommandParts, start: Start): Promise<number> {
  const { values, plan, config, certificate, output } = start;
  const sft: RunningSft = await parts.program.startSft(config, { log: output.log, version: context.version });
  // The server notices new files by itself.
  const renewal = setInterval(() => {
    renewCertificate(plan, parts).catch((err: unknown) =>
      output.log.error({ err }, 'the certificate cannot be renewed'),
    );
  }, CERTIFICATE_CHECK_MS);
  renewal.unref();
  try {
    const ended = untilSignalled(sft, output, parts.signals);
    output.log.info(
      { signalling: sft.signalling, metrics: sft.metrics, url: config.url, version: context.version },
      'serving',
    );
    if (!values.quiet) context.out(greeting(plan, certificate, config));
    return await ended;
  } finally {
    clearInterval(renewal);
  }
}

function certificateFiles(plan: UpPlan): { certificatePath: string; keyPath: string } | undefined {
  if (plan.certificate.from === 'files') return plan.certificate.files;
  if (plan.certificate.from !== 'self') return undefined;
  return {
    certificatePath: join(plan.stateFolder, 'certificate.pem'),
    keyPath: join(plan.stateFolder, 'key.pem'),
  };
}

async function renewCertificate(
  plan: UpPlan,
  parts: UpCommandParts,
): Promise<SelfMadeCertificate | undefined> {
  if (plan.certificate.from !== 'self') return undefined;
  return ensureSelfMadeCertificate({
    folder: plan.stateFolder,
    names: plan.certificate.names,
    nowMs: (parts.nowMs ?? Date.now)(),
  });
}

/** Says which port is taken and what to do, before half a server runs. */
async function checkPorts(config: SftConfig, machine: UpMachine): Promise<void> {
  for (const wanted of wantedPorts(config, machine)) {
    const reason = await tryPort(wanted);
    if (reason === undefined) continue;
    const which = `${wanted.transport.toUpperCase()} port ${wanted.port} on ${wanted.address}`;
    if (reason === 'EADDRINUSE')
      throw new ConclaveError(
        'CONCLAVE_PORT_TAKEN',
        `another program (perhaps Conclave itself) has ${which}: stop it, or choose another port with ${wanted.option}`,
      );
    if (reason === 'EACCES')
      throw new ConclaveError(
        'CONCLAVE_LISTEN_FAILED',
        `this user may not listen on ${which}: choose one above 1023 with ${wanted.option}, or run it by the systemd unit of \`conclave init\``,
      );
    throw new ConclaveError('CONCLAVE_LISTEN_FAILED', `cannot listen on ${which} (${reason})`);
  }
}

/** What a person who started it wants to know: where it is, what a browser will say, and how it ends. */
function greeting(plan: UpPlan, certificate: SelfMadeCertificate | undefined, config: SftConfig): string {
  const [first, ...others] = plan.urls.map((url) => `${url}/`);
  const where = {
    machine: `open ${first} in a browser on this machine`,
    lan: `open ${first} in a browser on this network${others.length > 0 ? ` (or ${others.join(', ')})` : ''}`,
    domain: `people can open ${first}`,
  }[plan.reach];
  const lines = [`conclave: ${where}. Stop it with Ctrl-C.`];
  if (plan.certificate.from === 'proxy')
    lines.push(
      `conclave: a proxy has to pass requests for ${first} on to http://${plan.listenAddress}:${plan.port}/.`,
    );
  if (certificate)
    lines.push(
      'conclave: browsers will warn: the certificate was made by this server, and no authority vouches for it.',
      `conclave: whoever accepts it should see this SHA-256 fingerprint: ${certificate.fingerprint}`,
    );
  if (config.log.filePrefix !== undefined) lines.push(`conclave: the log is ${config.log.filePrefix}.log.`);
  return `${lines.join('\n')}\n`;
}
