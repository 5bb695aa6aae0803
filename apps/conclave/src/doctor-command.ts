import { execFile } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync, readFileSync } from 'node:fs';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { release } from 'node:os';
import { join } from 'node:path';
import type { TurnConfig } from '@conclave/app-turn';
import { ConclaveError, type Environment, renderHelp } from '@conclave/service';
import { checkCertificate } from './certificate-check.ts';
import type { Command, CommandContext } from './cli.ts';
import { exitCodeOf, type Finding } from './doctor-finding.ts';
import { checkClock, checkKernel, checkStateFolder, type MachineFacts } from './machine-check.ts';
import { tryPort } from './port-check.ts';
import {
  checkDomain,
  checkMediaAddresses,
  checkPorts,
  checkUrl,
  isRunning,
  type NetworkFacts,
} from './reach-check.ts';
import type { SftProgram } from './sft-command.ts';
import { siteTurnConfig } from './site-turn.ts';
import { loadUpOptions, sftConfigOf, thisMachine, wantedPorts } from './up-command.ts';
import { type UpOptionValues, upEnvironmentPrefix, upOptions } from './up-options.ts';
import { planUp, type UpMachine } from './up-plan.ts';

/** What the `doctor` command is made of; tests put stand-ins here. */
export interface DoctorCommandParts {
  readonly program: Pick<SftProgram, 'sftOptions' | 'sftEnvironmentPrefix' | 'toSftConfig'>;
  readonly turnProgram: Parameters<typeof siteTurnConfig>[4];
  /** Default: this machine. */
  readonly machine?: UpMachine;
  readonly facts?: MachineFacts;
  readonly network?: NetworkFacts;
}

const FETCH_MS = 5000;
/** Longest answer that is read, in characters; the right one is a URL. */
const MAX_ANSWER = 4096;

/** `conclave doctor`: checks a running or planned `conclave up` and says what to change. */
export function createDoctorCommand(parts: DoctorCommandParts): Command {
  return {
    name: 'doctor',
    summary: 'Check a running or planned `conclave up`, and say what to change.',
    run: (context) => runDoctor(context, parts),
  };
}

async function runDoctor(context: CommandContext, parts: DoctorCommandParts): Promise<number> {
  if (context.words.some((word) => word === '--help' || word === '-h')) {
    context.out(
      renderHelp({
        usage: 'conclave doctor [OPTIONS]',
        summary:
          'Checks the settings of `conclave up`, whether it runs already or not, and this machine. Exits with 0 when all is well, with 3 when there are warnings alone, with 1 when something cannot work. It takes the options of `conclave up`.',
        options: upOptions,
        environmentPrefix: upEnvironmentPrefix,
      }),
    );
    return 0;
  }
  const findings = await examine(context.words, context.environment, parts);
  for (const { severity, text, remedy } of findings) {
    context.out(`${severity.padEnd(8)} ${text}\n`);
    if (remedy !== undefined) context.out(`         → ${remedy}\n`);
  }
  const count = (severity: Finding['severity']): string => {
    const number = findings.filter((finding) => finding.severity === severity).length;
    return `${number} ${severity}${number === 1 ? '' : 's'}`;
  };
  context.out(`conclave doctor: ${count('problem')}, ${count('warning')}.\n`);
  return exitCodeOf(findings);
}

/** All findings about the installation that these words describe. */
export async function examine(
  words: readonly string[],
  environment: Environment,
  parts: DoctorCommandParts,
): Promise<readonly Finding[]> {
  const machine = parts.machine ?? thisMachine();
  const facts = parts.facts ?? systemFacts;
  const network = parts.network ?? systemNetwork;
  const findings: Finding[] = [];
  try {
    const { values, warnings } = loadUpOptions(words, environment)!;
    for (const text of warnings)
      findings.push({ id: 'settings-ignored', severity: 'warning', text: `${text}.`, remedy: 'Remove it.' });
    const plan = planUp(values, machine);
    const config = sftConfigOf(values, plan, parts.program);
    findings.push({
      id: 'settings',
      severity: 'well',
      text: `The settings are consistent; the address is ${plan.urls[0]}/.`,
    });
    findings.push(checkPage(plan.webFolder));
    const { certificate } = plan;
    if (certificate.from === 'files')
      findings.push(...checkCertificate(certificate.files, new URL(plan.urls[0]!).hostname, facts.nowMs()));
    const turn = siteTurnConfig(values, plan, config, machine, parts.turnProgram);
    findings.push(describeTurn(turn, values));
    if (certificate.from === 'self' || turn) findings.push(checkStateFolder(plan.stateFolder));
    if (plan.reach === 'domain') {
      findings.push(await checkDomain(values.domain!, values['public-address'], machine, network));
      findings.push(checkMediaAddresses(config, machine));
    }
    if (await isRunning(plan, network)) findings.push(await checkUrl(plan, network));
    else {
      findings.push({
        id: 'stopped',
        severity: 'notice',
        text: 'The server does not run now, so nothing was asked of it.',
      });
      findings.push(...(await checkPorts(wantedPorts(config, machine, turn), network)));
    }
  } catch (error) {
    if (!(error instanceof ConclaveError)) throw error;
    findings.push({
      id: 'settings-wrong',
      severity: 'problem',
      text: `${error.code}: ${error.message}.`,
      remedy: 'Correct the settings; `conclave up --help` explains each.',
    });
  }
  findings.push(...checkKernel(facts), await checkClock(facts));
  return findings;
}

function describeTurn(turn: TurnConfig | undefined, values: UpOptionValues): Finding {
  if (!turn)
    return {
      id: 'turn-off',
      severity: 'notice',
      text: 'No TURN server runs with it: people whose network blocks the media port cannot call.',
    };
  const tls = turn.listeners.some(({ transport }) => transport === 'tls');
  const { first, last } = turn.relayPorts;
  return {
    id: 'turn',
    severity: 'well',
    text: `TURN is to be reached on UDP and TCP port ${values['turn-port']}${tls ? ` and over TLS on TCP port ${values['turn-tls-port']}` : ''}; it relays from the ports ${first} to ${last}, which stay closed to others.`,
  };
}

function checkPage(folder: string): Finding {
  if (existsSync(join(folder, 'index.html')))
    return { id: 'page', severity: 'well', text: 'The meeting page is there.' };
  return {
    id: 'page-missing',
    severity: 'problem',
    text: `There is no meeting page in ${folder}.`,
    remedy: 'Build it with `npm run build`, or name its folder with --web.',
  };
}

const systemFacts: MachineFacts = {
  readText: (path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
  },
  kernelRelease: release(),
  platform: process.platform,
  clockSynchronised: () =>
    new Promise((resolve) => {
      const words = ['show', '--property=NTPSynchronized', '--value'];
      execFile('timedatectl', words, { timeout: FETCH_MS }, (error, text) => {
        resolve(error ? undefined : text.trim() === 'yes');
      });
    }),
  nowMs: () => Date.now(),
};

const systemNetwork: NetworkFacts = {
  lookUp: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  tryPort,
  fetchText: (url, { trustAll }) =>
    new Promise((resolve, reject) => {
      const options = { timeout: FETCH_MS, agent: false } as const;
      const read = (response: import('node:http').IncomingMessage): void => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (text.length < MAX_ANSWER) text += chunk;
          else response.destroy();
        });
        response.on('close', () => resolve(text));
      };
      const request = url.startsWith('https:')
        ? getHttps(url, { ...options, rejectUnauthorized: !trustAll }, read)
        : getHttp(url, options, read);
      request.on('timeout', () => request.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })));
      request.on('error', reject);
    }),
};
