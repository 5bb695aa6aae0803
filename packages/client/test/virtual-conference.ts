import { createHash, webcrypto } from 'node:crypto';
import { Conference, type ConferenceEffect, type LegId } from '@conclave/conference';
import { type EncodedFrame, FrameTransform, type FrameTransformCommand, MediaCrypto } from '@conclave/e2ee';
import {
  type ConferenceMessage,
  type ConversationHash,
  connectOkMessage,
  connectRefusalMessage,
  encodeMessage,
  parseMessage,
  setupMessage,
  type UserHash,
  updateMessage,
} from '@conclave/econn';
import { VirtualClock } from '@conclave/testkit';
import type {
  ConferenceMedia,
  ConferencePeer,
  ConferencePlatform,
  HttpReply,
  MediaEvents,
  MediaStatistics,
  PeerEvents,
  ReceivedAudio,
  ReceivedVideo,
  SentVideo,
} from '../src/index.ts';

/** One way through the virtual network. */
const LATENCY_MS = 10;
/** From the answer to the open channel. */
const CONNECTING_MS = 50;
const EPOCH_MS = 1_795_232_000_000;

/** Repeatable bytes: the hash of seed and count. */
function seededBytes(seed: string): (size: number) => Uint8Array {
  let count = 0;
  return (size) => {
    const out = new Uint8Array(size);
    for (let at = 0; at < size; at += 32) {
      const block = createHash('sha256').update(`${seed} ${count++}`).digest();
      out.set(block.subarray(0, Math.min(32, size - at)), at);
    }
    return out;
  };
}

/**
 * Clients of this package on a virtual clock, with servers that think with the real conference's brain. Only ciphers run in
 * real time; the clock waits for them.
 */
export class VirtualConference {
  readonly clock = new VirtualClock(1_000);
  readonly crypto: MediaCrypto;
  readonly servers = new Map<string, VirtualServer>();
  #ciphersAtWork = 0;

  constructor() {
    const count = async <Value>(work: Promise<Value>): Promise<Value> => {
      this.#ciphersAtWork++;
      try {
        return await work;
      } finally {
        this.#ciphersAtWork--;
      }
    };
    const { subtle } = webcrypto;
    this.crypto = new MediaCrypto({
      importKey: (...args) => count(subtle.importKey(...args)),
      deriveBits: (how, key, bits) => count(subtle.deriveBits(how, key as webcrypto.CryptoKey, bits)),
      encrypt: (how, key, data) => count(subtle.encrypt(how, key as webcrypto.CryptoKey, data)),
      decrypt: (how, key, data) => count(subtle.decrypt(how, key as webcrypto.CryptoKey, data)),
    });
  }

  server(url: string): VirtualServer {
    const server = new VirtualServer(this, url);
    this.servers.set(url, server);
    return server;
  }

  platform(name: string): VirtualPlatform {
    return new VirtualPlatform(this, name);
  }

  /** Lets time pass, with everything that is due on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.clock.now + ms;
    await this.settle();
    while (this.clock.nextTaskMs !== undefined && this.clock.nextTaskMs <= end) {
      this.clock.runNext();
      await this.settle();
    }
    this.clock.advanceTo(end);
  }

  /** The promise's outcome, with as much time as it needs, at most two minutes. */
  async outcome<Value>(promise: Promise<Value>): Promise<Value> {
    let done = false;
    promise.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    const end = this.clock.now + 120_000;
    for (await this.settle(); !done && this.clock.now < end; ) await this.advance(10);
    if (!done) throw new Error('nothing came of it within two minutes');
    return promise;
  }

  /** Waits until nothing happens any more without the clock going on. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#ciphersAtWork > 0) quiet = -1;
    }
  }
}

/** What a server does with a request instead of serving it: the reply, silence, or no connection. */
export type Misbehaviour = HttpReply | 'silent' | 'unreachable';

/** A conference server that thinks with the real brain and has no media plane but a list of who may hear whom. */
export class VirtualServer {
  readonly url: string;
  /** Requests so far, and which of them were given up. */
  readonly requests: { readonly message: ConferenceMessage; aborted: boolean }[] = [];
  /** Everything said on channels, by clients. */
  readonly said: ConferenceMessage[] = [];
  /** Extra time that each request takes. */
  delayMs = 0;
  misbehave: (message: ConferenceMessage) => Misbehaviour | undefined = () => undefined;
  /** Changes what the server says; undefined: it is lost. */
  alter: (text: string, to: VirtualPeer) => string | undefined = (text) => text;
  /** Whether channels open after an answer. */
  connects = true;
  readonly peers = new Map<LegId, VirtualPeer>();
  readonly #rig: VirtualConference;
  readonly #conferences = new Map<string, Conference>();
  readonly #legs = new Map<LegId, Conference>();
  readonly #callers = new Map<string, LegId>();
  readonly #permissions = new Map<LegId, readonly LegId[]>();
  readonly #sources = new Map<LegId, { readonly audio: number; readonly video: number }>();
  readonly #random: (size: number) => Uint8Array;
  #nextLeg = 1;
  #seqno = 0;
  #stopTimer: (() => void) | undefined;

  constructor(rig: VirtualConference, url: string) {
    this.#rig = rig;
    this.url = url;
    this.#random = seededBytes(url);
  }

  /** Connections that the server knows of. */
  get legs(): number {
    return this.#legs.size;
  }

  handle(conversation: string, text: string): Misbehaviour {
    const message = parseMessage(text);
    const wrong = this.misbehave(message);
    if (wrong !== undefined) return wrong;
    if (message.type === 'CONFCONN') return this.#offer(conversation as ConversationHash, message);
    if (message.type === 'SETUP' || message.type === 'UPDATE') {
      this.#answer(message.sdp);
      return json(connectOkMessage(message.sessionId));
    }
    return { status: 400, body: 'Bad request' };
  }

  /** Ends all of a conversation's calls. */
  hangUpAll(conversation: string): void {
    this.#conferences.get(conversation)?.close(this.#rig.clock.now);
    this.#drain();
  }

  say(leg: LegId, text: string): void {
    this.said.push(parseMessage(text));
    const conference = this.#legs.get(leg);
    if (conference === undefined) return;
    conference.message(this.#rig.clock.now, leg, text);
    this.#drain();
  }

  /** The client's transport is gone. */
  lose(leg: LegId): void {
    this.#legs.get(leg)?.legClosed(this.#rig.clock.now, leg, 'transport-lost');
    this.#drain();
  }

  /** Hands a frame to all who may have it. */
  forward(from: LegId, kind: 'audio' | 'video', frame: ArrayBuffer): void {
    for (const [receiver, senders] of this.#permissions) {
      if (!senders.includes(from)) continue;
      const source = this.#sources.get(from)?.[kind];
      this.peers.get(receiver)?.take(kind, frame.slice(0), source === undefined ? [] : [source]);
    }
  }

  #offer(
    conversation: ConversationHash,
    message: Extract<ConferenceMessage, { type: 'CONFCONN' }>,
  ): HttpReply {
    let conference = this.#conferences.get(conversation);
    if (conference === undefined) {
      conference = new Conference({
        conversation,
        url: this.url,
        epochAtZeroMs: EPOCH_MS,
        random: this.#random,
        nextSeqno: () => ++this.#seqno,
      });
      this.#conferences.set(conversation, conference);
    }
    const leg = this.#nextLeg++ as LegId;
    this.#legs.set(leg, conference);
    this.#callers.set(message.sourceUserId, leg);
    conference.addLeg(this.#rig.clock.now, {
      leg,
      userId: message.sourceUserId as UserHash,
      clientId: message.sourceClientId,
      update: message.update,
      startsElsewhere: false,
    });
    this.#drain();
    const offer = { conversation, sdp: `offer ${this.url} ${leg}`, url: this.url };
    return json(message.update ? updateMessage(offer) : setupMessage(offer));
  }

  #answer(sdp: string): void {
    const [, leg, ssrc, slots] = sdp.split(' ').map(Number) as [number, LegId, number, number];
    const conference = this.#legs.get(leg);
    if (conference === undefined) return;
    const { clock } = this.#rig;
    conference.legAnswered(clock.now, leg, {
      audioSsrc: ssrc,
      video: 'simulcast',
      audioSlots: 5,
      videoSlots: slots,
      switchesAtKeyFrames: true,
    });
    this.#drain();
    clock.after(CONNECTING_MS, () => {
      const peer = this.peers.get(leg);
      if (!this.connects || peer === undefined || !this.#legs.has(leg) || peer.isCut) return;
      peer.open();
      conference.channelOpened(clock.now, leg);
      this.#drain();
    });
  }

  #drain(): void {
    const { clock } = this.#rig;
    let next = Number.POSITIVE_INFINITY;
    for (const conference of new Set(this.#conferences.values())) {
      for (let e = conference.pollEffect(); e !== undefined; e = conference.pollEffect()) this.#perform(e);
      next = Math.min(next, conference.pollTimeout() ?? next);
    }
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    if (next === Number.POSITIVE_INFINITY) return;
    this.#stopTimer = clock.at(next, (now) => {
      for (const conference of this.#conferences.values()) conference.handleTimeout(now);
      this.#drain();
    });
  }

  #perform(effect: ConferenceEffect): void {
    const { clock } = this.#rig;
    switch (effect.type) {
      case 'send':
        clock.after(LATENCY_MS, () => this.#deliver(effect.leg, effect.text));
        return;
      case 'broadcast':
        for (const leg of effect.legs) clock.after(LATENCY_MS, () => this.#deliver(leg, effect.text));
        return;
      case 'set-audio-permissions':
        this.#permissions.set(effect.receiver, effect.senders);
        return;
      case 'assign-csrc':
        this.#sources.set(effect.leg, effect);
        return;
      case 'close-leg':
        this.#legs.delete(effect.leg);
        this.#permissions.delete(effect.leg);
        clock.after(2 * LATENCY_MS, () => this.peers.get(effect.leg)?.lost());
        return;
      case 'ended':
        for (const [id, conference] of this.#conferences) {
          if (![...this.#legs.values()].includes(conference)) this.#conferences.delete(id);
        }
        return;
    }
  }

  #deliver(leg: LegId, text: string): void {
    const peer = this.peers.get(leg);
    const altered = peer === undefined ? undefined : this.alter(text, peer);
    if (altered !== undefined) peer?.receive(altered);
  }
}

/** One machine. */
export class VirtualPlatform implements ConferencePlatform {
  readonly name: string;
  readonly crypto: MediaCrypto;
  readonly random: (length: number) => Uint8Array;
  readonly rig: VirtualConference;
  /** Nothing gets through any more, in either direction. */
  isCut = false;
  media: VirtualMedia | undefined;

  constructor(rig: VirtualConference, name: string) {
    this.rig = rig;
    this.name = name;
    this.crypto = rig.crypto;
    this.random = seededBytes(name);
  }

  readonly now = (): number => this.rig.clock.now;

  after(delayMs: number, run: () => void): () => void {
    return this.rig.clock.after(delayMs, run);
  }

  post(url: string, body: string, signal: AbortSignal): Promise<HttpReply> {
    const [, base = '', conversation = ''] = /^(.*)\/sft\/(.*)$/.exec(url) ?? [];
    return new Promise((resolve, reject) => {
      const server = this.rig.servers.get(base);
      const record = { message: parseMessage(body), aborted: false };
      server?.requests.push(record);
      const abort = (): void => {
        record.aborted = true;
        reject(new Error('aborted'));
      };
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      this.after(LATENCY_MS + (server?.delayMs ?? 0), () => {
        if (record.aborted) return;
        const reply = server === undefined || this.isCut ? 'unreachable' : server.handle(conversation, body);
        if (reply === 'silent') return;
        this.after(LATENCY_MS, () => {
          signal.removeEventListener('abort', abort);
          if (reply === 'unreachable' || this.isCut) reject(new Error('no connection'));
          else resolve(reply);
        });
      });
    });
  }

  openMedia(events: MediaEvents): ConferenceMedia {
    this.media = new VirtualMedia(this, events);
    return this.media;
  }
}

/** Media of one join: frames are texts, sealed and opened by the real frame encryption. */
export class VirtualMedia implements ConferenceMedia {
  readonly videoSlots = 4;
  readonly audioStreams: readonly MediaStream[] = [];
  readonly commands: FrameTransformCommand[] = [];
  /** Texts opened, with who said them. */
  readonly heard: string[] = [];
  readonly platform: VirtualPlatform;
  readonly transform: FrameTransform;
  readonly peers = new Set<VirtualPeer>();
  closed = false;
  muted = false;
  level = 0;
  audio: readonly ReceivedAudio[] = [];
  figures: MediaStatistics | undefined;
  received: readonly ReceivedVideo[] = [];
  readonly #events: MediaEvents;

  constructor(platform: VirtualPlatform, events: MediaEvents) {
    this.platform = platform;
    this.#events = events;
    this.transform = new FrameTransform(platform.crypto, platform.random);
  }

  get receivedVideo(): readonly ReceivedVideo[] {
    return this.received;
  }

  receivedAudio(): readonly ReceivedAudio[] {
    return this.audio;
  }

  sentAudioLevel(): number {
    return this.level;
  }

  command(command: FrameTransformCommand): void {
    this.commands.push(command);
    void this.transform.handleCommand(command).then(() => this.#report());
  }

  createPeer(events: PeerEvents): ConferencePeer {
    const peer = new VirtualPeer(this, events);
    this.peers.add(peer);
    return peer;
  }

  async setMicrophone(): Promise<void> {}

  async setCamera(track: MediaStreamTrack | undefined): Promise<void> {
    this.send(track === undefined ? 'off' : 'camera');
  }

  async setScreen(stream: MediaStream | undefined): Promise<void> {
    this.send(stream === undefined ? 'off' : 'screen');
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
  }

  async statistics(): Promise<MediaStatistics | undefined> {
    return this.figures;
  }

  close(): void {
    this.closed = true;
    for (const peer of [...this.peers]) peer.close();
  }

  /** Something else is sent as video. */
  send(sending: SentVideo): void {
    this.#events.sendingChanged(sending);
  }

  /** Something else is seen. */
  show(received: readonly ReceivedVideo[]): void {
    this.received = received;
    this.#events.receivedChanged();
  }

  /** Seals a text as a frame and sends it over the connection in use; false if it could not be sealed. */
  async say(text: string): Promise<boolean> {
    const frame: EncodedFrame = {
      data: new TextEncoder().encode(text).buffer as ArrayBuffer,
      getMetadata: () => ({}),
    };
    const sealed = await this.transform.transform({ direction: 'send', kind: 'audio' }, frame);
    this.#report();
    const active = [...this.peers].findLast((peer) => peer.isActive);
    if (sealed) active?.sendFrame(frame.data);
    return sealed;
  }

  async take(kind: 'audio' | 'video', data: ArrayBuffer, sources: readonly number[]): Promise<void> {
    const frame: EncodedFrame = { data, getMetadata: () => ({ contributingSources: sources }) };
    const opened = await this.transform.transform({ direction: 'receive', kind, slot: '0' }, frame);
    if (opened) this.heard.push(new TextDecoder().decode(frame.data));
    this.#report();
  }

  #report(): void {
    for (let next = this.transform.pollReport(); next !== undefined; next = this.transform.pollReport()) {
      if (!this.closed) this.#events.report(next);
    }
  }
}

/** One connection. */
export class VirtualPeer implements ConferencePeer {
  isOpen = false;
  isActive = false;
  isClosed = false;
  server: VirtualServer | undefined;
  leg: LegId | undefined;
  readonly media: VirtualMedia;
  readonly #events: PeerEvents;

  constructor(media: VirtualMedia, events: PeerEvents) {
    this.media = media;
    this.#events = events;
  }

  get isCut(): boolean {
    return this.media.platform.isCut;
  }

  async answer(offer: string): Promise<string> {
    const [, url = '', leg = ''] = offer.split(' ');
    this.server = this.media.platform.rig.servers.get(url);
    if (this.server === undefined) throw new Error('not an offer');
    this.leg = Number(leg) as LegId;
    this.server.peers.set(this.leg, this);
    const ssrc = new DataView(this.media.platform.random(4).buffer).getUint32(0);
    return `answer ${leg} ${ssrc} ${this.media.videoSlots}`;
  }

  activate(): void {
    for (const peer of this.media.peers) peer.isActive = peer === this;
  }

  send(text: string): boolean {
    if (!this.isOpen || this.isClosed) return false;
    this.media.platform.after(LATENCY_MS, () => {
      if (!this.isCut) this.server?.say(this.leg!, text);
    });
    return true;
  }

  sendFrame(data: ArrayBuffer): void {
    if (!this.isCut) this.server?.forward(this.leg!, 'audio', data);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.media.peers.delete(this);
    if (this.isCut || this.server === undefined) return;
    this.media.platform.after(LATENCY_MS, () => this.server?.lose(this.leg!));
  }

  open(): void {
    this.isOpen = true;
    if (!this.isClosed) this.#events.opened();
  }

  receive(text: string): void {
    if (!this.isClosed && !this.isCut) this.#events.message(text);
  }

  /** The server, or the way to it, is gone. */
  lost(): void {
    if (!this.isClosed && !this.isCut) this.#events.failed('the transport is gone');
  }

  take(kind: 'audio' | 'video', data: ArrayBuffer, sources: readonly number[]): void {
    if (!this.isClosed && !this.isCut) void this.media.take(kind, data, sources);
  }
}

/** A refusal as the server writes it. */
export function refusal(status: 1 | 2 | 3 | 4 | 5): HttpReply {
  return json(connectRefusalMessage('c' as ConversationHash, status));
}

function json(message: Parameters<typeof encodeMessage>[0]): HttpReply {
  return { status: 200, body: encodeMessage(message) };
}
