import { ipFamily } from '@conclave/bytes';
import { ConclaveError } from '@conclave/service';
import type { TransportAddress } from '@conclave/stun';
import { PeerPolicy, type TurnServerOptions } from '@conclave/turn';
import type { PeerRule, TurnConfig, TurnListener } from './turn-config.ts';
import { formatTransportAddress } from './turn-listen-option.ts';

/**
 * One policy for all listeners, and one for each listener that has rules of its own beside the general ones. Throws
 * {@link ConclaveError} for a rule that names no listener there is.
 *
 * @param own addresses of this machine
 */
export function peerPolicies(
  config: Pick<TurnConfig, 'allowPeers' | 'allowedPeersOnly' | 'denyPeers'>,
  listeners: readonly TurnListener[],
  own: readonly string[],
): Required<Pick<TurnServerOptions, 'peerPolicy' | 'listenerPolicies'>> {
  const { allowPeers, allowedPeersOnly, denyPeers } = config;
  const policyOf = (at: TransportAddress | undefined): PeerPolicy => {
    const rangesOf = (rules: readonly PeerRule[]): string[] =>
      rules
        .filter(({ listener }) => listener === undefined || (at !== undefined && names(listener, at)))
        .map(({ range }) => range);
    return new PeerPolicy({
      allow: rangesOf(allowPeers),
      allowedOnly: allowedPeersOnly,
      deny: rangesOf(denyPeers),
      own,
    });
  };
  const named = [...allowPeers, ...denyPeers].flatMap(({ listener }) => listener ?? []);
  for (const listener of named) {
    if (listeners.some((at) => names(listener, at))) continue;
    const place = formatTransportAddress(listener);
    throw new ConclaveError(
      'CONCLAVE_OPTIONS_CONFLICT',
      `a rule about peers names ${place}, which is no listener`,
    );
  }
  return {
    peerPolicy: policyOf(undefined),
    listenerPolicies: listeners
      .filter((at) => named.some((listener) => names(listener, at)))
      .map(({ address, port }) => ({ local: { address, port }, policy: policyOf({ address, port }) })),
  };
}

/** Whether a rule for `listener` is about the listener `at`: an unspecified address stands for all of its family. */
function names(listener: TransportAddress, at: TransportAddress): boolean {
  if (listener.port !== at.port) return false;
  if (listener.address === at.address) return true;
  const any = listener.address === '0.0.0.0' || listener.address === '::';
  return any && ipFamily(listener.address) === ipFamily(at.address);
}
