import { canonicalIp, FormatError } from '@conclave/bytes';
import type { TransportAddress } from '@conclave/stun';
import { parseAddressRange } from '@conclave/turn';
import type { PeerRule, TurnListener } from './turn-config.ts';

const LISTEN = /^(.+?)(?:\/(udp|tcp|tls|dtls))?$/;

/** The address and port in `192.0.2.1:3478` or `[2001:db8::1]:3478`, or `undefined` when the text is neither. */
export function parseTransportAddress(text: string): TransportAddress | undefined {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const address = found && canonicalIp(found[1] ?? found[2]!);
  const port = Number(found?.[3]);
  // An address in brackets is IPv6, one without is IPv4.
  if (!address || port > 65535 || address.includes(':') !== (found[1] !== undefined)) return undefined;
  return { address, port };
}

/**
 * What a text of `--listen` asks for: `ADDRESS:PORT` for UDP and TCP, with `/udp`, `/tcp`, `/tls` or `/dtls` for
 * that alone; `undefined` for any other text.
 */
export function parseListen(text: string): readonly TurnListener[] | undefined {
  const [, place, transport] = LISTEN.exec(text) ?? [];
  const at = parseTransportAddress(place ?? '');
  if (!at) return undefined;
  if (transport === undefined) {
    return [
      { ...at, transport: 'udp' },
      { ...at, transport: 'tcp' },
    ];
  }
  return [{ ...at, transport: transport as TurnListener['transport'] }];
}

/** A rule about peers from `RANGE` or `RANGE@ADDRESS:PORT`, or `undefined` when the text is neither. */
export function parsePeerRule(text: string): PeerRule | undefined {
  const [range, place, ...more] = text.split('@');
  const listener = place === undefined ? undefined : parseTransportAddress(place);
  if (more.length > 0 || (place !== undefined && !listener)) return undefined;
  try {
    parseAddressRange(range!);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  return { range: range!, listener };
}

/** The ports in `FIRST-LAST`, or `undefined` when the text is no range of ports above 1023. */
export function parsePortRange(text: string): { readonly first: number; readonly last: number } | undefined {
  const found = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(text);
  const [first, last] = [Number(found?.[1]), Number(found?.[2])];
  return first >= 1024 && last <= 65535 && first <= last ? { first, last } : undefined;
}

/** `192.0.2.1:3478` or `[2001:db8::1]:3478`. */
export function formatTransportAddress({ address, port }: TransportAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
