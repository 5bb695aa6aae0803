import type { NowMs, RandomBytes } from '@conclave/bytes';
import { SctpAssociation, type SctpEvent, type SctpOptions } from '../src/index.ts';

/** Numbers in 0..1 that are the same for the same seed (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function seededBytes(seed: number): RandomBytes {
  const next = seededNumbers(seed);
  return (size) => Uint8Array.from({ length: size }, () => Math.floor(next() * 256));
}

export interface LinkOptions {
  /** Share of packets that vanish. */
  readonly loss?: number;
  /** Share of packets that arrive twice. */
  readonly duplication?: number;
  readonly delayMs?: number;
  /** Largest extra delay: packets overtake each other. */
  readonly jitterMs?: number;
  /** Packets for which this says false vanish. */
  readonly passes?: (packet: Uint8Array, from: 'a' | 'b', now: NowMs) => boolean;
}

type Side = 'a' | 'b';

/** Two associations and the link between them, on a clock of their own. */
export class AssociationPair {
  now: NowMs = 1000;
  a: SctpAssociation;
  b: SctpAssociation;
  link: LinkOptions;
  readonly events: Record<Side, SctpEvent[]> = { a: [], b: [] };
  /** Sides whose events stay unpolled. */
  readonly unpolled = new Set<Side>();
  /** Every packet sent, with its sender. */
  readonly wire: { readonly from: Side; readonly bytes: Uint8Array; readonly at: NowMs }[] = [];
  readonly #random: () => number;
  readonly #optionsA: SctpOptions;
  readonly #optionsB: SctpOptions;
  #inFlight: { at: NowMs; order: number; to: Side; bytes: Uint8Array }[] = [];
  #order = 0;

  constructor(
    seed: number,
    link: LinkOptions = {},
    options: Partial<SctpOptions> = {},
    optionsB: Partial<SctpOptions> = options,
  ) {
    this.#random = seededNumbers(seed);
    this.link = link;
    this.#optionsA = { role: 'server', random: seededBytes(seed + 1), ...options };
    this.#optionsB = { role: 'client', random: seededBytes(seed + 2), ...optionsB };
    this.a = new SctpAssociation(this.#optionsA);
    this.b = new SctpAssociation(this.#optionsB);
  }

  /** Replaces `b` by one that knows nothing, as after a crash. */
  restartB(seed: number): void {
    this.b = new SctpAssociation({ ...this.#optionsB, random: seededBytes(seed) });
    this.#inFlight = [];
    this.events.b = [];
  }

  /** Both sides connected over the link as it is. */
  connect(): this {
    this.a.connect(this.now);
    this.b.connect(this.now);
    this.runUntil(() => this.a.state === 'established' && this.b.state === 'established', 60_000);
    return this;
  }

  /** Fetches packets and events of both sides. */
  drain(): void {
    for (const side of ['a', 'b'] as const) {
      const association = this[side];
      if (!this.unpolled.has(side)) {
        for (let event = association.pollEvent(); event; event = association.pollEvent()) {
          this.events[side].push(event);
        }
      }
      for (let bytes = association.pollTransmit(); bytes; bytes = association.pollTransmit()) {
        this.wire.push({ from: side, bytes, at: this.now });
        this.#carry(side, bytes);
      }
    }
  }

  /** Goes on to the next arrival or timeout, but not past `limit`. Whether something happened. */
  step(limit: NowMs): boolean {
    this.drain();
    const arrival = this.#inFlight[0];
    let at = arrival?.at ?? Number.POSITIVE_INFINITY;
    for (const side of ['a', 'b'] as const) {
      at = Math.min(at, this[side].pollTimeout() ?? Number.POSITIVE_INFINITY);
    }
    if (at > limit) return false;
    this.now = Math.max(this.now, at);
    if (arrival && arrival.at <= this.now) {
      this.#inFlight.shift();
      this[arrival.to].handlePacket(this.now, arrival.bytes);
    }
    for (const side of ['a', 'b'] as const) {
      const due = this[side].pollTimeout();
      if (due !== undefined && due <= this.now) this[side].handleTimeout(this.now);
    }
    this.drain();
    return true;
  }

  run(durationMs: number): void {
    const limit = this.now + durationMs;
    while (this.step(limit));
    this.now = limit;
  }

  /** Runs until the condition holds; throws when it does not within the time. */
  runUntil(condition: () => boolean, withinMs: number): void {
    const limit = this.now + withinMs;
    this.drain();
    while (!condition()) {
      if (!this.step(limit)) {
        throw new Error(`not within ${withinMs} ms; a is ${this.a.state}, b is ${this.b.state}`);
      }
    }
  }

  messages(side: Side): (string | Uint8Array)[] {
    return this.events[side].flatMap((event) => (event.type === 'message' ? [event.data] : []));
  }

  has(side: Side, type: SctpEvent['type']): boolean {
    return this.events[side].some((event) => event.type === type);
  }

  #carry(from: Side, bytes: Uint8Array): void {
    const { loss = 0, duplication = 0, delayMs = 10, jitterMs = 0, passes } = this.link;
    if (passes && !passes(bytes, from, this.now)) return;
    if (this.#random() < loss) return;
    const copies = this.#random() < duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const at = this.now + delayMs + jitterMs * this.#random();
      this.#inFlight.push({ at, order: this.#order++, to: from === 'a' ? 'b' : 'a', bytes: bytes.slice() });
    }
    this.#inFlight.sort((x, y) => x.at - y.at || x.order - y.order);
  }
}
