import { FormatError, type IpFamily, toHex } from '@conclave/bytes';
import {
  attributeType,
  findAttribute,
  hasAttribute,
  type StunMessage,
  uint32Attribute,
} from '@conclave/stun';
import { isStream, type TurnTransport } from './five-tuple.ts';
import { TurnRefusal } from './turn-refusal.ts';

/** What an Allocate request asks for, its attributes checked against each other. */
export interface AllocateRequest {
  readonly transport: 'udp' | 'tcp';
  /** Wanted and offered; not to be looked at with a token, whose port has its family. */
  readonly families: readonly IpFamily[];
  /** Of a dual allocation, the family that is not offered. */
  readonly unsupported: IpFamily | undefined;
  readonly evenPort: boolean;
  readonly reserveNext: boolean;
  /** Hexadecimal token of a reserved port to use. */
  readonly token: string | undefined;
  readonly lifetimeMs: number | undefined;
}

/** What {@link parseAllocate} needs to know of the server. */
export interface AllocateAbilities {
  readonly relayFamilies: readonly IpFamily[];
  readonly tcpRelays: boolean;
}

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

/**
 * Checks an Allocate request in the order of RFC 8656 §7.2 and RFC 6062 §5.1. Throws {@link TurnRefusal} with
 * 400, 440 or 442, or FormatError (which means 400).
 */
export function parseAllocate(
  message: StunMessage,
  control: TurnTransport,
  abilities: AllocateAbilities,
): AllocateRequest {
  const protocol = findAttribute(message, attributeType.requestedTransport);
  if (protocol?.length !== 4) throw new TurnRefusal(400);
  const transport = protocol[0] === PROTOCOL_UDP ? 'udp' : 'tcp';
  if (transport === 'tcp' && (protocol[0] !== PROTOCOL_TCP || !abilities.tcpRelays))
    throw new TurnRefusal(442);
  const token = findAttribute(message, attributeType.reservationToken);
  const evenPort = findAttribute(message, attributeType.evenPort);
  const requested = familyAttribute(message, attributeType.requestedAddressFamily);
  const additional = familyAttribute(message, attributeType.additionalAddressFamily);
  if (transport === 'tcp') {
    const dontFragment = hasAttribute(message, attributeType.dontFragment);
    if (!isStream(control) || dontFragment || token || evenPort) throw new TurnRefusal(400);
  }
  const familyGiven = requested !== undefined || additional !== undefined;
  if (token && (token.length !== 8 || evenPort || familyGiven)) throw new TurnRefusal(400);
  if (evenPort && evenPort.length !== 1) throw new TurnRefusal(400);
  const reserveNext = ((evenPort?.[0] ?? 0) & 0x80) !== 0;
  if (additional !== undefined) {
    // The additional family is IPv6 and nothing else (RFC 8656 §18.11).
    if (requested !== undefined || reserveNext || additional !== FAMILY_IPV6) throw new TurnRefusal(400);
  }
  const wanted: IpFamily[] = additional !== undefined ? [4, 6] : requested === FAMILY_IPV6 ? [6] : [4];
  const isKnown = requested === undefined || requested === FAMILY_IPV4 || requested === FAMILY_IPV6;
  const families = wanted.filter((family) => abilities.relayFamilies.includes(family));
  if (!isKnown || (!token && families.length === 0)) throw new TurnRefusal(440);
  const seconds = uint32Attribute(message, attributeType.lifetime);
  return {
    transport,
    families,
    unsupported: wanted.find((family) => !families.includes(family)),
    evenPort: evenPort !== undefined,
    reserveNext,
    token: token && toHex(token),
    lifetimeMs: seconds === undefined ? undefined : seconds * 1000,
  };
}

/** The family number of such an attribute, or `undefined`. Throws FormatError unless it has four bytes. */
export function familyAttribute(message: StunMessage, type: number): number | undefined {
  const value = findAttribute(message, type);
  if (value === undefined) return undefined;
  if (value.length !== 4) throw new FormatError('bad-attribute-length', `family of ${value.length} bytes`);
  return value[0];
}
