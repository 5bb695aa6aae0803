import type { NowMs } from '@conclave/bytes';
import { encodeMessage, forwardedPropsMessage, type Props } from '@conclave/econn';
import type { Authorisation } from './authorisation.ts';
import type { LegId } from './conference-effect.ts';
import { DeadlineMap } from './deadline-map.ts';
import type { EffectQueue } from './effect-queue.ts';
import type { Caller } from './membership.ts';

const KNOWN_PROPS: ReadonlySet<string> = new Set(['videosend', 'screensend', 'audiocbr', 'muted', 'keysync']);

/**
 * What one participant said about itself, merged over its messages: a later one need not repeat what stays. Of names
 * it does not know it keeps a bounded amount; what does not fit any more is left out.
 */
export class ParticipantProps {
  readonly #maxUnknownLength: number;
  readonly #values = new Map<string, string>();
  #unknownLength = 0;

  constructor(maxUnknownLength: number) {
    this.#maxUnknownLength = maxUnknownLength;
  }

  /** Nothing has been said yet. */
  get empty(): boolean {
    return this.#values.size === 0;
  }

  /** The participant said that it is muted. */
  get muted(): boolean {
    return this.#values.get('muted') === 'true';
  }

  /** The participant said that it sends its camera. */
  get videoSending(): boolean {
    return this.#values.get('videosend') === 'true';
  }

  /** The participant said that it shares a screen. */
  get screenSending(): boolean {
    return this.#values.get('screensend') === 'true';
  }

  /** Takes over what a message says. */
  merge(props: Props): void {
    for (const [name, value] of Object.entries(props)) {
      if (!KNOWN_PROPS.has(name)) {
        const old = this.#values.get(name);
        const added = value.length + (old === undefined ? name.length : -old.length);
        if (this.#unknownLength + added > this.#maxUnknownLength) continue;
        this.#unknownLength += added;
      }
      this.#values.set(name, value);
    }
  }

  /** Everything said so far. */
  all(): Props {
    return Object.fromEntries(this.#values);
  }
}

/**
 * Brings what participants say about themselves to those they authorised: at once to who is newly authorised, and
 * after a change to all, not faster than once per interval and always with the whole state.
 */
export class PropsFanOut {
  readonly #authorisation: Authorisation;
  readonly #effects: EffectQueue;
  readonly #intervalMs: number;
  readonly #notBeforeMs = new Map<Caller, NowMs>();
  readonly #due = new DeadlineMap<Caller>();

  constructor(authorisation: Authorisation, effects: EffectQueue, intervalMs: number) {
    this.#authorisation = authorisation;
    this.#effects = effects;
    this.#intervalMs = intervalMs;
  }

  /** The sender's properties changed. */
  changed(now: NowMs, sender: Caller): void {
    const notBefore = this.#notBeforeMs.get(sender) ?? now;
    if (notBefore > now) this.#due.set(sender, notBefore);
    else this.#sendToAll(now, sender);
  }

  /** The sender authorised these just now. */
  introduce(sender: Caller, receivers: readonly Caller[]): void {
    this.#send(sender, receivers);
  }

  /** The sender is gone. */
  forget(sender: Caller): void {
    this.#notBeforeMs.delete(sender);
    this.#due.delete(sender);
  }

  /** When put-off properties are due. */
  pollTimeout(): NowMs | undefined {
    return this.#due.earliest();
  }

  /** Sends the properties that are due. */
  handleTimeout(now: NowMs): void {
    for (const sender of this.#due.takeDue(now)) this.#sendToAll(now, sender);
  }

  #sendToAll(now: NowMs, sender: Caller): void {
    this.#notBeforeMs.set(sender, now + this.#intervalMs);
    this.#send(sender, this.#authorisation.authorisedBy(sender));
  }

  #send(sender: Caller, receivers: Iterable<Caller>): void {
    if (sender.props.empty) return;
    const legs: LegId[] = [];
    for (const receiver of receivers) {
      if (receiver.reachable !== undefined) legs.push(receiver.reachable.id);
    }
    const only = legs[0];
    if (only === undefined) return;
    const text = encodeMessage(forwardedPropsMessage(sender, sender.props.all()));
    if (legs.length === 1) this.#effects.push({ type: 'send', leg: only, text });
    else this.#effects.push({ type: 'broadcast', legs, text });
  }
}
