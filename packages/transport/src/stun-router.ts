import { stunUsernameOf, transactionTagOf } from '@conclave/ice';

/**
 * Finds the owner of a STUN message when many agents share one socket: requests by the local user name fragment,
 * responses by the tag that the owner puts in front of its transaction ids.
 */
export class StunRouter<Owner> {
  readonly #byUfrag = new Map<string, Owner>();
  readonly #byTag = new Map<number, Owner>();

  /** Registers an owner. Both names must be free; a caller that draws them at random tries again otherwise. */
  add(ufrag: string, transactionTag: number, owner: Owner): boolean {
    if (this.#byUfrag.has(ufrag) || this.#byTag.has(transactionTag)) return false;
    this.#byUfrag.set(ufrag, owner);
    this.#byTag.set(transactionTag, owner);
    return true;
  }

  delete(ufrag: string, transactionTag: number): void {
    this.#byUfrag.delete(ufrag);
    this.#byTag.delete(transactionTag);
  }

  /** The owner of a message, without checking anything about it but where it claims to belong. */
  route(bytes: Uint8Array): Owner | undefined {
    const username = stunUsernameOf(bytes);
    if (username !== undefined) {
      const colon = username.indexOf(':');
      return this.#byUfrag.get(colon < 0 ? username : username.slice(0, colon));
    }
    const tag = transactionTagOf(bytes);
    return tag === undefined ? undefined : this.#byTag.get(tag);
  }

  get size(): number {
    return this.#byUfrag.size;
  }
}
