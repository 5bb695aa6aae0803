import { performance } from 'node:perf_hooks';
import { SecretFiles } from '@conclave/service';
import type { ConferenceRegistry } from './conference-registry.ts';
import { Handover } from './handover.ts';
import type { SftEnvironment } from './running-sft.ts';
import type { SftConfig } from './sft-config.ts';
import type { SignallingSisters } from './signalling-server.ts';
import { SisterRequests } from './sister-requests.ts';
import { SisterRouting } from './sister-routing.ts';
import { SisterSeal } from './sister-seal.ts';
import { Sisters } from './sisters.ts';

/** A server's part in an installation of several. */
export interface Sisterhood extends SignallingSisters {
  /** Begins to move all conferences to the sisters. */
  handOver(): void;
  /** Reads the secrets again. Throws `ConclaveError` when one cannot be read; the former ones then stay. */
  reload(): void;
  close(): void;
}

/** Puts together what a server of several needs. Throws `ConclaveError` when the secret cannot be read. */
export function createSisterhood(
  { url }: Pick<SftConfig, 'url'>,
  settings: NonNullable<SftConfig['sisters']>,
  registry: ConferenceRegistry,
  { log }: Pick<SftEnvironment, 'log'>,
): Sisterhood {
  const secrets = new SecretFiles(settings.secretFiles);
  const seal = new SisterSeal({ secrets: () => secrets.secrets, wallClockMs: () => Date.now() });
  const now = (): number => performance.now();
  const sisters = new Sisters({
    url,
    urls: settings.urls,
    seal,
    now,
    onSilent: (silent) => log.warn({ sister: silent }, 'a sister does not answer'),
  });
  const { clientsPerSecond } = settings;
  const handover = new Handover({ registry, sisters, url, clientsPerSecond, now, log });
  const routing = new SisterRouting({ host: registry, sisters, handover, now, log });
  return {
    passOn: (caller, message, request) => routing.passOn(caller, message, request),
    requests: (handle) =>
      new SisterRequests({
        url,
        seal,
        prepare: (request) => registry.prepare(request.conversation, request),
        locate: ({ conversation, userId, clientId }) => ({
          caller: registry.isKnownCaller(conversation, userId, clientId),
          conference: registry.hasListedParticipants(conversation),
          draining: registry.draining,
        }),
        handle,
      }),
    handOver: () => handover.start(),
    reload: () => secrets.reload(),
    close: () => handover.close(),
  };
}
