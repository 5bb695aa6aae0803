import type { networkInterfaces } from 'node:os';
import { canonicalIp, type IpFamily, ipFamily } from '@conclave/bytes';
import { ConclaveError } from '@conclave/service';
import type { TurnConfig, TurnListener } from './turn-config.ts';

/** An address that relays are bound to. */
export interface RelayBinding {
  readonly family: IpFamily;
  /** What is bound. */
  readonly address: string;
  /** What clients are told. */
  readonly advertised: string;
}

/** The addresses of this machine that can be listened on, in the system's order; link-local ones are not. */
export function localAddresses(available: ReturnType<typeof networkInterfaces>): readonly string[] {
  return Object.values(available)
    .flatMap((addresses) => addresses ?? [])
    .flatMap((info) => canonicalIp(info.address) ?? [])
    .filter((address) => !/^fe[89ab]/.test(address));
}

/** The listeners with every unspecified address replaced by all local ones of its family. */
export function expandListeners(
  listeners: readonly TurnListener[],
  local: readonly string[],
): readonly TurnListener[] {
  const expanded = listeners.flatMap((listener) => {
    if (listener.address !== '0.0.0.0' && listener.address !== '::') return [listener];
    const family = ipFamily(listener.address);
    return local.filter((own) => ipFamily(own) === family).map((address) => ({ ...listener, address }));
  });
  const seen = new Set<string>();
  return expanded.filter(({ transport, address, port }) => {
    const key = `${transport} ${address} ${port}`;
    return port === 0 || (!seen.has(key) && seen.add(key));
  });
}

/**
 * Where relays are made: as configured, or from the first listening address of each family, those that are not
 * loopback before the others. Throws {@link ConclaveError} when a public address has no relay of its family.
 */
export function relayBindings(
  config: Pick<TurnConfig, 'relayAddresses' | 'publicAddresses'>,
  listeners: readonly TurnListener[],
): readonly RelayBinding[] {
  const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';
  const listening = listeners.map(({ address }) => address);
  const candidates =
    config.relayAddresses.length > 0
      ? config.relayAddresses
      : [...listening.filter((address) => !isLoopback(address)), ...listening.filter(isLoopback)];
  const bindings = ([4, 6] as const).flatMap((family): RelayBinding[] => {
    const address = candidates.find((candidate) => ipFamily(candidate) === family);
    if (address === undefined) return [];
    const advertised = config.publicAddresses.find((own) => ipFamily(own) === family) ?? address;
    return [{ family, address, advertised }];
  });
  for (const address of config.publicAddresses) {
    if (bindings.some(({ family }) => family === ipFamily(address))) continue;
    const message = `-A (--public-address) ${address} has no --relay-address of its kind`;
    throw new ConclaveError('CONCLAVE_OPTIONS_CONFLICT', message);
  }
  return bindings;
}
