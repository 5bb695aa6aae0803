import { canonicalIp, type IpFamily, ipFamily } from '@conclave/bytes';
import { candidatePriority } from './candidate-priority.ts';
import type { IceCandidate } from './ice-candidate.ts';
import type { IcePath } from './ice-path.ts';

/** An address of ours at which a peer may reach this agent. */
export interface LocalCandidateOptions {
  /** The UDP socket's id, or the TCP listener's. */
  readonly socket: number;
  /** The address the socket is bound to; may be unspecified. */
  readonly address: string;
  /** The address peers are told: the same, or the public one of a 1:1 NAT. An IP address. */
  readonly advertisedAddress: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** For TCP: we accept connections and never open one. */
  readonly tcpType?: 'passive';
}

/** A local candidate with what checks from it need. */
export interface LocalCandidate {
  readonly socket: number;
  readonly family: IpFamily;
  /** Goes into SDP; its address is the advertised one. */
  readonly candidate: IceCandidate;
  /** PRIORITY of checks sent from it: what it would have as a peer-reflexive candidate (RFC 8445 §7.1.1). */
  readonly checkPriority: number;
}

/** The candidates of one agent, in order of addition. */
export class LocalCandidates {
  readonly #all: LocalCandidate[] = [];
  readonly #foundations = new Map<string, string>();

  /** Throws TypeError when the advertised address is no IP address, RangeError on a bad port. */
  add(options: LocalCandidateOptions): LocalCandidate {
    const { transport, port } = options;
    const address = canonicalIp(options.advertisedAddress);
    if (address === undefined) throw new TypeError('the advertised address is no IP address');
    if (!(port >= 1 && port <= 65535)) throw new RangeError('a candidate has a port from 1 to 65535');
    const family = ipFamily(address);
    const index = this.#all.filter((c) => c.candidate.transport === transport && c.family === family).length;
    const local: LocalCandidate = {
      socket: options.socket,
      family,
      candidate: {
        foundation: this.#foundationOf(
          `host/${canonicalIp(options.address) ?? options.address}/${address}/${transport}`,
        ),
        component: 1,
        transport,
        priority: candidatePriority('host', transport, family, index),
        address,
        port,
        type: 'host',
        ...(transport === 'tcp' ? { tcpType: 'passive' as const } : {}),
      },
      checkPriority: candidatePriority('prflx', transport, family, index),
    };
    this.#all.push(local);
    return local;
  }

  /**
   * The candidate that a packet on this path came to: the one of the same socket and family, or for TCP, where
   * the path names the accepted connection and not the listener, the first of the same family.
   */
  forPath(path: IcePath): LocalCandidate | undefined {
    const family = ipFamily(path.address);
    return this.#all.find(
      (c) =>
        c.family === family &&
        c.candidate.transport === path.transport &&
        (path.transport === 'tcp' || c.socket === path.socket),
    );
  }

  /** Those that start checks of their own: one per UDP socket and family, the first. */
  bases(): LocalCandidate[] {
    return this.#all.filter(
      (c, i) =>
        c.candidate.transport === 'udp' &&
        this.#all.findIndex(
          (d) => d.candidate.transport === 'udp' && d.socket === c.socket && d.family === c.family,
        ) === i,
    );
  }

  #foundationOf(what: string): string {
    let foundation = this.#foundations.get(what);
    if (foundation === undefined) {
      foundation = String(this.#foundations.size + 1);
      this.#foundations.set(what, foundation);
    }
    return foundation;
  }
}
