import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PageIceServers, type SftConfig, selectMediaAddresses } from '@conclave/app-sft';
import type * as Turn from '@conclave/app-turn';
import { ipFamily } from '@conclave/bytes';
import { ConclaveError, causeOf, loadOptions, quote, type TlsFiles } from '@conclave/service';
import type { TurnProgram } from './turn-command.ts';
import { defaultTurnRelayPorts, type UpOptionValues } from './up-options.ts';
import type { UpMachine, UpPlan } from './up-plan.ts';

/**
 * How long the page's credentials are good. Lower: pages ask more often; higher: whoever left a meeting can make relays for
 * longer. Relays that were made with one live on while they are refreshed.
 */
export const TURN_CREDENTIAL_SECONDS = 3600;

/** Relays and connections of one address: an office behind one address translator, three of each for every person. */
const PER_ADDRESS = 500;

/** Where the secret of the page's credentials is kept. */
export function turnSecretPath(plan: UpPlan): string {
  return join(plan.stateFolder, 'turn-secret');
}

/**
 * The TURN server that runs beside a conference server: on the addresses of its media, relaying to them and to its media
 * ports alone. Undefined when it is switched off. Throws {@link ConclaveError} as the `turn` command does.
 */
export function siteTurnConfig(
  values: UpOptionValues,
  plan: UpPlan,
  sft: SftConfig,
  machine: UpMachine,
  program: Pick<
    TurnProgram,
    'formatTransportAddress' | 'toTurnConfig' | 'turnEnvironmentPrefix' | 'turnOptions'
  >,
): Turn.TurnConfig | undefined {
  const port = values['turn-port'];
  const media = selectMediaAddresses(machine.interfaces, sft.interfaces, sft.publicAddresses);
  if (port === 0 || media.length === 0) return undefined;
  const tls = turnTlsFiles(values, plan);
  const at = (address: string, on: number): string => program.formatTransportAddress({ address, port: on });
  const families = new Set(media.map(({ family }) => family));
  const peers = new Set(media.flatMap(({ address, advertised }) => [address, advertised]));
  const loaded = loadOptions({
    options: program.turnOptions,
    words: [
      ...media.flatMap(({ address }) => ['--listen', at(address, port)]),
      ...(tls
        ? [
            ...media.flatMap(({ address }) => ['--listen', `${at(address, values['turn-tls-port'])}/tls`]),
            ...['--tls-cert', tls.certificatePath, '--tls-key', tls.keyPath],
          ]
        : []),
      ...[4, 6].flatMap((family) => {
        const first = media.find((one) => one.family === family);
        return first ? ['--relay-address', first.address] : [];
      }),
      ...sft.publicAddresses
        .filter((address) => families.has(ipFamily(address)))
        .flatMap((address) => ['--public-address', address]),
      ...['--relay-ports', values['turn-relay-ports'] ?? defaultTurnRelayPorts],
      ...['--realm', values.domain?.toLowerCase() ?? 'conclave', '--secret-file', turnSecretPath(plan)],
      ...[...peers].flatMap((address) => ['--allow-peer', address]),
      '--allowed-peers-only',
      ...['--max-allocations-per-address', String(PER_ADDRESS)],
      ...['--max-connections-per-address', String(PER_ADDRESS)],
      ...['--workers', String(Math.min(64, values.workers)), '--drain-deadline', '0'],
    ],
    environment: {},
    environmentPrefix: program.turnEnvironmentPrefix,
  });
  return {
    ...program.toTurnConfig(loaded!.values),
    peerPorts: { first: sft.mediaPort, last: sft.mediaPort + sft.workers - 1 },
    // The conference server shows both.
    metrics: undefined,
  };
}

/** Makes the secret at the first start, for this user alone. Throws {@link ConclaveError} when it cannot be written. */
export function ensureTurnSecret(plan: UpPlan): void {
  const path = turnSecretPath(plan);
  if (existsSync(path)) return;
  try {
    mkdirSync(plan.stateFolder, { recursive: true, mode: 0o700 });
    writeFileSync(path, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new ConclaveError(
      'CONCLAVE_STATE_UNWRITABLE',
      `cannot write the secret of the TURN server into ${quote(plan.stateFolder)} (${causeOf(cause)})`,
      { cause },
    );
  }
}

/** What {@link siteIceServers} makes its answers of. */
export interface SiteIceServerOptions {
  readonly values: UpOptionValues;
  readonly plan: UpPlan;
  readonly sft: SftConfig;
  readonly machine: UpMachine;
  readonly issuer: Pick<Turn.CredentialIssuer, 'issue'>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** What pages are told of the TURN server of their site, with a credential of their own. */
export function siteIceServers(
  options: SiteIceServerOptions,
): (hostname: string | undefined) => PageIceServers {
  const { values, plan, sft, machine, issuer, nowMs } = options;
  const port = values['turn-port'];
  const tls = turnTlsFiles(values, plan) !== undefined;
  const media = selectMediaAddresses(machine.interfaces, sft.interfaces, sft.publicAddresses);
  const announced = media.map(({ advertised }) =>
    advertised.includes(':') ? `[${advertised}]` : advertised,
  );
  const known = plan.urls.map((url) => new URL(url).hostname);
  // A name may lead to a proxy or to an address that media is not served on; an interface that the page came by is right.
  const direct = plan.reach === 'machine' || plan.certificate.from === 'proxy';
  return (hostname) => {
    const asked = known.find((name) => name === hostname) ?? known[0]!;
    const host = direct ? announced[0]! : asked;
    const { username, password } = issuer.issue(nowMs() / 1000 + TURN_CREDENTIAL_SECONDS);
    return {
      iceServers: [
        {
          urls: [
            `turn:${host}:${port}?transport=udp`,
            `turn:${host}:${port}?transport=tcp`,
            ...(tls ? [`turns:${host}:${values['turn-tls-port']}?transport=tcp`] : []),
          ],
          username,
          credential: password.reveal(),
        },
      ],
      validForSeconds: TURN_CREDENTIAL_SECONDS,
    };
  };
}

/** The certificate for TLS: browsers take a self-made one for a page when people accept it, but never for TURN. */
function turnTlsFiles(values: UpOptionValues, plan: UpPlan): TlsFiles | undefined {
  return values['turn-tls-port'] !== 0 && plan.certificate.from === 'files'
    ? plan.certificate.files
    : undefined;
}
