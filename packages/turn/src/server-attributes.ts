import { attributeType } from '@conclave/stun';

/**
 * Attributes below 0x8000 that a server understands; any other in a request is answered with 420. Those of ICE
 * are not among them: a TURN server is no ICE agent.
 *
 * @param dontFragment whether the data plane can honour DONT-FRAGMENT; else it counts as unknown (RFC 8656 §7.2)
 */
export function serverAttributes(dontFragment: boolean): ReadonlySet<number> {
  const known = new Set<number>([
    attributeType.mappedAddress,
    attributeType.username,
    attributeType.errorCode,
    attributeType.unknownAttributes,
    attributeType.channelNumber,
    attributeType.lifetime,
    attributeType.xorPeerAddress,
    attributeType.data,
    attributeType.realm,
    attributeType.nonce,
    attributeType.xorRelayedAddress,
    attributeType.requestedAddressFamily,
    attributeType.evenPort,
    attributeType.requestedTransport,
    attributeType.passwordAlgorithm,
    attributeType.userhash,
    attributeType.xorMappedAddress,
    attributeType.reservationToken,
    attributeType.connectionId,
  ]);
  if (dontFragment) known.add(attributeType.dontFragment);
  return known;
}
