import type { NowMs } from '@conclave/bytes';
import type { LegId } from './conference-effect.ts';
import type { ConferenceLimits, ConferenceTimings } from './conference-options.ts';

/** Audio activity of one leg over the last reading interval. Levels are positive, 0 loudest, 127 silence (−dBov). */
export interface AudioSample {
  readonly leg: LegId;
  readonly packets: number;
  readonly meanLevel: number;
  /** Loudest packet, hence the smallest number. */
  readonly peakLevel: number;
  readonly voicePackets: number;
}

const SILENCE = 127;

/** A sender's loudness as it is remembered. */
interface Speaker {
  readonly leg: LegId;
  level: number;
  lastAudibleAtMs: NowMs | undefined;
  /** Since when it has been louder than a holder without having its slot. */
  louderSinceMs: NowMs | undefined;
}

interface Holder {
  readonly speaker: Speaker;
  readonly sinceMs: NowMs;
}

/**
 * Who is heard: the few slots that all receivers of the conference share. Slot 0 belongs to the first of the list,
 * loud or not; the others go to the loudest. A free slot is taken at once by anybody audible, so that in small
 * conferences everybody is heard; an occupied one only by somebody who is clearly louder for a while.
 */
export class AudioSlots {
  readonly #timings: ConferenceTimings;
  readonly #limits: ConferenceLimits;
  readonly #isHeard: (leg: LegId) => boolean;
  readonly #speakers = new Map<LegId, Speaker>();
  readonly #slots: (Holder | undefined)[];
  #first: LegId | undefined;

  /**
   * `isHeard` says whether anybody may hear the leg. Who is heard by nobody takes no slot, and has to leave the one it
   * has to anybody else; but not to nobody, because authorisation is lost for a moment whenever a call is moved.
   */
  constructor(timings: ConferenceTimings, limits: ConferenceLimits, isHeard: (leg: LegId) => boolean) {
    this.#timings = timings;
    this.#limits = limits;
    this.#isHeard = isHeard;
    this.#slots = new Array<Holder | undefined>(Math.max(0, limits.audioSlots - 1)).fill(undefined);
  }

  /** Who is in each slot. */
  get sources(): readonly (LegId | undefined)[] {
    const others = this.#slots.map((holder) => holder?.speaker.leg);
    return this.#limits.audioSlots > 0 ? [this.#first, ...others] : others;
  }

  /** Gives slot 0 to the leg. */
  setFirst(leg: LegId | undefined): void {
    this.#first = leg;
  }

  /** Takes the leg into the competition. */
  add(leg: LegId): void {
    this.#speakers.set(leg, { leg, level: SILENCE, lastAudibleAtMs: undefined, louderSinceMs: undefined });
  }

  /** The same person speaks over another leg now, and keeps its place. */
  replace(old: LegId, leg: LegId): void {
    const speaker = this.#speakers.get(old);
    this.#speakers.delete(old);
    if (speaker === undefined) {
      this.add(leg);
      return;
    }
    const moved: Speaker = { ...speaker, leg };
    this.#speakers.set(leg, moved);
    for (const [index, holder] of this.#slots.entries()) {
      if (holder?.speaker === speaker) this.#slots[index] = { ...holder, speaker: moved };
    }
  }

  /** Forgets the leg and frees its slot. */
  remove(leg: LegId): void {
    this.#speakers.delete(leg);
    if (this.#first === leg) this.#first = undefined;
    for (const [index, holder] of this.#slots.entries()) {
      if (holder?.speaker.leg === leg) this.#slots[index] = undefined;
    }
  }

  /** A reading of all levels. A leg without a sample was silent. */
  handleLevels(now: NowMs, samples: readonly AudioSample[]): void {
    const sampleOf = new Map(samples.map((sample) => [sample.leg, sample]));
    for (const speaker of this.#speakers.values()) {
      const sample = sampleOf.get(speaker.leg);
      if (sample !== undefined && this.#isAudible(sample)) this.#hear(now, speaker, sample.meanLevel);
      else this.#smooth(speaker, sample !== undefined && sample.packets > 0 ? sample.meanLevel : SILENCE);
    }
  }

  /** The leg just became loud. */
  handleOnset(now: NowMs, leg: LegId): void {
    const speaker = this.#speakers.get(leg);
    if (speaker !== undefined) this.#hear(now, speaker, Math.min(this.#limits.onsetLevel, speaker.level));
  }

  /** Assigns the slots anew by what is known. */
  decide(now: NowMs): void {
    this.#releaseSlots(now);
    for (const speaker of this.#challengers(now)) this.#place(now, speaker);
  }

  #isAudible(sample: AudioSample): boolean {
    if (sample.packets === 0 || sample.peakLevel >= this.#limits.silenceLevel) return false;
    return sample.voicePackets > 0 || sample.peakLevel <= this.#limits.loudLevel;
  }

  #hear(now: NowMs, speaker: Speaker, level: number): void {
    // The first level after a pause counts in full: smoothing from silence would delay the first word.
    if (this.#isTalking(now, speaker)) this.#smooth(speaker, level);
    else speaker.level = level;
    speaker.lastAudibleAtMs = now;
  }

  #smooth(speaker: Speaker, level: number): void {
    const weight = level < speaker.level ? this.#limits.levelAttack : this.#limits.levelRelease;
    speaker.level += weight * (level - speaker.level);
  }

  #isTalking(now: NowMs, speaker: Speaker): boolean {
    return (
      speaker.lastAudibleAtMs !== undefined && now - speaker.lastAudibleAtMs < this.#timings.speakerPauseMs
    );
  }

  #competes(now: NowMs, speaker: Speaker): boolean {
    return this.#isTalking(now, speaker) && this.#isHeard(speaker.leg);
  }

  #releaseSlots(now: NowMs): void {
    for (const [index, holder] of this.#slots.entries()) {
      if (holder === undefined) continue;
      const { leg, lastAudibleAtMs } = holder.speaker;
      const silent = lastAudibleAtMs === undefined || now - lastAudibleAtMs >= this.#timings.speakerSilenceMs;
      if (silent || leg === this.#first) this.#slots[index] = undefined;
    }
  }

  /** Those who talk and have no slot, the loudest first. */
  #challengers(now: NowMs): Speaker[] {
    const holding = new Set(this.#slots.map((holder) => holder?.speaker));
    const challengers: Speaker[] = [];
    for (const speaker of this.#speakers.values()) {
      const free = speaker.leg !== this.#first && !holding.has(speaker);
      if (free && this.#competes(now, speaker)) challengers.push(speaker);
      else speaker.louderSinceMs = undefined;
    }
    return challengers.sort((a, b) => a.level - b.level);
  }

  #place(now: NowMs, speaker: Speaker): void {
    const index = this.#slotFor(now, speaker);
    if (index === undefined) return;
    speaker.louderSinceMs = undefined;
    this.#slots[index] = { speaker, sinceMs: now };
  }

  #slotFor(now: NowMs, speaker: Speaker): number | undefined {
    const free = this.#slots.indexOf(undefined);
    if (free >= 0) return free;
    const ripe = this.#quietest(now, (holder) => now - holder.sinceMs >= this.#timings.speakerHoldMs);
    const target = ripe ?? this.#quietest(now, () => true);
    const holder = target === undefined ? undefined : this.#slots[target];
    if (holder === undefined) return undefined;
    if (ripe !== undefined && !this.#competes(now, holder.speaker)) return ripe;
    if (speaker.level + this.#limits.speakerMarginDb > holder.speaker.level) {
      speaker.louderSinceMs = undefined;
      return undefined;
    }
    speaker.louderSinceMs ??= now;
    // Counted up to the last time it was audible: a click that only its smoothed level remembers displaces nobody.
    const louderForMs = (speaker.lastAudibleAtMs ?? now) - speaker.louderSinceMs;
    return louderForMs >= this.#timings.speakerChallengeMs ? ripe : undefined;
  }

  /** Slot of the quietest holder; those who pause or whom nobody may hear come before all others. */
  #quietest(now: NowMs, accept: (holder: Holder) => boolean): number | undefined {
    let index: number | undefined;
    let quietest = Number.NEGATIVE_INFINITY;
    for (const [at, holder] of this.#slots.entries()) {
      if (holder === undefined || !accept(holder)) continue;
      const level = holder.speaker.level + (this.#competes(now, holder.speaker) ? 0 : SILENCE);
      if (level <= quietest) continue;
      index = at;
      quietest = level;
    }
    return index;
  }
}
