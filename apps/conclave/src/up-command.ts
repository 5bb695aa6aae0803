import { existsSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type RunningSft, type SftConfig, selectMediaAddresses } from '@conclave/app-sft';
import type * as Turn from '@conclave/app-turn';
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
import { type SignalledServer, untilSignalled } from './server-lifetime.ts';
import type { SftCommandParts, SftProgram } from './sft-command.ts';
import { ensureTurnSecret, siteIceServers, siteTurnConfig } from './site-turn.ts';
import type { TurnProgram } from './turn-command.ts';
import { defaultConfigFile, type UpOptionValues, upEnvironmentPrefix, upOptions } from './up-options.ts';
import { planUp, type UpMachine, type UpPlan } from './up-plan.ts';

/** The TURN server that the command starts, with the settings it understands. */
export type SiteTurnProgram = TurnProgram & Pick<typeof Turn, 'CredentialIssuer'>;

/** What the `up` command is made of; tests put stand-ins here. */
export interface UpCommandParts extends SftCommandParts {
  /** The TURN server beside the conference server. */
  readonly turnProgram: SiteTurnProgram;
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

/** Every port that the configurations listen on, each with the option that changes it. */
export function wantedPorts(
  config: SftConfig,
  machine: UpMachine,
  turn: Turn.TurnConfig | undefined,
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
    ...(turn?.listeners ?? []).map(({ address, port, transport }) => ({
      ...{ address, port, transport: transport === 'udp' ? ('udp' as const) : ('tcp' as const) },
      option: transport === 'tls' ? '--turn-tls-port' : '--turn-port',
    })),
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
  const turn = siteTurnConfig(values, plan, config, machine, parts.turnProgram);
  await checkPorts(wantedPorts(config, machine, turn));
  const certificate = await renewCertificate(plan, parts);
  parts.program.checkSftFiles(config);
  if (turn) {
    ensureTurnSecret(plan);
    parts.turnProgram.checkTurnFiles(turn);
  }
  for (const warning of loaded.warnings) context.err(`conclave up: warning: ${warning}\n`);

  const output = createLogger({
    name: 'sft',
    level: config.log.level,
    filePrefix: config.log.filePrefix,
    ...(parts.logStream ? { stream: parts.logStream } : {}),
  });
  try {
    return await serve(context, parts, { values, plan, machine, config, turn, certificate, output });
  } finally {
    output.flush();
  }
}

interface Start {
  readonly values: UpOptionValues;
  readonly plan: UpPlan;
  readonly machine: UpMachine;
  readonly config: SftConfig;
  readonly turn: Turn.TurnConfig | undefined;
  readonly certificate: SelfMadeCertificate | undefined;
  readonly output: LogOutput;
}

async function serve(context: CommandContext, parts: UpCommandParts, start: Start): Promise<number> {
  const { values, plan, config, certificate, output } = start;
  const site = await startSite(context, parts, start);
  // The server notices new files by itself.
  const renewal = setInterval(() => {
    renewCertificate(plan, parts).catch((err: unknown) =>
      output.log.error({ err }, 'the certificate cannot be renewed'),
    );
  }, CERTIFICATE_CHECK_MS);
  renewal.unref();
  try {
    const ended = untilSignalled(site, output, parts.signals);
    output.log.info(
      {
        ...{ signalling: site.sft.signalling, metrics: site.sft.metrics, url: config.url },
        ...{ turn: site.turn?.listeners, version: context.version },
      },
      'serving',
    );
    if (!values.quiet) context.out(greeting(plan, certificate, config));
    return await ended;
  } finally {
    clearInterval(renewal);
  }
}

/** The servers of a site, which live and end together. */
interface RunningSite extends SignalledServer {
  readonly sft: RunningSft;
  readonly turn: Turn.RunningTurn | undefined;
}

async function startSite(context: CommandContext, parts: UpCommandParts, start: Start): Promise<RunningSite> {
  const { values, plan, machine, config, turn: turnConfig, output } = start;
  const environment = { log: output.log, version: context.version };
  const { turnProgram } = parts;
  if (!turnConfig) {
    const sft = await parts.program.startSft(config, environment);
    return { ...signalledAs(sft), sft, turn: undefined };
  }
  const turn = await turnProgram.startTurn(turnConfig, environment);
  try {
    const issuer = new turnProgram.CredentialIssuer(turnConfig.secretFiles[0]!);
    const nowMs = parts.nowMs ?? Date.now;
    const sft = await parts.program.startSft(config, {
      ...environment,
      iceServers: siteIceServers({ values, plan, sft: config, machine, issuer, nowMs }),
      furtherMetrics: () => turn.renderMetrics(),
    });
    return {
      ...{ sft, turn },
      // Relays serve running conferences, and end with them.
      drain: () => sft.drain(),
      reload: async () => {
        await sft.reload();
        await turn.reload();
      },
      close: async () => {
        await sft.close();
        await turn.close();
      },
    };
  } catch (error) {
    await turn.close();
    throw error;
  }
}

function signalledAs(sft: RunningSft): SignalledServer {
  return { drain: () => sft.drain(), reload: () => sft.reload(), close: () => sft.close() };
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
async function checkPorts(ports: ReturnType<typeof wantedPorts>): Promise<void> {
  for (const wanted of ports) {
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
