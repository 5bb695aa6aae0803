import { isAddressBlock, listOption, type OptionsFor, textOption } from '@conclave/service';
import { acceptPort, conflict } from './option-checks.ts';
import type { SftConfig } from './sft-config.ts';

/** Settings about conferences shared with other domains, by long flag name. */
export interface FederationOptionValues {
  readonly 'federation-port': string | undefined;
  readonly 'federation-cert': string | undefined;
  readonly 'federation-key': string | undefined;
  readonly 'federation-authority': string | undefined;
  readonly 'federation-domain': readonly string[];
  readonly 'federation-allow-address': readonly string[];
}

/** Declarations of {@link FederationOptionValues}. */
export const federationOptions: OptionsFor<FederationOptionValues> = {
  'federation-port': textOption({
    doc: 'UDP port where servers of other domains connect to share conferences. Each further media thread takes the next port.',
    valueName: 'PORT',
    shownDefault: 'conferences are not shared; 9190 is customary',
    check: acceptPort,
  }),
  'federation-cert': textOption({
    doc: 'PEM file with the certificate for the host of --url, and its intermediates, that other servers are shown. Read again at SIGHUP.',
    valueName: 'FILE',
  }),
  'federation-key': textOption({
    doc: 'PEM file with the private key of --federation-cert.',
    valueName: 'FILE',
  }),
  'federation-authority': textOption({
    doc: 'PEM file with the certificates of the authorities that certificates of other servers have to be of.',
    valueName: 'FILE',
  }),
  'federation-domain': listOption({
    doc: 'Domains with whose servers conferences may be shared, names below them included.',
    valueName: 'DOMAINS',
    check: (text) =>
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/.test(text)
        ? undefined
        : 'a list of domains such as example.org, in lower case',
  }),
  'federation-allow-address': listOption({
    doc: 'Private and other special addresses where servers of other domains may be all the same, as addresses or blocks.',
    valueName: 'BLOCKS',
    check: (text) => (isAddressBlock(text) ? undefined : 'a list of addresses or blocks of addresses'),
  }),
};

/**
 * What the settings say about sharing conferences; undefined when they are not to be shared. Throws `ConclaveError`
 * `CONCLAVE_OPTIONS_CONFLICT` when something needed for it is missing.
 */
export function federationOf(
  values: FederationOptionValues & {
    readonly url: string | undefined;
    readonly workers: number;
    readonly sister?: readonly string[];
  },
): SftConfig['federation'] {
  const port = values['federation-port'];
  if (port === undefined) return undefined;
  const certificatePath = values['federation-cert'];
  const keyPath = values['federation-key'];
  const authorityPath = values['federation-authority'];
  if (certificatePath === undefined || keyPath === undefined || authorityPath === undefined) {
    throw conflict('--federation-port needs --federation-cert, --federation-key and --federation-authority');
  }
  const domains = values['federation-domain'];
  if (domains.length === 0 && (values.sister ?? []).length === 0)
    throw conflict('--federation-port needs --federation-domain or --sister');
  if (values.url === undefined)
    throw conflict('--federation-port needs -u (--url), by which others know this server');
  if (Number(port) + values.workers - 1 > 65535) {
    throw conflict('--federation-port plus -w (--workers) goes beyond port 65535');
  }
  return {
    port: Number(port),
    files: { certificatePath, keyPath, authorityPath },
    domains,
    allowedAddresses: values['federation-allow-address'],
  };
}
