import { integerOption, listOption, type OptionsFor } from '@conclave/service';
import { acceptServerUrl, conflict } from './option-checks.ts';
import type { SftConfig } from './sft-config.ts';

/** Settings about the other servers of the same installation, by long flag name. */
export interface SisterOptionValues {
  readonly sister: readonly string[];
  readonly 'sister-secret-file': readonly string[];
  readonly 'handover-rate': number;
}

/** Declarations of {@link SisterOptionValues}. */
export const sisterOptions: OptionsFor<SisterOptionValues> = {
  sister: listOption({
    doc:
      'URLs (-u) of the servers of this installation; its own among them does no harm. When this one is told to end, its conferences move to them; ' +
      'requests about conferences that one of them has are passed on. Needs --sister-secret-file, and --federation-port with its files.',
    valueName: 'URLS',
    maxItems: 64,
    check: (text) => acceptServerUrl(text) && 'a list of http or https URLs',
  }),
  'sister-secret-file': listOption({
    doc: 'File whose first word is the secret that all servers of this installation share. A second one is accepted too, while the secret is being changed. Read again at SIGHUP.',
    valueName: 'FILE',
    maxItems: 2,
  }),
  'handover-rate': integerOption({
    doc: 'Clients led to another server each second when this one is told to end. Lower is gentler to the network and the other servers, higher is done sooner.',
    min: 1,
    max: 200,
    fallback: 20,
  }),
};

/**
 * What the settings say about sisters; undefined when there are none. Throws `ConclaveError` `CONCLAVE_OPTIONS_CONFLICT`
 * when something needed for them is missing.
 */
export function sistersOf(
  values: SisterOptionValues & {
    readonly url: string | undefined;
    readonly 'federation-port': string | undefined;
  },
): SftConfig['sisters'] {
  if (values.sister.length === 0) return undefined;
  if (values['sister-secret-file'].length === 0) throw conflict('--sister needs --sister-secret-file');
  if (values['federation-port'] === undefined) {
    throw conflict(
      '--sister needs --federation-port with its files, for the links over which conferences move',
    );
  }
  const own = withoutSlash(values.url ?? '');
  return {
    urls: [...new Set(values.sister.map(withoutSlash))].filter((url) => url !== own),
    secretFiles: values['sister-secret-file'],
    clientsPerSecond: values['handover-rate'],
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
