import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  acceptIpAddress,
  integerOption,
  listOption,
  type OptionsFor,
  portOption,
  switchOption,
  textOption,
} from '@conclave/service';

/** The settings of the `up` command, by long flag name: the keys of its configuration file. */
export interface UpOptionValues {
  readonly config: string | undefined;
  readonly domain: string | undefined;
  /** 0 when nobody chose one. */
  readonly port: number;
  readonly 'listen-address': string | undefined;
  readonly lan: boolean;
  readonly 'tls-cert': string | undefined;
  readonly 'tls-key': string | undefined;
  readonly 'self-made-certificate': boolean;
  readonly 'public-address': readonly string[];
  readonly interface: readonly string[];
  readonly 'media-port': number;
  readonly workers: number;
  readonly 'turn-port': number;
  readonly 'turn-tls-port': number;
  readonly 'turn-relay-ports': string | undefined;
  readonly 'metrics-address': string | undefined;
  readonly 'metrics-port': number;
  readonly 'trusted-proxy': readonly string[];
  readonly web: string | undefined;
  readonly state: string | undefined;
  readonly 'log-prefix': string | undefined;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** Prefix of the environment variables of the `up` command. */
export const upEnvironmentPrefix = 'CONCLAVE_UP_';

/** The configuration file that is read when none is named, if it is there. */
export const defaultConfigFile = 'conclave.yaml';

/** Folder of what the program keeps for itself when none is named. */
export const defaultStateFolder = 'conclave-state';

/** Port of a server without certificate for a domain. */
export const defaultPort = 8585;

/** Ports of relays when none are named. */
export const defaultTurnRelayPorts = '50000-50999';

/** Where the build leaves the meeting page. */
export const builtPageFolder: string = fileURLToPath(new URL('../../web/build', import.meta.url));

/** Declarations of {@link UpOptionValues}; letters are those of the `sft` command. */
export const upOptions: OptionsFor<UpOptionValues> = {
  config: textOption({
    doc: 'YAML file with settings, by their long names.',
    valueName: 'FILE',
    shownDefault: `${defaultConfigFile} in this folder, if there is one`,
  }),
  domain: textOption({
    doc: 'Name under which people reach this server. Without it and --lan it serves this machine alone, at http://localhost.',
    valueName: 'NAME',
    check: acceptDomain,
  }),
  port: integerOption({
    short: 'p',
    doc: 'TCP port of page and signalling.',
    valueName: 'PORT',
    min: 1,
    max: 65535,
    fallback: 0,
    shownDefault: `443 with a domain and a certificate, otherwise ${defaultPort}`,
  }),
  'listen-address': textOption({
    short: 'I',
    doc: 'Address on which page and signalling are served.',
    valueName: 'ADDRESS',
    shownDefault: '127.0.0.1 for this machine or behind a proxy, otherwise all addresses',
    check: acceptIpAddress,
  }),
  lan: switchOption({
    doc: 'Serve the local network over HTTPS with a certificate that the server makes itself.',
  }),
  'tls-cert': textOption({
    doc: 'PEM file with the certificate for the domain and its intermediates. Read again when it changes. With a domain and without a certificate a proxy in front has to do HTTPS.',
    valueName: 'FILE',
  }),
  'tls-key': textOption({ doc: 'PEM file with the private key of --tls-cert.', valueName: 'FILE' }),
  'self-made-certificate': switchOption({
    doc: 'Make a certificate for the domain; browsers will warn of it. Renewed by itself.',
  }),
  'public-address': listOption({
    short: 'A',
    doc: 'Public address of this machine when it is behind address translation that keeps ports: at most one IPv4 and one IPv6 address.',
    valueName: 'ADDRESS',
    maxItems: 2,
    check: acceptIpAddress,
  }),
  interface: listOption({
    short: 'O',
    doc: 'Network interfaces that media may use.',
    valueName: 'NAMES',
    shownDefault: 'loopback for this machine, otherwise all others',
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
    doc: 'Media threads. One for each core serves most; fewer leave cores to other programs and ports to firewalls.',
    min: 1,
    max: 256,
    fallback: availableParallelism(),
    shownDefault: 'the number of cores',
  }),
  'turn-port': portOption({
    doc: 'UDP and TCP port of the TURN server, for people whose network lets nothing through to the media port. It relays to this server alone. 0: no TURN server.',
    fallback: 3478,
  }),
  'turn-tls-port': portOption({
    doc: 'TCP port of the TURN server for TLS, where there is a certificate from --tls-cert. 443 passes most firewalls, if the page is served on another address or port. 0: none.',
    fallback: 5349,
  }),
  'turn-relay-ports': textOption({
    doc: 'Ports from which the TURN server relays. Nobody outside needs to reach them; each relaying person takes one to six.',
    valueName: 'FIRST-LAST',
    shownDefault: defaultTurnRelayPorts,
    check: (text) => (isPortRange(text) ? undefined : 'two ports from 1024 to 65535, such as 50000-50999'),
  }),
  'metrics-address': textOption({
    short: 'M',
    doc: 'Address on which metrics and health are served to operators; not for the public.',
    valueName: 'ADDRESS',
    shownDefault: '127.0.0.1',
    check: acceptIpAddress,
  }),
  'metrics-port': portOption({ short: 'r', doc: 'TCP port of the metrics.', fallback: 49090 }),
  'trusted-proxy': listOption({
    doc: 'Proxies, as addresses or blocks, whose X-Forwarded-For is believed.',
    valueName: 'BLOCKS',
    shownDefault: 'this machine, where a proxy does HTTPS',
  }),
  web: textOption({
    doc: 'Folder of the meeting page.',
    valueName: 'FOLDER',
    shownDefault: 'the page that was built with this program',
  }),
  state: textOption({
    doc: 'Folder of what the server keeps for itself: the secret of its TURN server, a self-made certificate and its key.',
    valueName: 'FOLDER',
    shownDefault: defaultStateFolder,
  }),
  'log-prefix': textOption({
    short: 'l',
    doc: 'Log into this path with .log added, instead of the standard error stream. SIGHUP opens it again.',
    valueName: 'PATH',
  }),
  quiet: switchOption({ short: 'q', doc: 'Log warnings and errors only, and print no address.' }),
  verbose: switchOption({ short: 'v', doc: 'Log details too.' }),
};

/** Check for an option: a host name of at least two labels. */
export function acceptDomain(text: string): string | undefined {
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
  const right = new RegExp(`^(${label}\\.)+${label}$`, 'i').test(text) && text.length <= 253;
  return right && acceptIpAddress(text) !== undefined ? undefined : 'a host name such as meet.example.org';
}

function isPortRange(text: string): boolean {
  const [first, last] = (/^(\d{4,5})-(\d{4,5})$/.exec(text) ?? []).slice(1).map(Number);
  return first !== undefined && last !== undefined && first >= 1024 && first <= last && last <= 65535;
}
