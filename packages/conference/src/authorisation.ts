import type { Participant } from '@conclave/econn';
import type { Caller, Membership } from './membership.ts';

/** What a new list of authorised participants changed. */
export interface AuthorisationChange {
  /** Authorised now and not before. */
  readonly added: readonly Caller[];
  /** Those with whom authorisation became mutual. */
  readonly peersWon: readonly Caller[];
  /** Those with whom it is mutual no more. */
  readonly peersLost: readonly Caller[];
}

const NOBODY: ReadonlySet<Caller> = new Set();

/**
 * Who lets whom have its media. Media flows between two participants only while each authorises the other; nothing
 * is assumed of participants that have not said so.
 */
export class Authorisation {
  readonly #given = new Map<Caller, Set<Caller>>();
  readonly #received = new Map<Caller, Set<Caller>>();

  /** Those whom the caller authorises, whether they do likewise or not. */
  authorisedBy(caller: Caller): ReadonlySet<Caller> {
    return this.#given.get(caller) ?? NOBODY;
  }

  authorises(from: Caller, to: Caller): boolean {
    return this.#given.get(from)?.has(to) ?? false;
  }

  /** Both authorise each other. */
  mutual(a: Caller, b: Caller): boolean {
    return this.authorises(a, b) && this.authorises(b, a);
  }

  /** Those with whom the caller may exchange media. */
  peersOf(caller: Caller): Caller[] {
    const peers: Caller[] = [];
    for (const other of this.authorisedBy(caller)) if (this.authorises(other, caller)) peers.push(other);
    return peers;
  }

  /** Whether the caller may exchange media with anybody. */
  hasPeer(caller: Caller): boolean {
    for (const other of this.authorisedBy(caller)) if (this.authorises(other, caller)) return true;
    return false;
  }

  /** Replaces everything the caller authorised. */
  replace(caller: Caller, targets: ReadonlySet<Caller>): AuthorisationChange {
    const before = this.authorisedBy(caller);
    const added: Caller[] = [];
    const peersWon: Caller[] = [];
    const peersLost: Caller[] = [];
    for (const target of targets) {
      if (before.has(target)) continue;
      added.push(target);
      if (this.authorises(target, caller)) peersWon.push(target);
      put(this.#received, target, caller);
    }
    for (const target of before) {
      if (targets.has(target)) continue;
      if (this.authorises(target, caller)) peersLost.push(target);
      take(this.#received, target, caller);
    }
    if (targets.size === 0) this.#given.delete(caller);
    else this.#given.set(caller, new Set(targets));
    return { added, peersWon, peersLost };
  }

  /** Drops everything the caller authorised and was authorised to. Returns its peers until now. */
  drop(caller: Caller): Caller[] {
    const peers = this.peersOf(caller);
    for (const target of this.authorisedBy(caller)) take(this.#received, target, caller);
    for (const source of this.#received.get(caller) ?? NOBODY) take(this.#given, source, caller);
    this.#given.delete(caller);
    this.#received.delete(caller);
    return peers;
  }
}

/**
 * The participants a client's list authorises: listed ones that it names with both SSRCs as they are announced now.
 * An entry with older SSRCs is about a call that is over.
 */
export function authorisedTargets(
  membership: Membership,
  caller: Caller,
  participants: readonly Participant[],
): Set<Caller> {
  const targets = new Set<Caller>();
  for (const entry of participants) {
    if (!entry.authorized) continue;
    const target = membership.caller(entry.userId, entry.clientId);
    if (target === undefined || target === caller || !target.listed) continue;
    if (target.audioSsrc !== entry.audioSsrc || target.videoSsrc !== entry.videoSsrc) continue;
    targets.add(target);
  }
  return targets;
}

function put(map: Map<Caller, Set<Caller>>, key: Caller, value: Caller): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

function take(map: Map<Caller, Set<Caller>>, key: Caller, value: Caller): void {
  const set = map.get(key);
  if (set === undefined) return;
  set.delete(value);
  if (set.size === 0) map.delete(key);
}
