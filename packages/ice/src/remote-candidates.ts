import { ipFamily } from '@conclave/bytes';
import { mayCheck } from './address-scope.ts';
import { type CandidatePair, createPair } from './candidate-pair.ts';
import type { IceCandidate } from './ice-candidate.ts';
import type { LocalCandidate } from './local-candidates.ts';

/** The peer's candidates that this agent can do something with, bounded. */
export class RemoteCandidates {
  readonly #known: IceCandidate[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Takes those that a check from one of the bases may go to, and returns the pairs (RFC 8445 §6.1.2.2) with
   * the number of candidates left out. Past the bound nothing is even looked at, so that a list of any length
   * costs the same. Passive TCP candidates are kept for connections that the owner opens.
   */
  add(
    candidates: readonly IceCandidate[],
    bases: readonly LocalCandidate[],
  ): { pairs: CandidatePair[]; skipped: number } {
    const pairs: CandidatePair[] = [];
    let skipped = 0;
    for (const candidate of candidates) {
      if (this.#known.length >= this.#limit) break;
      const { address, port, transport } = candidate;
      const isAddress = candidate.component === 1 && port !== 0 && address.length <= 45;
      const partners =
        isAddress && transport === 'udp'
          ? bases.filter((l) => l.family === ipFamily(address) && mayCheck(l.candidate.address, address))
          : [];
      if (partners.length === 0 && !(isAddress && candidate.tcpType === 'passive')) {
        skipped++;
        continue;
      }
      this.#known.push(candidate);
      for (const local of partners) {
        pairs.push(createPair({ socket: local.socket, address, port, transport }, local, candidate.priority));
      }
    }
    return { pairs, skipped };
  }

  /** Priority of the passive TCP candidate at this address, if the peer has named it. */
  tcpPriority(address: string, port: number): number | undefined {
    return this.#known.find((c) => c.transport === 'tcp' && c.address === address && c.port === port)
      ?.priority;
  }
}
