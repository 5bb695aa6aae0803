import type { StreamRequest, VideoQuality } from '@conclave/econn';
import { expect, test } from 'vitest';
import type { LegId, VideoLayer } from '../src/index.ts';
import { ConferenceRig, type RigClient, seededRandom } from './conference-rig.ts';

const NAMES = Array.from({ length: 14 }, (_, i) => `user${i}`);
const LAYERS: readonly VideoLayer[] = ['low', 'high', 'single'];
const VIDEOS = ['none', 'single', 'simulcast'] as const;

/** What each client said last, as far as it counts: whom it accepts, by leg. Kept beside the conference. */
class Oracle {
  readonly accepted = new Map<LegId, Set<string>>();

  key(rig: ConferenceRig, client: RigClient): string {
    const csrc = rig.csrcs.get(client.leg);
    return `${client.userId}/${csrc?.audio}/${csrc?.video}`;
  }

  /** Both said so, about the very calls they have now. */
  mutual(rig: ConferenceRig, a: RigClient, b: RigClient): boolean {
    return (
      (this.accepted.get(a.leg)?.has(this.key(rig, b)) ?? false) &&
      (this.accepted.get(b.leg)?.has(this.key(rig, a)) ?? false)
    );
  }
}

class Life {
  readonly rig: ConferenceRig;
  readonly oracle = new Oracle();
  readonly present = new Map<string, RigClient>();
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.rig = new ConferenceRig({}, seed + 1);
    this.rig.readings = true;
    // Somebody stays, so that the conference does not end on the way.
    this.#join('anchor');
  }

  step(): void {
    const name = this.#pick(NAMES);
    const client = this.present.get(name);
    if (client !== undefined && this.rig.closed.has(client.leg)) this.present.delete(name);
    const alive = this.present.get(name);
    if (alive === undefined) this.#join(name);
    else this.#act(name, alive);
    this.#advance(this.#pick([0, 0, 5, 30, 120, 700]));
    this.#check();
  }

  finish(): void {
    this.#advance(2000);
    this.#check();
    const open = [...this.present.values()].filter(({ leg }) => leg > 0 && !this.rig.closed.has(leg));
    const rosters = new Set(
      open.map((client) => client.texts.filter((t) => t.includes('"CONFPART"')).at(-1)),
    );
    expect(rosters.size).toBe(1);
    for (const client of open) this.rig.hangUp(client);
    this.#advance(130_000);
    expect(this.rig.ended).toBe(1);
    expect(this.rig.conference.empty).toBe(true);
    expect(this.rig.conference.pollTimeout()).toBeUndefined();
    expect(this.rig.conference.snapshot()).toMatchObject({
      participants: 0,
      callers: 0,
      legs: 0,
      speakers: 0,
    });
    expect([...this.rig.closed.keys()].sort((a, b) => a - b)).toEqual([...this.rig.added]);
    expect(this.rig.slots.every((source) => source === undefined)).toBe(true);
    expect(this.rig.joined.size + this.rig.permissions.size + this.rig.video.size).toBe(0);
  }

  #join(name: string): void {
    const client = this.rig.join(name, {
      until: 'offer',
      update: name !== 'anchor' && this.#random() < 0.1,
    });
    client.answersLists = false;
    this.present.set(name, client);
    this.#bringUp(client, this.rig.conference.legOf(name, '_')!);
  }

  #bringUp(client: RigClient, leg: LegId): void {
    if (this.#random() < 0.05 && client.userId !== 'anchor') return;
    this.rig.answer(client, leg, {
      video: this.#pick(VIDEOS),
      videoSlots: this.#pick([0, 1, 4, 9]),
      audioSlots: this.#pick([0, 5, 5, 5]),
    });
    this.rig.open(client, leg);
  }

  #act(name: string, client: RigClient): void {
    const dice = this.#random();
    if (dice < 0.35) this.#accept(client);
    else if (dice < 0.5) this.#watch(client);
    else if (dice < 0.6) this.rig.speak(client, this.#pick([10, 20, 30, 60, 127, undefined]));
    else if (dice < 0.65)
      this.rig.activity.set(client, this.#pick([[], ['low'], ['high'], ['low', 'high'], ['single']]));
    else if (dice < 0.7) this.#plane(client);
    else if (dice < 0.75)
      this.rig.sync(client, { muted: String(this.#random() < 0.5) }, this.#random() < 0.5);
    else if (dice < 0.78) this.rig.onset(client);
    else if (dice < 0.8) this.rig.say(client, this.#pick(['', '{', '{"version":"3.0"}', 'null']));
    else if (dice < 0.88) this.#bringUp(client, this.rig.offer(client, { update: true }));
    else if (dice < 0.91) this.#bringUp(client, this.rig.offer(client));
    else if (dice < 0.95) this.rig.lose(client);
    else if (dice < 0.97) client.pings = false;
    else this.rig.hangUp(client);
    if (this.rig.closed.has(client.leg)) this.present.delete(name);
  }

  #accept(client: RigClient): void {
    const entries = this.rig.othersOf(client).filter(() => this.#random() < 0.8);
    this.oracle.accepted.set(
      client.leg,
      new Set(entries.map((e) => `${e.userId}/${e.audioSsrc}/${e.videoSsrc}`)),
    );
    this.rig.authorise(client, entries);
  }

  #watch(client: RigClient): void {
    const streams: StreamRequest[] = Array.from({ length: Math.floor(this.#random() * 6) }, () => ({
      userId: this.#pick(NAMES),
      quality: Math.floor(this.#random() * 3) as VideoQuality,
    }));
    this.rig.watch(client, streams);
  }

  #plane(client: RigClient): void {
    const source = this.#pick([...this.present.values()]);
    const change = {
      receiver: client.leg,
      slot: Math.floor(this.#random() * 4),
      source: source.leg,
      layer: this.#pick(LAYERS),
    };
    if (this.#random() < 0.5) this.rig.conference.sourceSwitched(this.rig.now, change);
    else this.rig.conference.switchDeadlinePassed(this.rig.now, change);
    this.rig.conference.keyFrameNeeded(this.rig.now, client.leg, change.layer);
    this.rig.drain();
  }

  #advance(ms: number): void {
    this.rig.advance(ms);
    this.rig.conference.handleTimeout(this.rig.now);
    this.rig.drain();
  }

  /** No medium flows without the consent of both, whatever happened. */
  #check(): void {
    const { rig } = this;
    const byLeg = new Map([...rig.clients].map((client) => [client.leg, client]));
    for (const [receiver, senders] of rig.permissions) {
      for (const sender of senders) {
        expect(this.oracle.mutual(rig, byLeg.get(receiver)!, byLeg.get(sender)!), 'heard unasked').toBe(true);
      }
    }
    for (const [key, { leg }] of rig.video) {
      const receiver = byLeg.get(Number(key.split('/')[0]) as LegId)!;
      expect(this.oracle.mutual(rig, receiver, byLeg.get(leg)!), 'seen unasked').toBe(true);
    }
    const inSlots = rig.slots.filter((source) => source !== undefined);
    expect(new Set(inSlots).size).toBe(inSlots.length);
    const sources = new Set([...rig.video].map(([key, { leg }]) => `${key.split('/')[0]}<${leg}`));
    expect(sources.size, 'one sender twice at one receiver').toBe(rig.video.size);
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!;
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('random life %i', (seed) => {
  const life = new Life(seed);
  for (let i = 0; i < 400; i++) life.step();
  life.finish();
});
