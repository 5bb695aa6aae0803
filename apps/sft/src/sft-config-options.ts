import { availableParallelism } from 'node:os';
import { canonicalIp, FormatError, ipFamily } from '@conclave/bytes';
import { parseBlacklist } from '@conclave/econn';
import { type PacketSending, packetSendings } from '@conclave/forwarder';
import {
  acceptIpAddress,
  ConclaveError,
  choiceOption,
  ignoredOption,
  integerOption,
  isAddressBlock,
  listOption,
  type OptionsFor,
  portOption,
  readSecretFile,
  readTlsFiles,
  switchOption,
  textOption,
} from '@conclave/service';

import { loadFederationIdentity } from './federation-identity.ts';
import { type FederationOptionValues, federationOf, federationOptions } from './federation-options.ts';
import { acceptPort, acceptServerUrl, conflict } from './option-checks.ts';
import {
  defaultSftLimits,
  defaultSftTimings,
  type SftConfig,
  type SrtpProfileName,
  srtpProfileNames,
} from './sft-config.ts';
import { type SisterOptionValues, sisterOptions, sistersOf } from './sister-options.ts';

/** The settings of the `sft` command, by long flag name. */
export interface SftOptionValues extends FederationOptionValues, SisterOptionValues {
  readonly config: string | undefined;
  readonly 'listen-address': string | undefined;
  readonly 'listen-port': number;
  readonly 'tls-cert': string | undefined;
  readonly 'tls-key': string | undefined;
  readonly url: string | undefined;
  readonly web: string | undefined;
  readonly 'public-address': readonly string[];
  readonly interface: readonly string[];
  readonly 'media-port': number;
  readonly workers: number;
  readonly 'srtp-profiles': readonly string[];
  readonly 'metrics-address': string | undefined;
  readonly 'metrics-port': number;
  readonly 'admin-address': string | undefined;
  readonly 'admin-port': string | undefined;
  readonly 'admin-token-file': string | undefined;
  readonly 'require-auth': boolean;
  readonly 'secret-file': readonly string[];
  readonly blacklist: string | undefined;
  readonly 'turn-discovery': boolean;
  readonly 'federation-turn': string | undefined;
  readonly 'key-frame-interval': number;
  readonly 'packet-sending': PacketSending;
  readonly 'log-prefix': string | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly 'cors-origin': readonly string[];
  readonly 'trusted-proxy': readonly string[];
  readonly 'max-conferences': number;
  readonly 'max-participants-per-conference': number;
  readonly 'max-participants': number;
  readonly 'max-video-slots': number;
  readonly 'max-connections': number;
  readonly 'request-rate': number;
  readonly 'request-burst': number;
  readonly 'federation-url': undefined;
  readonly 'turn-username': undefined;
  readonly 'turn-password': undefined;
}

/** Prefix of the environment variables of the `sft` command. */
export const sftEnvironmentPrefix = 'CONCLAVE_SFT_';

const DEFAULT_ADDRESS = '127.0.0.1';
const limits = defaultSftLimits;

/** Declarations of {@link SftOptionValues}; the one-letter flags are those of Wire's server. */
export const sftOptions: OptionsFor<SftOptionValues> = {
  config: textOption({ doc: 'YAML file with settings, by their long names.', valueName: 'FILE' }),
  'listen-address': textOption({
    short: 'I',
    doc: 'Address on which clients are served.',
    valueName: 'ADDRESS',
    shownDefault: DEFAULT_ADDRESS,
    check: acceptIpAddress,
  }),
  'listen-port': portOption({ short: 'p', doc: 'TCP port on which clients are served.', fallback: 8585 }),
  'tls-cert': textOption({
    doc: 'PEM file with the certificate and its intermediates: serve HTTPS. Read again when it changes.',
    valueName: 'FILE',
  }),
  'tls-key': textOption({ doc: 'PEM file with the private key of --tls-cert.', valueName: 'FILE' }),
  url: textOption({
    short: 'u',
    doc: 'URL under which clients reach this server; it is announced to them and has to lead to this very process.',
    valueName: 'URL',
    shownDefault: 'the listening address and port',
    check: acceptServerUrl,
  }),
  web: textOption({
    doc: 'Folder of the built meeting page; serve it under /. Read again at SIGHUP.',
    valueName: 'FOLDER',
    shownDefault: 'no page',
  }),
  'public-address': listOption({
    short: 'A',
    doc: 'Public address of this machine when it is behind address translation that keeps ports: at most one IPv4 and one IPv6 address.',
    valueName: 'ADDRESS',
    maxItems: 2,
    check: acceptPublicAddress,
  }),
  interface: listOption({
    short: 'O',
    doc: 'Network interfaces that media may use.',
    valueName: 'NAMES',
    shownDefault: 'all but loopback',
    maxItems: 32,
    check: (text) =>
      /^[A-Za-z0-9._:@-]{1,15}$/.test(text) ? undefined : 'a list of names of network interfaces',
  }),
  'media-port': integerOption({
    doc: 'Port of the first media thread, UDP and TCP. Each further thread takes the next port.',
    valueName: 'PORT',
    min: 1,
    max: 65535,
    fallback: 40000,
  }),
  workers: integerOption({
    short: 'w',
    doc: 'Media threads. One for each core serves most; fewer leave cores to other programs.',
    min: 1,
    max: 256,
    fallback: availableParallelism(),
    shownDefault: 'the number of cores',
  }),
  'srtp-profiles': listOption({
    doc:
      'Accepted protections of media, the most wanted first; a client that knows none of them cannot call. aes-128-gcm costs the least work; ' +
      'aes-256-gcm costs a little more for longer keys; aes-128-cm-sha1-80 costs about twice the work and saves 6 bytes of each packet. ' +
      'Native clients of Wire may know the last alone.',
    valueName: 'NAMES',
    fallback: srtpProfileNames,
    check: (text) => (isSrtpProfileName(text) ? undefined : `a list of ${srtpProfileNames.join(', ')}`),
  }),
  'metrics-address': textOption({
    short: 'M',
    doc: 'Address on which metrics and health are served to operators; not for the public.',
    valueName: 'ADDRESS',
    shownDefault: DEFAULT_ADDRESS,
    check: acceptIpAddress,
  }),
  'metrics-port': portOption({ short: 'r', doc: 'TCP port of the metrics.', fallback: 49090 }),
  'admin-address': textOption({
    doc: 'Address on which running calls are shown to operators. Another than a loopback address needs --admin-token-file.',
    valueName: 'ADDRESS',
    shownDefault: DEFAULT_ADDRESS,
    check: acceptIpAddress,
  }),
  'admin-port': textOption({
    doc: 'TCP port on which running calls are shown to operators.',
    valueName: 'PORT',
    shownDefault: 'not shown',
    check: acceptPort,
  }),
  'admin-token-file': textOption({
    doc: 'File whose first word operators have to show (Authorization: Bearer) to see calls.',
    valueName: 'FILE',
  }),
  'require-auth': switchOption({
    short: 'a',
    doc: 'Let in only callers with a token made with the secret of --secret-file.',
  }),
  'secret-file': listOption({
    short: 's',
    doc: 'File whose first word is a secret shared with the issuer of tokens. Give two files while the secret is being changed: both are then valid. Read again when they change.',
    valueName: 'FILE',
    maxItems: 8,
  }),
  blacklist: textOption({
    short: 'b',
    doc: 'Client versions that are refused: x.y.z for exactly that one, <x.y.z for all below, separated by commas.',
    valueName: 'VERSIONS',
    check: acceptBlacklist,
  }),
  'turn-discovery': switchOption({
    short: 'T',
    doc: 'Use the TURN servers that callers name. Recorded, but not served yet.',
  }),
  'federation-turn': textOption({
    short: 't',
    doc: 'URL of the TURN server that carries links to other servers. Recorded, but not served yet.',
    valueName: 'URL',
  }),
  ...federationOptions,
  ...sisterOptions,
  'packet-sending': choiceOption({
    doc:
      'How packets are handed to the kernel: segmented (packets to one receiver as one message, where kernel and device can do it) costs least; ' +
      'batched and single are for devices that mistreat such messages, and for comparison.',
    choices: packetSendings,
    fallback: 'segmented',
  }),
  'key-frame-interval': integerOption({
    short: 'k',
    doc: 'Least milliseconds between two requests to a sender for a key frame. Lower shows new receivers a picture sooner, higher spares the sender bits.',
    valueName: 'MS',
    min: 100,
    max: 60_000,
    fallback: 1000,
  }),
  'log-prefix': textOption({
    short: 'l',
    doc: 'Log into this path with .log added, instead of the standard error stream. SIGHUP opens it again.',
    valueName: 'PATH',
  }),
  quiet: switchOption({ short: 'q', doc: 'Log warnings and errors only.' }),
  verbose: switchOption({ short: 'v', doc: 'Log details too.' }),
  'cors-origin': listOption({
    doc: 'Origins whose pages may call; * for any.',
    valueName: 'ORIGINS',
    fallback: ['*'],
    check: acceptOrigin,
  }),
  'trusted-proxy': listOption({
    doc: 'Proxies, as addresses or blocks such as 10.0.0.0/8, whose X-Forwarded-For tells where a request comes from. Without it all callers behind a proxy share one rate limit.',
    valueName: 'BLOCKS',
    check: (text) => (isAddressBlock(text) ? undefined : 'a list of addresses or blocks of addresses'),
  }),
  'max-conferences': countOption('Conferences at a time.', limits.maxConferences),
  'max-participants-per-conference': countOption(
    'Clients in one conference.',
    limits.maxParticipantsPerConference,
    2000,
  ),
  'max-participants': countOption('Clients in all conferences.', limits.maxParticipants),
  'max-video-slots': integerOption({
    doc: 'Videos that one client can receive at a time. Older clients read offers for about 12.',
    min: 0,
    max: 32,
    fallback: limits.maxVideoSlots,
  }),
  'max-connections': countOption('Open connections of clients for signalling.', limits.maxConnections),
  'request-rate': countOption(
    'Requests a second of one address (an IPv6 /64 counts as one) in the long run.',
    limits.requestsPerSecond,
  ),
  'request-burst': countOption('Requests of one address that may come at once.', limits.requestBurst),
  'federation-url': oldOption('f', 'URL', 'servers do not talk to each other over HTTP'),
  'turn-username': oldOption('x', 'NAME', 'credentials for the TURN server come from --secret-file'),
  'turn-password': oldOption('c', 'PASSWORD', 'credentials for the TURN server come from --secret-file'),
};

/** A configuration and sentences that the operator should read. */
export interface SftConfigResult {
  readonly config: SftConfig;
  readonly warnings: readonly string[];
}

/**
 * The configuration that the settings describe. Throws {@link ConclaveError} `CONCLAVE_OPTIONS_CONFLICT` for
 * settings that do not go together. Reads no files; see {@link checkSftFiles}.
 */
export function toSftConfig(values: SftOptionValues): SftConfigResult {
  const address = canonicalIp(values['listen-address'] ?? DEFAULT_ADDRESS)!;
  const port = values['listen-port'];
  const certificatePath = values['tls-cert'];
  const keyPath = values['tls-key'];
  if ((certificatePath === undefined) !== (keyPath === undefined)) {
    throw conflict('--tls-cert and --tls-key have to be given together');
  }
  if (values['require-auth'] && values['secret-file'].length === 0) {
    throw conflict('-a (--require-auth) needs -s (--secret-file)');
  }
  const srtpProfiles = values['srtp-profiles'].filter(isSrtpProfileName);
  if (srtpProfiles.length === 0) throw conflict('--srtp-profiles has to name at least one');
  if (values.quiet && values.verbose) throw conflict('-q (--quiet) and -v (--verbose) exclude each other');
  if (values['media-port'] + values.workers - 1 > 65535) {
    throw conflict('--media-port plus -w (--workers) goes beyond port 65535');
  }
  const adminAddress = canonicalIp(values['admin-address'] ?? DEFAULT_ADDRESS)!;
  const adminTokenFile = values['admin-token-file'];
  if (values['admin-port'] !== undefined && adminTokenFile === undefined && !isLoopback(adminAddress)) {
    throw conflict('--admin-address beyond this machine needs --admin-token-file');
  }
  const config: SftConfig = {
    signalling: {
      address,
      port,
      tls: certificatePath !== undefined && keyPath !== undefined ? { certificatePath, keyPath } : undefined,
    },
    metrics: {
      address: canonicalIp(values['metrics-address'] ?? DEFAULT_ADDRESS)!,
      port: values['metrics-port'],
    },
    admin:
      values['admin-port'] === undefined
        ? undefined
        : { address: adminAddress, port: Number(values['admin-port']), tokenFile: adminTokenFile },
    url: values.url?.replace(/\/+$/, '') ?? defaultUrl(address, port, certificatePath !== undefined),
    webFolder: values.web,
    publicAddresses: onePerFamily(values['public-address']),
    interfaces: values.interface,
    mediaPort: values['media-port'],
    workers: values.workers,
    srtpProfiles,
    auth: { required: values['require-auth'], secretFiles: values['secret-file'] },
    blacklist: parseBlacklist(values.blacklist ?? ''),
    turnDiscovery: values['turn-discovery'],
    federationTurn: values['federation-turn'],
    federation: federationOf(values),
    sisters: sistersOf(values),
    keyFrameIntervalMs: values['key-frame-interval'],
    packetSending: values['packet-sending'],
    log: {
      level: values.quiet ? 'warn' : values.verbose ? 'debug' : 'info',
      filePrefix: values['log-prefix'],
    },
    limits: {
      ...defaultSftLimits,
      maxConferences: values['max-conferences'],
      maxParticipantsPerConference: values['max-participants-per-conference'],
      maxParticipants: values['max-participants'],
      maxVideoSlots: values['max-video-slots'],
      maxConnections: values['max-connections'],
      requestsPerSecond: values['request-rate'],
      requestBurst: values['request-burst'],
    },
    cors: { origins: values['cors-origin'] },
    trustedProxies: values['trusted-proxy'],
    timings: defaultSftTimings,
  };
  return { config, warnings: warningsOf(config) };
}

/**
 * Reads the files that a configuration names, to find out before anything is started whether they are usable.
 * Throws the {@link ConclaveError} of the first that is not.
 */
export function checkSftFiles(config: SftConfig): void {
  for (const path of config.auth.secretFiles) readSecretFile(path);
  if (config.admin?.tokenFile !== undefined) readSecretFile(config.admin.tokenFile);
  if (config.signalling.tls) readTlsFiles(config.signalling.tls);
  if (config.federation) loadFederationIdentity(config.federation.files);
  for (const path of config.sisters?.secretFiles ?? []) readSecretFile(path);
}

function warningsOf(config: SftConfig): string[] {
  const warnings: string[] = [];
  if (config.turnDiscovery) {
    warnings.push(
      '-T (--turn-discovery) is recorded but not served yet: TURN servers of callers are not used',
    );
  }
  if (config.federationTurn !== undefined) {
    warnings.push(
      '-t (--federation-turn) is recorded but not served yet: there are no links to other servers',
    );
  }
  return warnings;
}

function countOption(doc: string, fallback: number, max = 1_000_000): OptionsFor<SftOptionValues>['workers'] {
  return integerOption({ doc, min: 1, max, fallback });
}

function oldOption(
  short: string,
  valueName: string,
  reason: string,
): OptionsFor<SftOptionValues>['federation-url'] {
  return ignoredOption({
    short,
    doc: `Does nothing: ${reason}.`,
    valueName,
    takes: 'one',
    warning: reason,
    confidential: true,
  });
}

function defaultUrl(address: string, port: number, secure: boolean): string {
  if (address === '0.0.0.0' || address === '::') {
    throw conflict(
      '-I (--listen-address) with all addresses needs -u (--url), since clients have to be told one',
    );
  }
  if (port === 0)
    throw conflict('-p (--listen-port) 0 needs -u (--url), since clients have to be told a port');
  const host = ipFamily(address) === 6 ? `[${address}]` : address;
  return `${secure ? 'https' : 'http'}://${host}:${port}`;
}

function onePerFamily(addresses: readonly string[]): readonly string[] {
  const canonical = addresses.map((address) => canonicalIp(address)!);
  if (canonical.length === 2 && ipFamily(canonical[0]!) === ipFamily(canonical[1]!)) {
    throw conflict('-A (--public-address) takes one IPv4 and one IPv6 address, not two of one kind');
  }
  return canonical;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

function acceptPublicAddress(text: string): string | undefined {
  const address = canonicalIp(text);
  const wrong = address === undefined || address === '0.0.0.0' || address === '::';
  return wrong ? 'one IPv4 and one IPv6 address at most' : undefined;
}

function acceptOrigin(text: string): string | undefined {
  if (text === '*') return undefined;
  try {
    if (new URL(text).origin === text) return undefined;
  } catch {
    // Falls through to the same sentence.
  }
  return 'a list of origins such as https://app.example.com, or *';
}

function isSrtpProfileName(text: string): text is SrtpProfileName {
  return srtpProfileNames.some((name) => name === text);
}

function acceptBlacklist(text: string): string | undefined {
  try {
    parseBlacklist(text);
    return undefined;
  } catch (error) {
    if (error instanceof FormatError) return 'a list of versions x.y.z or <x.y.z';
    throw error;
  }
}
