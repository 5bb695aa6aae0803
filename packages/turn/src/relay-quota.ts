/** How many relay ports may be held: a reservation counts as the port that it keeps. */
export interface RelayQuotaLimits {
  /** By one user. Lower refuses users with many devices, higher lets one take more of the port range. */
  readonly perUser: number;
  /** By one IPv4 address or IPv6 /64. Lower refuses people behind one NAT. */
  readonly perSource: number;
  /** By all. At most the number of relay ports. */
  readonly total: number;
}

/** On whose account a port is held. */
export interface RelayQuotaOwner {
  readonly user: string;
  readonly source: string;
}

/** Counts ports held by users, by sources and in all. Every {@link RelayQuota.take} needs its give back. */
export class RelayQuota {
  readonly #limits: RelayQuotaLimits;
  readonly #users = new Map<string, number>();
  readonly #sources = new Map<string, number>();
  #total = 0;

  constructor(limits: RelayQuotaLimits) {
    this.#limits = limits;
  }

  /** Ports held in all. */
  get total(): number {
    return this.#total;
  }

  /** Users and sources with at least one port: zero when nothing is held. */
  get owners(): number {
    return this.#users.size + this.#sources.size;
  }

  /** Takes `ports` ports, all or none; the error code to answer otherwise: 486 for a share, 508 for the whole. */
  take(owner: RelayQuotaOwner, ports: number): 486 | 508 | undefined {
    if (count(this.#users, owner.user) + ports > this.#limits.perUser) return 486;
    if (count(this.#sources, owner.source) + ports > this.#limits.perSource) return 486;
    if (this.#total + ports > this.#limits.total) return 508;
    this.#total += ports;
    this.#users.set(owner.user, count(this.#users, owner.user) + ports);
    this.#sources.set(owner.source, count(this.#sources, owner.source) + ports);
    return undefined;
  }

  /** Gives one port back. */
  giveBack(owner: RelayQuotaOwner): void {
    this.#total--;
    lower(this.#users, owner.user);
    lower(this.#sources, owner.source);
  }
}

function count(map: Map<string, number>, key: string): number {
  return map.get(key) ?? 0;
}

function lower(map: Map<string, number>, key: string): void {
  const left = count(map, key) - 1;
  if (left > 0) map.set(key, left);
  else map.delete(key);
}
