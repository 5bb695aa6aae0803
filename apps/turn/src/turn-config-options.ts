import { availableParallelism } from 'node:os';
import { canonicalIp, ipFamily } from '@conclave/bytes';
import {
  acceptIpAddress,
  ConclaveError,
  integerOption,
  listOption,
  type OptionsFor,
  portOption,
  readSecretFile,
  readTlsFiles,
  switchOption,
  textOption,
} from '@conclave/service';
import type { TurnConfig, TurnLimits } from './turn-config.ts';
import { parseListen, parsePeerRule, parsePortRange, parseTransportAddress } from './turn-listen-option.ts';
import { readUserFile } from './user-file.ts';

/** The settings of the `turn` command, by long flag name. */
export interface TurnOptionValues {
  readonly config: string | undefined;
  readonly listen: readonly string[];
  readonly 'listen-tls': readonly string[];
  readonly 'relay-address': readonly string[];
  readonly 'public-address': readonly string[];
  readonly 'relay-ports': string | undefined;
  readonly 'shared-relay-port': number;
  readonly realm: string | undefined;
  readonly 'secret-file': readonly string[];
  readonly 'user-file': string | undefined;
  readonly 'tls-cert': string | undefined;
  readonly 'tls-key': string | undefined;
  readonly 'allow-peer': readonly string[];
  readonly 'allowed-peers-only': boolean;
  readonly 'deny-peer': readonly string[];
  readonly 'peer-ports': string | undefined;
  readonly 'tcp-relays': boolean;
  readonly 'strict-channels': boolean;
  readonly 'max-lifetime': number;
  readonly 'max-allocations-per-user': number;
  readonly 'max-allocations-per-address': number;
  readonly 'max-allocations': number;
  readonly 'max-bytes-per-second': number;
  readonly 'max-connections-per-address': number;
  readonly 'max-connections': number;
  readonly 'answer-rate': number;
  readonly 'alternate-server': readonly string[];
  readonly 'drain-deadline': number;
  readonly workers: number;
  readonly 'metrics-address': string | undefined;
  readonly 'metrics-port': number;
  readonly 'log-prefix': string | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** Prefix of the environment variables of the `turn` command. */
export const turnEnvironmentPrefix = 'CONCLAVE_TURN_';

const DEFAULT_LISTEN = '127.0.0.1:3478';
const DEFAULT_PORTS = '49152-65535';
const DEFAULT_REALM = 'conclave';
const DEFAULT_METRICS_ADDRESS = '127.0.0.1';

/** The limits of a server that was told nothing. */
export const defaultTurnLimits: TurnLimits = {
  allocationsPerUser: 64,
  allocationsPerAddress: 256,
  allocations: 16_000,
  bytesPerSecond: 0,
  answersPerSecond: 20,
  connectionsPerAddress: 256,
  connections: 20_000,
};

/** Declarations of {@link TurnOptionValues}. */
export const turnOptions: OptionsFor<TurnOptionValues> = {
  config: textOption({ doc: 'YAML file with settings, by their long names.', valueName: 'FILE' }),
  listen: listOption({
    short: 'L',
    doc: 'Where clients are served: ADDRESS:PORT for UDP and TCP, or with /udp, /tcp, /tls or /dtls for that alone. 0.0.0.0 and [::] stand for all addresses of this machine. May be given often.',
    valueName: 'PLACES',
    shownDefault: DEFAULT_LISTEN,
    check: (text) => (parseListen(text) ? undefined : 'a list of ADDRESS:PORT or ADDRESS:PORT/TRANSPORT'),
  }),
  'listen-tls': listOption({
    doc: 'The same for TLS over TCP and DTLS over UDP; needs --tls-cert. The usual port is 5349; 443 passes most firewalls.',
    valueName: 'PLACES',
    check: (text) => (parseTransportAddress(text) ? undefined : 'a list of ADDRESS:PORT'),
  }),
  'relay-address': listOption({
    doc: 'Address that peers are reached from: at most one IPv4 and one IPv6 address.',
    valueName: 'ADDRESS',
    shownDefault: 'the first listening address of each kind',
    maxItems: 2,
    check: acceptRelayAddress,
  }),
  'public-address': listOption({
    short: 'A',
    doc: 'Public address of the relays when this machine is behind address translation that keeps ports: at most one IPv4 and one IPv6 address.',
    valueName: 'ADDRESS',
    maxItems: 2,
    check: acceptRelayAddress,
  }),
  'relay-ports': textOption({
    doc: 'Ports of the relays. Fewer bound the allocations.',
    valueName: 'FIRST-LAST',
    shownDefault: DEFAULT_PORTS,
    check: (text) => (parsePortRange(text) ? undefined : 'two ports from 1024 to 65535, such as 50000-50999'),
  }),
  'shared-relay-port': integerOption({
    doc: 'One port for all relays of each address kind, so that a firewall opens one: packets are told apart by the peer they come from. Only a second relay to the same peer, and what needs a port of its own, takes one of --relay-ports. 0: every relay has its own port.',
    valueName: 'PORT',
    min: 0,
    max: 65535,
    fallback: 0,
  }),
  realm: textOption({
    doc: 'Realm of the credentials, usually the domain. It is part of every challenge: the shorter the better.',
    valueName: 'NAME',
    shownDefault: DEFAULT_REALM,
    check: (text) =>
      text.length <= 127 && !/["\\]/.test(text)
        ? undefined
        : 'at most 127 characters without quote and backslash',
  }),
  'secret-file': listOption({
    short: 's',
    doc: 'File whose first word is a secret shared with the issuer of time-limited credentials: user names of the form d=EXPIRY.v=1.k=N.t=T.r=RANDOM or EXPIRY:NAME. Give two files while the secret is being changed: both are then valid. Read again when they change.',
    valueName: 'FILE',
    maxItems: 8,
  }),
  'user-file': textOption({
    doc: 'File with users that do not expire, one NAME:PASSWORD a line. Read again when it changes.',
    valueName: 'FILE',
  }),
  'tls-cert': textOption({
    doc: 'PEM file with the certificate and its intermediates for TLS and DTLS. Read again when it changes.',
    valueName: 'FILE',
  }),
  'tls-key': textOption({ doc: 'PEM file with the private key of --tls-cert.', valueName: 'FILE' }),
  'allow-peer': listOption({
    doc: 'Peers, as ADDRESS, ADDRESS/PREFIX or FIRST-LAST, that relays may reach although they are private, otherwise special, or this machine itself; with @ADDRESS:PORT behind, for clients of that listener alone. For calls between two clients that both use this server, its own relay address must be among them.',
    valueName: 'RANGES',
    maxItems: 256,
    check: acceptPeerRule,
  }),
  'allowed-peers-only': switchOption({
    doc: 'Let relays reach the peers of --allow-peer and nobody else, as beside conference servers whose addresses are known.',
  }),
  'deny-peer': listOption({
    doc: 'Peers, in the same forms, that relays may never reach.',
    valueName: 'RANGES',
    maxItems: 256,
    check: acceptPeerRule,
  }),
  'peer-ports': textOption({
    doc: 'Ports of peers that relays may send to, such as the media ports of a conference server. Not with --tcp-relays.',
    valueName: 'FIRST-LAST',
    shownDefault: 'all',
    check: (text) => (parsePortRange(text) ? undefined : 'two ports from 1024 to 65535, such as 40000-40003'),
  }),
  'tcp-relays': switchOption({ doc: 'Offer relays that talk TCP with peers too (RFC 6062).' }),
  'strict-channels': switchOption({
    doc: 'Refuse channel numbers from 0x5000 on: RFC 8656 reserves them, but clients of RFC 5766 use them.',
  }),
  'max-lifetime': integerOption({
    doc: 'Longest seconds that an allocation lives without being refreshed. Lower frees the ports of lost clients sooner.',
    valueName: 'SECONDS',
    min: 600,
    max: 86_400,
    fallback: 3600,
  }),
  'max-allocations-per-user': countOption(
    'Relay ports of one user; of a time-limited one, whose name differs each time, of one credential.',
    defaultTurnLimits.allocationsPerUser,
  ),
  'max-allocations-per-address': countOption(
    'Relay ports of one client address (an IPv6 /64 counts as one).',
    defaultTurnLimits.allocationsPerAddress,
  ),
  'max-allocations': countOption('Relay ports in all.', defaultTurnLimits.allocations),
  'max-bytes-per-second': integerOption({
    doc: 'Bytes a second of one allocation in each direction; more is dropped. 0 for no limit.',
    min: 0,
    max: 1_000_000_000,
    fallback: defaultTurnLimits.bytesPerSecond,
  }),
  'max-connections-per-address': countOption(
    'TCP and TLS connections and DTLS sessions of one address (an IPv6 /64 counts as one).',
    defaultTurnLimits.connectionsPerAddress,
  ),
  'max-connections': countOption(
    'TCP and TLS connections and DTLS sessions in all.',
    defaultTurnLimits.connections,
  ),
  'answer-rate': countOption(
    'Answers a second to requests of one address that prove nothing. Lower slows people behind one address translator, higher lets more be reflected at a victim.',
    defaultTurnLimits.answersPerSecond,
  ),
  'alternate-server': listOption({
    doc: 'Servers that clients are sent to while this one drains, as ADDRESS:PORT; the first of the client’s own address kind is taken.',
    valueName: 'PLACES',
    maxItems: 16,
    check: (text) => (parseTransportAddress(text) ? undefined : 'a list of ADDRESS:PORT'),
  }),
  'drain-deadline': integerOption({
    doc: 'Seconds after SIGTERM until allocations that are still alive are ended.',
    valueName: 'SECONDS',
    min: 0,
    max: 604_800,
    fallback: 3600,
  }),
  workers: integerOption({
    short: 'w',
    doc: 'Relaying threads. One for each core serves most; fewer leave cores to other programs.',
    min: 1,
    max: 64,
    fallback: Math.min(64, availableParallelism()),
    shownDefault: 'the number of cores',
  }),
  'metrics-address': textOption({
    short: 'M',
    doc: 'Address on which metrics and health are served to operators; not for the public.',
    valueName: 'ADDRESS',
    shownDefault: DEFAULT_METRICS_ADDRESS,
    check: acceptIpAddress,
  }),
  'metrics-port': portOption({ short: 'r', doc: 'TCP port of the metrics.', fallback: 9641 }),
  'log-prefix': textOption({
    short: 'l',
    doc: 'Log into this path with .log added, instead of the standard error stream. SIGHUP opens it again.',
    valueName: 'PATH',
  }),
  quiet: switchOption({ short: 'q', doc: 'Log warnings and errors only.' }),
  verbose: switchOption({ short: 'v', doc: 'Log details too.' }),
};

/**
 * The configuration that the settings describe. Throws {@link ConclaveError} `CONCLAVE_OPTIONS_CONFLICT` for
 * settings that do not go together. Reads no files; see {@link checkTurnFiles}.
 */
export function toTurnConfig(values: TurnOptionValues): TurnConfig {
  const listeners = [
    ...(values.listen.length === 0 && values['listen-tls'].length === 0 ? [DEFAULT_LISTEN] : values.listen),
    ...values['listen-tls'].flatMap((place) => [`${place}/tls`, `${place}/dtls`]),
  ].flatMap((text) => parseListen(text) ?? []);
  const certificatePath = values['tls-cert'];
  const keyPath = values['tls-key'];
  if ((certificatePath === undefined) !== (keyPath === undefined)) {
    throw conflict('--tls-cert and --tls-key have to be given together');
  }
  const secure = listeners.some(({ transport }) => transport === 'tls' || transport === 'dtls');
  if (secure && certificatePath === undefined) {
    throw conflict('listening for TLS or DTLS needs --tls-cert and --tls-key');
  }
  if (values['secret-file'].length === 0 && values['user-file'] === undefined) {
    throw conflict('-s (--secret-file) or --user-file is needed: nobody may relay without a credential');
  }
  if (values['tcp-relays'] && values['peer-ports'] !== undefined) {
    throw conflict('--peer-ports bounds datagrams alone, so it has no place beside --tcp-relays');
  }
  if (values.quiet && values.verbose) throw conflict('-q (--quiet) and -v (--verbose) exclude each other');
  return {
    listeners,
    relayAddresses: onePerFamily('--relay-address', values['relay-address']),
    publicAddresses: onePerFamily('-A (--public-address)', values['public-address']),
    relayPorts: parsePortRange(values['relay-ports'] ?? DEFAULT_PORTS)!,
    sharedRelayPort: values['shared-relay-port'] === 0 ? undefined : values['shared-relay-port'],
    realm: values.realm ?? DEFAULT_REALM,
    secretFiles: values['secret-file'],
    userFile: values['user-file'],
    tls: certificatePath !== undefined && keyPath !== undefined ? { certificatePath, keyPath } : undefined,
    allowPeers: values['allow-peer'].flatMap((text) => parsePeerRule(text) ?? []),
    allowedPeersOnly: values['allowed-peers-only'],
    peerPorts: values['peer-ports'] === undefined ? undefined : parsePortRange(values['peer-ports']),
    denyPeers: values['deny-peer'].flatMap((text) => parsePeerRule(text) ?? []),
    tcpRelays: values['tcp-relays'],
    strictChannels: values['strict-channels'],
    maxLifetimeMs: values['max-lifetime'] * 1000,
    limits: {
      allocationsPerUser: values['max-allocations-per-user'],
      allocationsPerAddress: values['max-allocations-per-address'],
      allocations: values['max-allocations'],
      bytesPerSecond: values['max-bytes-per-second'],
      answersPerSecond: values['answer-rate'],
      connectionsPerAddress: values['max-connections-per-address'],
      connections: values['max-connections'],
    },
    alternates: values['alternate-server'].flatMap((text) => parseTransportAddress(text) ?? []),
    drainDeadlineMs: values['drain-deadline'] * 1000,
    workers: values.workers,
    metrics: {
      address: canonicalIp(values['metrics-address'] ?? DEFAULT_METRICS_ADDRESS)!,
      port: values['metrics-port'],
    },
    log: {
      level: values.quiet ? 'warn' : values.verbose ? 'debug' : 'info',
      filePrefix: values['log-prefix'],
    },
    fileCheckIntervalMs: 5000,
  };
}

/**
 * Reads the files that a configuration names, to find out before anything is started whether they are usable.
 * Throws the {@link ConclaveError} of the first that is not.
 */
export function checkTurnFiles(config: TurnConfig): void {
  for (const path of config.secretFiles) readSecretFile(path);
  if (config.userFile !== undefined) readUserFile(config.userFile);
  if (config.tls) readTlsFiles(config.tls);
}

function countOption(doc: string, fallback: number): OptionsFor<TurnOptionValues>['workers'] {
  return integerOption({ doc, min: 1, max: 1_000_000, fallback });
}

function acceptRelayAddress(text: string): string | undefined {
  const address = canonicalIp(text);
  const wrong = address === undefined || address === '0.0.0.0' || address === '::';
  return wrong ? 'one IPv4 and one IPv6 address at most' : undefined;
}

function acceptPeerRule(text: string): string | undefined {
  return parsePeerRule(text)
    ? undefined
    : 'a list of ADDRESS, ADDRESS/PREFIX or FIRST-LAST, each with @ADDRESS:PORT behind or not';
}

function onePerFamily(flag: string, addresses: readonly string[]): readonly string[] {
  const canonical = addresses.map((address) => canonicalIp(address)!);
  if (canonical.length === 2 && ipFamily(canonical[0]!) === ipFamily(canonical[1]!)) {
    throw conflict(`${flag} takes one IPv4 and one IPv6 address, not two of one kind`);
  }
  return canonical;
}

function conflict(message: string): ConclaveError {
  return new ConclaveError('CONCLAVE_OPTIONS_CONFLICT', message);
}
