import type { Authorisation } from './authorisation.ts';
import type { LegId } from './conference-effect.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Leg } from './membership.ts';

/** Whom each receiver of the shared audio slots may hear, as the forwarding plane was told last. */
export class AudioPermissions {
  readonly #authorisation: Authorisation;
  readonly #effects: EffectQueue;
  readonly #told = new Map<Leg, ReadonlySet<LegId>>();

  constructor(authorisation: Authorisation, effects: EffectQueue) {
    this.#authorisation = authorisation;
    this.#effects = effects;
  }

  /** Tells the senders the receiver may hear, if they are others than before. */
  update(receiver: Leg): void {
    const told = this.#told.get(receiver);
    const senders = new Set<LegId>();
    for (const peer of this.#authorisation.peersOf(receiver.caller)) {
      if (peer.current !== undefined) senders.add(peer.current.id);
    }
    if (senders.size === (told?.size ?? 0) && [...senders].every((sender) => told?.has(sender))) return;
    this.#told.set(receiver, senders);
    this.#effects.push({ type: 'set-audio-permissions', receiver: receiver.id, senders: [...senders] });
  }

  /** The receiver is gone. */
  forget(receiver: Leg): void {
    this.#told.delete(receiver);
  }
}
