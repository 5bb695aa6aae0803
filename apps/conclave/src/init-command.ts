import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  acceptIpAddress,
  ConclaveError,
  causeOf,
  type Environment,
  listOption,
  loadOptions,
  type OptionsFor,
  quote,
  renderHelp,
  switchOption,
  textOption,
} from '@conclave/service';
import type { Command, CommandContext } from './cli.ts';
import { renderSystemdUnit } from './systemd-unit.ts';
import { acceptDomain, defaultConfigFile } from './up-options.ts';

/** The settings of the `init` command, by long flag name. */
export interface InitOptionValues {
  readonly domain: string | undefined;
  readonly 'public-address': readonly string[];
  readonly certificate: string | undefined;
  readonly folder: string | undefined;
  readonly force: boolean;
}

/** Where the `init` command gets answers that no flag gave. */
export interface InitCommandParts {
  /** Asks a person one question; undefined where there is nobody to ask. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
}

/** Prefix of the environment variables of the `init` command. */
export const initEnvironmentPrefix = 'CONCLAVE_INIT_';

const CERTIFICATE_WORDS = 'self-made, proxy, or CERTIFICATE,KEY (two PEM files)';

/** Declarations of {@link InitOptionValues}. */
export const initOptions: OptionsFor<InitOptionValues> = {
  domain: textOption({
    doc: 'Name under which people will reach this server.',
    valueName: 'NAME',
    check: acceptDomain,
  }),
  'public-address': listOption({
    short: 'A',
    doc: 'Public address of this machine when it is behind 1:1 address translation; "none" when it is not.',
    valueName: 'ADDRESS',
    maxItems: 2,
    check: (text) => (text === 'none' ? undefined : acceptIpAddress(text)),
  }),
  certificate: textOption({
    doc: `Where the certificate comes from: ${CERTIFICATE_WORDS}.`,
    valueName: 'WHENCE',
    check: acceptCertificate,
  }),
  folder: textOption({
    doc: 'Folder to write into.',
    valueName: 'FOLDER',
    shownDefault: 'this one',
  }),
  force: switchOption({ doc: 'Replace files that are there already.' }),
};

/** `conclave init`: asks three questions and writes a configuration file and a systemd unit. */
export function createInitCommand(parts: InitCommandParts): Command {
  return {
    name: 'init',
    summary: 'Write a configuration file and a systemd unit for `conclave up`.',
    run: (context) => runInit(context, parts),
  };
}

async function runInit(context: CommandContext, parts: InitCommandParts): Promise<number> {
  const values = loadInitOptions(context.words, context.environment);
  if (!values) {
    context.out(
      renderHelp({
        usage: 'conclave init [OPTIONS]',
        summary:
          'Asks for what is not given: the domain, the public address, where the certificate comes from. Then writes conclave.yaml and conclave.service.',
        options: initOptions,
        environmentPrefix: initEnvironmentPrefix,
      }),
    );
    return 0;
  }
  const domain =
    values.domain ??
    (await answer(context, parts, 'domain', 'Domain, such as meet.example.org', acceptDomain));
  const publicAddresses =
    values['public-address'].length > 0
      ? values['public-address']
      : (
          await answer(
            context,
            parts,
            'public-address',
            'Public address, if address translation hides this machine (otherwise: none)',
            (text) =>
              text.split(',').every((item) => initAddressFits(item)) ? undefined : 'addresses, or none',
          )
        )
          .split(',')
          .map((item) => item.trim());
  const certificate =
    values.certificate ??
    (await answer(context, parts, 'certificate', `Certificate: ${CERTIFICATE_WORDS}`, acceptCertificate));

  const folder = resolve(values.folder ?? '.');
  const configPath = join(folder, defaultConfigFile);
  const unitPath = join(folder, 'conclave.service');
  const files = certificate.includes(',')
    ? certificate.split(',').map((path) => resolve(path.trim()))
    : undefined;
  const config = renderConfig(domain, publicAddresses, certificate, files);
  const unit = renderSystemdUnit({
    node: process.execPath,
    program: fileURLToPath(new URL('../bin/conclave.mjs', import.meta.url)),
    configPath,
    ...(files ? { certificatePath: files[0]!, keyPath: files[1]! } : {}),
  });
  writeNew(folder, values.force, [
    [configPath, config],
    [unitPath, unit],
  ]);
  context.out(
    [
      `conclave: wrote ${configPath} and ${unitPath}.`,
      'Look over the first, check the machine, and try it:',
      `  conclave doctor --config ${configPath}`,
      `  conclave up --config ${configPath}`,
      'To start it with the machine:',
      `  sudo cp ${unitPath} /etc/systemd/system/ && sudo systemctl enable --now conclave`,
      '',
    ].join('\n'),
  );
  return 0;
}

function loadInitOptions(words: readonly string[], environment: Environment): InitOptionValues | undefined {
  return loadOptions({ options: initOptions, words, environment, environmentPrefix: initEnvironmentPrefix })
    ?.values;
}

/** Asks until the answer can be used; three times at most, so that a script that feeds nonsense ends. */
async function answer(
  context: CommandContext,
  parts: InitCommandParts,
  name: string,
  question: string,
  check: (text: string) => string | undefined,
): Promise<string> {
  if (!parts.ask)
    throw new ConclaveError(
      'CONCLAVE_ANSWER_MISSING',
      `--${name} has to be given, because there is nobody to ask`,
    );
  for (let attempt = 0; attempt < 3; attempt++) {
    const text = (await parts.ask(`${question}: `)).trim();
    const accepted = check(text);
    if (accepted === undefined) return text;
    context.err(`Please give ${accepted}.\n`);
  }
  throw new ConclaveError('CONCLAVE_ANSWER_MISSING', `no answer for --${name} could be used`);
}

function initAddressFits(item: string): boolean {
  const text = item.trim();
  return text === 'none' || acceptIpAddress(text) === undefined;
}

function acceptCertificate(text: string): string | undefined {
  if (text === 'self-made' || text === 'proxy') return undefined;
  const parts = text.split(',').map((part) => part.trim());
  return parts.length === 2 && parts.every((part) => part !== '') ? undefined : CERTIFICATE_WORDS;
}

function renderConfig(
  domain: string,
  publicAddresses: readonly string[],
  certificate: string,
  files: readonly string[] | undefined,
): string {
  const addresses = publicAddresses.filter((address) => address !== 'none');
  const lines = [
    '# Settings of `conclave up`; `conclave up --help` explains all there are.',
    '# Clients reach it on the page’s port (TCP), 40000 (UDP, TCP; one more for each further worker),',
    '# and for TURN on 3478 (UDP, TCP) and, with a certificate from files, 5349 (TCP).',
    `domain: ${JSON.stringify(domain.toLowerCase())}`,
  ];
  if (addresses.length > 0) lines.push(`public-address: ${JSON.stringify(addresses)}`);
  if (files) lines.push(`tls-cert: ${JSON.stringify(files[0])}`, `tls-key: ${JSON.stringify(files[1])}`);
  else if (certificate === 'self-made') lines.push('self-made-certificate: true');
  else
    lines.push('# No certificate: a proxy on this machine does HTTPS and passes everything on to port 8585.');
  return `${lines.join('\n')}\n`;
}

function writeNew(folder: string, force: boolean, files: readonly (readonly [string, string])[]): void {
  const there = force ? undefined : files.find(([path]) => existsSync(path));
  if (there)
    throw new ConclaveError(
      'CONCLAVE_FILE_EXISTS',
      `${quote(there[0])} is there already; give --force to replace it`,
    );
  try {
    mkdirSync(folder, { recursive: true });
    for (const [path, text] of files) writeFileSync(path, text);
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_STATE_UNWRITABLE',
      `cannot write into ${quote(folder)} (${causeOf(cause)})`,
      { cause },
    );
  }
}
