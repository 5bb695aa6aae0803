import {
  type ConferenceMessage,
  type ConversationHash,
  encodeMessage,
  type LinkStream,
  type Participant,
  type ParticipantsMessage,
  type Props,
  parseMessage,
  type StreamRequest,
  type UserHash,
} from '@conclave/econn';
import { expect } from 'vitest';
import {
  type AudioSample,
  Conference,
  type ConferenceEffect,
  type ConferenceOptions,
  type LayerSample,
  type LegAnswer,
  type LegId,
  type LinkId,
  type VideoLayer,
} from '../src/index.ts';

export const CONVERSATION = '337c1d4c3d183624b040f9228f9abc45' as ConversationHash;
export const URL = 'https://sft.example';
export const EPOCH_MS = 1_795_232_000_000;

/** A small deterministic generator (mulberry32): numbers from 0 up to 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What a client's join is like; everything has a default. */
export interface JoinOptions extends Partial<LegAnswer> {
  readonly update?: boolean;
  readonly startsElsewhere?: boolean;
  /** Stop before the answer, or before the channel opens. */
  readonly until?: 'offer' | 'answer';
}

/** One simulated client. It answers lists by authorising all others, and pings, unless told otherwise. */
export class RigClient {
  readonly userId: UserHash;
  readonly clientId: string;
  leg: LegId;
  audioSsrc = 0;
  authorises: (entry: Participant) => boolean = () => true;
  answersLists = true;
  pings = true;
  confirmsHangup = true;
  readonly texts: string[] = [];
  readonly received: ConferenceMessage[] = [];

  constructor(userId: string, clientId: string, leg: LegId) {
    this.userId = userId as UserHash;
    this.clientId = clientId;
    this.leg = leg;
  }

  get lists(): ParticipantsMessage[] {
    return this.received.filter((message) => message.type === 'CONFPART');
  }

  /** User ids of the last list, in order. */
  get roster(): string[] {
    return this.lists.at(-1)?.participants.map((entry) => entry.userId) ?? [];
  }

  /** Last properties heard of that user. */
  propsOf(userId: string): Props | undefined {
    const messages = this.received.filter((m) => m.type === 'PROPSYNC' && m.sourceUserId === userId);
    const last = messages.at(-1);
    return last?.type === 'PROPSYNC' ? last.props : undefined;
  }

  envelope(response: boolean): Omit<ConferenceMessage & { type: 'PING' }, 'type'> {
    return {
      sessionId: CONVERSATION,
      sourceUserId: this.userId,
      sourceClientId: this.clientId,
      destinationUserId: 'sft',
      destinationClientId: 'SFT',
      response,
    };
  }
}

export interface RigVideo {
  readonly leg: LegId;
  readonly layer: VideoLayer;
  readonly at: 'now' | 'key-frame';
}

/** A stream that is sent over a link. */
export interface RigExport {
  readonly link: LinkId;
  readonly stream: LinkStream;
  source: { readonly leg: LegId; readonly layer: VideoLayer | 'audio' } | undefined;
}

/**
 * A conference on a virtual clock, with clients on one side and a model of the forwarding plane on the other. Every
 * effect is checked against the rules that hold always.
 */
export class ConferenceRig {
  readonly conference: Conference;
  readonly clients = new Set<RigClient>();
  readonly effects: { readonly atMs: number; readonly effect: ConferenceEffect }[] = [];
  readonly closed = new Map<LegId, string>();
  readonly added = new Set<LegId>();
  readonly slots: (LegId | undefined)[];
  readonly joined = new Set<LegId>();
  readonly permissions = new Map<LegId, readonly LegId[]>();
  readonly video = new Map<string, RigVideo>();
  readonly csrcs = new Map<LegId, { audio: number; video: number }>();
  readonly levels = new Map<RigClient, number>();
  readonly activity = new Map<RigClient, VideoLayer[]>();
  /** Whether readings of levels and layers are delivered while time advances. */
  readings = false;
  /** Participants at other servers, by the legs that stand for them here. */
  readonly imports = new Map<LegId, Extract<ConferenceEffect, { type: 'import-leg' }>>();
  /** What is sent over links, by link and export. */
  readonly exports = new Map<string, RigExport>();
  /** Levels of streams that come over links. */
  importedLevels: () => AudioSample[] = () => [];
  /** Hears of what goes over links. */
  onLink: (effect: Extract<ConferenceEffect, { type: 'send-link' | 'close-link' }>) => void = () => {};
  ended = 0;
  now = 0;
  nextLeg = 1;
  #seqno = 0;
  #nextPing = new Map<RigClient, number>();
  #nextAudio = 0;
  #nextVideo = 0;
  readonly #byLeg = new Map<LegId, RigClient>();
  readonly random: () => number;

  constructor(options: Partial<ConferenceOptions> = {}, seed = 1) {
    this.random = seededRandom(seed);
    this.slots = new Array<LegId | undefined>(options.limits?.audioSlots ?? 5).fill(undefined);
    this.conference = new Conference({
      conversation: CONVERSATION,
      url: URL,
      epochAtZeroMs: EPOCH_MS,
      random: (size) => Uint8Array.from({ length: size }, () => Math.floor(this.random() * 256)),
      nextSeqno: () => ++this.#seqno,
      ...options,
    });
  }

  /** A new client that joins; with the name of an earlier one, that one comes anew. */
  join(name: string, options: JoinOptions = {}, clientId = '_'): RigClient {
    const client = new RigClient(name, clientId, 0 as LegId);
    this.clients.add(client);
    this.connect(client, options);
    return client;
  }

  /** Gives the client a new leg and brings it as far as the options say. */
  connect(client: RigClient, options: JoinOptions = {}): LegId {
    const leg = this.offer(client, options);
    if (options.until === 'offer') return leg;
    this.answer(client, leg, options);
    if (options.until === 'answer') return leg;
    this.open(client, leg);
    return leg;
  }

  update(client: RigClient, options: JoinOptions = {}): LegId {
    return this.connect(client, { ...options, update: true });
  }

  offer(client: RigClient, options: JoinOptions = {}): LegId {
    const leg = this.nextLeg++ as LegId;
    this.added.add(leg);
    this.conference.addLeg(this.now, {
      leg,
      userId: client.userId,
      clientId: client.clientId,
      update: options.update ?? false,
      startsElsewhere: options.startsElsewhere ?? false,
    });
    this.drain();
    return leg;
  }

  answer(client: RigClient, leg: LegId, options: JoinOptions = {}): void {
    const audioSsrc = 'audioSsrc' in options ? options.audioSsrc : 1 + Math.floor(this.random() * 0xfffffffe);
    client.audioSsrc = audioSsrc ?? 0;
    this.conference.legAnswered(this.now, leg, {
      audioSsrc,
      video: options.video ?? 'simulcast',
      audioSlots: options.audioSlots ?? 5,
      videoSlots: options.videoSlots ?? 9,
    });
    this.drain();
  }

  open(client: RigClient, leg: LegId): void {
    client.leg = leg;
    this.#byLeg.set(leg, client);
    this.#nextPing.set(client, this.now + 5000);
    this.conference.channelOpened(this.now, leg);
    this.drain();
  }

  /** The client's transport is lost. */
  lose(client: RigClient, leg: LegId = client.leg): void {
    this.conference.legClosed(this.now, leg, 'ice-failed');
    this.drain();
  }

  say(client: RigClient, text: string): void {
    this.conference.message(this.now, client.leg, text);
    this.drain();
  }

  ping(client: RigClient, sessionId: string = CONVERSATION): void {
    this.say(client, encodeMessage({ ...client.envelope(false), sessionId, type: 'PING' }));
  }

  hangUp(client: RigClient, response = false, sessionId: string = CONVERSATION): void {
    this.say(client, encodeMessage({ ...client.envelope(response), sessionId, type: 'HANGUP' }));
  }

  sync(client: RigClient, props: Props, response = false): void {
    this.say(client, encodeMessage({ ...client.envelope(response), type: 'PROPSYNC', props }));
  }

  watch(client: RigClient, streams: readonly StreamRequest[], mode: 'list' | 'level' = 'list'): void {
    this.say(client, encodeMessage({ ...client.envelope(false), type: 'CONFSTREAMS', mode, streams }));
  }

  authorise(client: RigClient, participants: readonly Participant[], response = true): void {
    this.say(client, this.listText(client, participants, response));
  }

  listText(client: RigClient, participants: readonly Participant[], response = true): string {
    return encodeMessage({
      ...client.envelope(response),
      sessionId: '',
      type: 'CONFPART',
      shouldStart: false,
      timestampMs: 0,
      sequenceNumber: 0,
      participants: participants.map((entry) => ({ ...entry, authorized: true })),
    });
  }

  /** The others of the client's last list. */
  othersOf(client: RigClient): Participant[] {
    return (client.lists.at(-1)?.participants ?? []).filter((entry) => entry.userId !== client.userId);
  }

  speak(client: RigClient, level: number | undefined): void {
    if (level === undefined) this.levels.delete(client);
    else this.levels.set(client, level);
  }

  onset(client: RigClient): void {
    this.conference.audioOnset(this.now, client.leg);
    this.drain();
  }

  switched(receiver: RigClient, slot: number, source: RigClient, layer: VideoLayer): void {
    this.conference.sourceSwitched(this.now, { receiver: receiver.leg, slot, source: source.leg, layer });
    this.drain();
  }

  /** Lets time pass, doing everything that is due on the way. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = Math.min(
        this.conference.pollTimeout() ?? Number.POSITIVE_INFINITY,
        this.readings ? Math.min(this.#nextAudio, this.#nextVideo) : Number.POSITIVE_INFINITY,
        ...this.#nextPing.values(),
      );
      if (next > end) break;
      this.now = Math.max(this.now, next);
      this.#runDue();
    }
    this.now = end;
  }

  /** Runs the conference's timers only, jumping to the next one. */
  runNextTimer(): void {
    const next = this.conference.pollTimeout();
    expect(next).toBeDefined();
    this.now = Math.max(this.now, next!);
    this.conference.handleTimeout(this.now);
    this.drain();
  }

  /** Whether the plane would let the receiver hear the sender now. */
  hears(receiver: RigClient, sender: RigClient): boolean {
    return (
      this.joined.has(receiver.leg) &&
      this.slots.includes(sender.leg) &&
      (this.permissions.get(receiver.leg)?.includes(sender.leg) ?? false)
    );
  }

  /** The layer the receiver was told to see of the sender, and where. */
  sees(receiver: RigClient, slot: number): RigVideo | undefined {
    return this.video.get(`${receiver.leg}/${slot}`);
  }

  effectsOf<T extends ConferenceEffect['type']>(
    type: T,
    sinceMs = 0,
  ): Extract<ConferenceEffect, { type: T }>[] {
    return this.effects
      .filter(({ atMs, effect }) => atMs >= sinceMs && effect.type === type)
      .map(({ effect }) => effect as Extract<ConferenceEffect, { type: T }>);
  }

  /** Performs all effects, and lets the clients react to what they are told. */
  drain(): void {
    for (let e = this.conference.pollEffect(); e !== undefined; e = this.conference.pollEffect()) {
      this.effects.push({ atMs: this.now, effect: e });
      if (e.type === 'import-leg') this.added.add(e.leg);
      this.#check(e);
      this.#perform(e);
    }
    const reactions = this.#reactions;
    this.#reactions = [];
    for (const react of reactions) react();
    if (reactions.length > 0) this.drain();
  }

  #reactions: (() => void)[] = [];

  #runDue(): void {
    for (const [client, atMs] of this.#nextPing) {
      if (atMs > this.now) continue;
      this.#nextPing.set(client, this.now + 5000);
      if (this.closed.has(client.leg)) this.#nextPing.delete(client);
      else if (client.pings) this.ping(client);
    }
    if (this.readings && this.#nextAudio <= this.now) {
      this.#nextAudio = this.now + 100;
      this.conference.audioLevels(this.now, this.#audioSamples());
    }
    if (this.readings && this.#nextVideo <= this.now) {
      this.#nextVideo = this.now + 250;
      this.conference.layerActivity(this.now, this.#layerSamples());
    }
    this.conference.handleTimeout(this.now);
    this.drain();
  }

  #audioSamples(): AudioSample[] {
    return [...this.importedLevels()].concat(
      [...this.levels]
        .filter(([client]) => !this.closed.has(client.leg))
        .map(([{ leg }, level]) => ({
          leg,
          packets: 3,
          meanLevel: level,
          peakLevel: level,
          voicePackets: level < 100 ? 3 : 0,
        })),
    );
  }

  #layerSamples(): LayerSample[] {
    return [...this.activity].flatMap(([{ leg }, layers]) =>
      layers.map((layer) => ({ leg, layer, packets: 20 })),
    );
  }

  #check(effect: ConferenceEffect): void {
    expect(this.ended, 'an effect after the end').toBe(effect.type === 'close-leg' ? this.ended : 0);
    for (const leg of legsOf(effect)) {
      expect(this.added.has(leg), `${effect.type} names an unknown leg`).toBe(true);
      expect(this.closed.has(leg), `${effect.type} names the closed leg ${leg}`).toBe(false);
    }
  }

  #perform(effect: ConferenceEffect): void {
    switch (effect.type) {
      case 'send':
        this.#deliver(effect.leg, effect.text);
        return;
      case 'broadcast':
        for (const leg of effect.legs) this.#deliver(leg, effect.text);
        return;
      case 'set-audio-slot':
        this.slots[effect.slot] = undefined;
        if (effect.source !== undefined) expect(this.slots).not.toContain(effect.source);
        this.slots[effect.slot] = effect.source;
        return;
      case 'set-audio-permissions':
        expect(effect.senders).not.toContain(effect.receiver);
        expect(this.joined.has(effect.receiver)).toBe(true);
        this.permissions.set(effect.receiver, effect.senders);
        return;
      case 'set-video-source': {
        const key = `${effect.receiver}/${effect.slot}`;
        expect(effect.deadlineMs > 0).toBe(effect.at === 'key-frame');
        if (effect.source === undefined) this.video.delete(key);
        else this.video.set(key, { ...effect.source, at: effect.at });
        return;
      }
      case 'assign-csrc':
        expect(this.csrcs.has(effect.leg)).toBe(false);
        this.csrcs.set(effect.leg, effect);
        return;
      case 'join-audio':
        expect(this.joined.has(effect.leg)).toBe(false);
        this.joined.add(effect.leg);
        return;
      case 'leave-audio':
        expect(this.joined.delete(effect.leg)).toBe(true);
        this.permissions.delete(effect.leg);
        return;
      case 'close-leg':
        this.closed.set(effect.leg, effect.reason);
        expect(this.joined.has(effect.leg), 'closed while it still receives').toBe(false);
        expect(this.slots, 'closed while in a slot').not.toContain(effect.leg);
        for (const key of [...this.video.keys()])
          if (key.startsWith(`${effect.leg}/`)) this.video.delete(key);
        for (const { leg } of this.video.values()) expect(leg, 'closed while seen').not.toBe(effect.leg);
        for (const senders of this.permissions.values()) expect(senders).not.toContain(effect.leg);
        return;
      case 'ended':
        this.ended++;
        expect(this.ended).toBe(1);
        return;
      case 'request-key-frame':
        return;
      case 'import-leg':
        this.csrcs.set(effect.leg, { audio: effect.audioCsrc, video: effect.videoCsrc });
        this.imports.set(effect.leg, effect);
        return;
      case 'add-export':
        this.exports.set(`${effect.link}/${effect.export}`, { ...effect, source: undefined });
        return;
      case 'set-export': {
        const one = this.exports.get(`${effect.link}/${effect.export}`);
        expect(one, 'set-export of an unknown export').toBeDefined();
        one!.source = effect.source;
        return;
      }
      case 'remove-export':
        expect(this.exports.delete(`${effect.link}/${effect.export}`)).toBe(true);
        return;
      case 'close-link':
        for (const [key, one] of this.exports) if (one.link === effect.link) this.exports.delete(key);
        this.onLink(effect);
        return;
      case 'send-link':
        this.onLink(effect);
        return;
    }
  }

  #deliver(leg: LegId, text: string): void {
    const client = this.#byLeg.get(leg);
    expect(client, 'sent to a leg without an open channel').toBeDefined();
    if (client === undefined) return;
    client.texts.push(text);
    const message = parseMessage(text);
    client.received.push(message);
    if (message.type === 'CONFPART' && client.answersLists) {
      const others = message.participants.filter((entry) => entry.userId !== client.userId);
      const accepted = others.filter((entry) => client.authorises(entry));
      this.#reactions.push(() => {
        if (client.leg === leg) this.authorise(client, accepted);
      });
    }
    if (message.type === 'HANGUP' && !message.response && client.confirmsHangup) {
      this.#reactions.push(() => this.hangUp(client, true));
    }
  }
}

function legsOf(effect: ConferenceEffect): LegId[] {
  switch (effect.type) {
    case 'broadcast':
      return [...effect.legs];
    case 'set-audio-slot':
      return effect.source === undefined ? [] : [effect.source];
    case 'set-audio-permissions':
      return [effect.receiver, ...effect.senders];
    case 'set-video-source':
      return effect.source === undefined ? [effect.receiver] : [effect.receiver, effect.source.leg];
    case 'set-export':
      return effect.source === undefined ? [] : [effect.source.leg];
    case 'add-export':
    case 'remove-export':
    case 'send-link':
    case 'close-link':
    case 'ended':
      return [];
    default:
      return [effect.leg];
  }
}
