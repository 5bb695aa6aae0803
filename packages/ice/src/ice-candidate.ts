import { canonicalIp, FormatError } from '@conclave/bytes';
import type { IceCandidateType } from './candidate-priority.ts';

/** A candidate as SDP carries it (RFC 8839 §5.1, RFC 6544 §4.5). */
export interface IceCandidate {
  /** 1 to 32 characters; candidates of one type, base and transport share it. */
  readonly foundation: string;
  /** 1 for RTP, and for all with rtcp-mux. */
  readonly component: number;
  readonly transport: 'udp' | 'tcp';
  readonly tcpType?: 'active' | 'passive' | 'so';
  /** 0..2^32-1. */
  readonly priority: number;
  /** An IP address in canonical text, or a host name (mDNS names among them) as it was given. */
  readonly address: string;
  /** 0..65535. */
  readonly port: number;
  readonly type: IceCandidateType;
  readonly relatedAddress?: string;
  readonly relatedPort?: number;
}

/** A line is a hundred characters or so; a longer one than this is refused unread. */
const MAX_LINE = 1024;

/**
 * Parses the value of an `a=candidate` line, with or without `candidate:` in front. Extensions that are not
 * known (generation, network-cost, ufrag) are skipped. Throws {@link FormatError} `bad-candidate` on anything
 * malformed, and on transports and types that are not in {@link IceCandidate}.
 */
export function parseCandidate(line: string): IceCandidate {
  if (line.length > MAX_LINE) throw bad('too long');
  const text = line.startsWith('candidate:') ? line.slice(10) : line;
  const words = text.trim().split(/ +/);
  const [foundation = '', component = '', transport = '', priority = '', address = '', port = ''] = words;
  if (!/^[A-Za-z0-9+/]{1,32}$/.test(foundation)) throw bad('foundation');
  if (!/^[\x21-\x7e]{1,255}$/.test(address)) throw bad('address');
  if (words[6] !== 'typ') throw bad('no type');
  const candidate: { -readonly [K in keyof IceCandidate]: IceCandidate[K] } = {
    foundation,
    component: parseNumber(component, 256),
    transport: parseTransport(transport),
    priority: parseNumber(priority, 0xffffffff),
    address: canonicalIp(address) ?? address,
    port: parseNumber(port, 65535),
    type: parseType(words[7] ?? ''),
  };
  for (let i = 8; i + 1 < words.length; i += 2) {
    const value = words[i + 1]!;
    if (words[i] === 'raddr') candidate.relatedAddress = canonicalIp(value) ?? value;
    else if (words[i] === 'rport') candidate.relatedPort = parseNumber(value, 65535);
    else if (words[i] === 'tcptype') candidate.tcpType = parseTcpType(value);
  }
  return candidate;
}

/** The value of an `a=candidate` line without `candidate:`; nothing in it that a peer could do without. */
export function formatCandidate(c: IceCandidate): string {
  let text = `${c.foundation} ${c.component} ${c.transport} ${c.priority} ${c.address} ${c.port} typ ${c.type}`;
  if (c.relatedAddress !== undefined) text += ` raddr ${c.relatedAddress} rport ${c.relatedPort ?? 0}`;
  if (c.tcpType !== undefined) text += ` tcptype ${c.tcpType}`;
  return text;
}

function parseNumber(text: string, max: number): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= max)) throw bad('number out of range');
  return value;
}

function parseTransport(text: string): 'udp' | 'tcp' {
  const transport = text.toLowerCase();
  if (transport !== 'udp' && transport !== 'tcp') throw bad('transport');
  return transport;
}

function parseType(text: string): IceCandidateType {
  if (text !== 'host' && text !== 'srflx' && text !== 'prflx' && text !== 'relay') throw bad('type');
  return text;
}

function parseTcpType(text: string): 'active' | 'passive' | 'so' {
  if (text !== 'active' && text !== 'passive' && text !== 'so') throw bad('tcptype');
  return text;
}

function bad(what: string): FormatError {
  return new FormatError('bad-candidate', `candidate line: ${what}`);
}
