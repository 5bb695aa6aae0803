import type { NowMs } from '@conclave/bytes';
import type { CloseReason } from './conference-effect.ts';
import type { ConferenceTimings } from './conference-options.ts';
import { DeadlineMap } from './deadline-map.ts';
import type { Leg } from './membership.ts';

/** A leg whose time is up, and what follows: a question whether it lives, or its end. */
export type LivenessVerdict =
  | { readonly leg: Leg; readonly action: 'hang-up' }
  | { readonly leg: Leg; readonly action: 'close'; readonly reason: CloseReason };

/** The one deadline every leg has at any time; which one follows from the leg's state. */
export class Liveness {
  readonly #timings: ConferenceTimings;
  readonly #deadlines = new DeadlineMap<Leg>();

  constructor(timings: ConferenceTimings) {
    this.#timings = timings;
  }

  /** Starts the time that the leg's present state may last, or starts it again. */
  arm(now: NowMs, leg: Leg): void {
    const spanMs = this.#spanMs(leg);
    if (spanMs === undefined) this.#deadlines.delete(leg);
    else this.#deadlines.set(leg, now + spanMs);
  }

  /** The leg is gone. */
  forget(leg: Leg): void {
    this.#deadlines.delete(leg);
  }

  /** When the next leg's time is up. */
  pollTimeout(): NowMs | undefined {
    return this.#deadlines.earliest();
  }

  /** The legs whose time is up; each has to be armed anew or closed. */
  takeDue(now: NowMs): LivenessVerdict[] {
    return this.#deadlines.takeDue(now).map((leg) => verdictOn(leg));
  }

  #spanMs(leg: Leg): number | undefined {
    switch (leg.state) {
      case 'offered':
        return leg.update ? this.#timings.updateMs : this.#timings.setupMs;
      case 'answered':
        return this.#timings.connectMs;
      case 'open':
        return this.#timings.pingMs;
      case 'hanging-up':
        return this.#timings.hangupMs;
      case 'remote':
      case 'closed':
        return undefined;
    }
  }
}

function verdictOn(leg: Leg): LivenessVerdict {
  switch (leg.state) {
    case 'open':
      return { leg, action: 'hang-up' };
    case 'offered':
      return { leg, action: 'close', reason: 'setup-timeout' };
    case 'answered':
      return { leg, action: 'close', reason: 'connect-timeout' };
    default:
      return { leg, action: 'close', reason: 'ping-timeout' };
  }
}
