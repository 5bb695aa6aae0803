import { type ConversationHash, loggable } from '@conclave/econn';
import type { Logger } from '@conclave/service';
import type { ConferenceRegistry } from './conference-registry.ts';
import type { ConferenceSession } from './conference-session.ts';
import type { Sisters } from './sisters.ts';

/** What {@link Handover} needs. */
export interface HandoverOptions {
  readonly registry: ConferenceRegistry;
  readonly sisters: Sisters;
  /** Our own URL. */
  readonly url: string;
  /** Clients that are led to their new server each second. Lower: gentler; higher: the server is empty sooner. */
  readonly clientsPerSecond: number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** Conferences for which a new server is being sought at the same time. */
const MAX_PREPARING = 8;
/** From asking a sister to its link; then another one is asked. Lower: a dead one costs less; higher: slow ones get a chance. */
const LINK_TIMEOUT_MS = 5000;
/** Until a conference that no sister took is offered again. */
const RETRY_MS = 2000;
/** For how long nobody of a conference is sent away after one of its clients came back. */
const PAUSE_MS = 10_000;

/** How far a conference is with its move. */
interface Move {
  readonly session: ConferenceSession;
  /** Where it goes, while it is on its way or there. */
  destination: string | undefined;
  /** Settles when the destination is ready, or will not be. */
  preparing: Promise<boolean>;
  isReady: boolean;
  /** Nobody is sent away before this, as somebody came back; milliseconds. */
  pausedUntilMs: number;
  /** Sisters that did not take it since all were asked last. */
  readonly refused: Set<string>;
}

/**
 * Moves the conferences of a server that is about to end to its sisters. Each is linked with its new server first, so that
 * it is one conference all the time; then its clients are sent away one after the other, by closing their signalling
 * channels. They ask for a new transport, get that of the new server, and use the old one until the new one is up.
 */
export class Handover {
  readonly #options: HandoverOptions;
  readonly #moves = new Map<ConversationHash, Move>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #pacer: NodeJS.Timeout | undefined;
  #preparing = 0;

  constructor(options: HandoverOptions) {
    this.#options = options;
  }

  /** Begins to move everything. */
  start(): void {
    if (this.#pacer !== undefined) return;
    this.#pacer = setInterval(() => this.#step(), 1000 / this.#options.clientsPerSecond);
    this.#step();
  }

  /** Stops; what is under way stays as it is. */
  close(): void {
    clearInterval(this.#pacer);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Where the conference's callers are served now; undefined while that is here. Waits for a move that just begins. */
  async destinationOf(conversation: ConversationHash): Promise<string | undefined> {
    const move = this.#moves.get(conversation);
    if (move === undefined) return undefined;
    return (await move.preparing) ? move.destination : undefined;
  }

  /** A caller who was sent away is not served there, and stays for the time being. */
  cameBack(conversation: ConversationHash): void {
    const move = this.#moves.get(conversation);
    if (move !== undefined) move.pausedUntilMs = this.#options.now() + PAUSE_MS;
  }

  #step(): void {
    const { registry, now } = this.#options;
    for (const session of registry.sessions) {
      if (this.#preparing >= MAX_PREPARING) break;
      if (!this.#moves.has(session.conversation) && session.movable) this.#begin(session);
    }
    for (const move of this.#moves.values()) {
      const { session } = move;
      if (!move.isReady || move.pausedUntilMs > now() || !registry.has(session)) continue;
      if (!session.hasSuccessor) {
        move.isReady = false;
        this.#prepare(move);
      } else if (session.sendOneAway()) return;
    }
  }

  #begin(session: ConferenceSession): void {
    const move: Move = {
      session,
      destination: undefined,
      preparing: Promise.resolve(false),
      isReady: false,
      pausedUntilMs: 0,
      refused: new Set(),
    };
    this.#moves.set(session.conversation, move);
    this.#prepare(move);
  }

  #prepare(move: Move): void {
    this.#preparing += 1;
    move.preparing = this.#findDestination(move).then((isReady) => {
      this.#preparing -= 1;
      move.isReady = isReady;
      if (!isReady) this.#after(RETRY_MS, () => this.#retry(move));
      return isReady;
    });
  }

  #retry(move: Move): void {
    if (this.#options.registry.has(move.session)) this.#prepare(move);
    else this.#moves.delete(move.session.conversation);
  }

  async #findDestination(move: Move): Promise<boolean> {
    const { registry, sisters, url, log } = this.#options;
    const { session } = move;
    const { conversation } = session;
    const tuple = registry.tupleOf(session);
    if (tuple === undefined) return false;
    for (const sister of sisters.ranked(conversation)) {
      if (move.refused.has(sister)) continue;
      const linked = session.awaitSuccessor(sister);
      if (await sisters.prepare(sister, { conversation, url, tuple })) {
        if (await this.#inTime(linked)) {
          move.destination = sister;
          log.info({ conversation: loggable(conversation), to: sister }, 'a conference is being moved');
          return true;
        }
      }
      move.refused.add(sister);
    }
    void session.awaitSuccessor(undefined);
    move.refused.clear();
    log.warn({ conversation: loggable(conversation) }, 'no sister takes a conference over');
    return false;
  }

  #inTime(linked: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#after(LINK_TIMEOUT_MS, () => resolve(false));
      void linked.then(() => {
        clearTimeout(timer);
        this.#timers.delete(timer);
        resolve(true);
      });
    });
  }

  #after(delayMs: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}
