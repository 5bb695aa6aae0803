import { FormatError } from '@conclave/bytes';
import {
  DEFAULT_REPLAY_WINDOW_FRAMES,
  type FrameTransformReport,
  type MemberId,
  PropertyBox,
} from '@conclave/e2ee';
import { type ParticipantsMessage, type Props, type PropsMessage, parseMessage } from '@conclave/econn';
import { ClientError, type ClientErrorCode } from './client-error.ts';
import { ClientMessages } from './client-messages.ts';
import type {
  ConferenceState,
  ConferenceStatistics,
  ConferenceStatus,
  Profile,
  SentVideo,
  VideoWish,
} from './conference.ts';
import type { Cancel, ConferenceMedia, ConferencePlatform, MediaStatistics } from './conference-platform.ts';
import { Connection } from './connection.ts';
import type { GroupConference, JoinConferenceOptions } from './join-conference.ts';
import { KeyDriver } from './key-driver.ts';
import { ParticipantList } from './participant-list.ts';
import { openProfile, PROFILE_PROPERTY } from './profile-box.ts';
import { PropertySync } from './property-sync.ts';
import { QualityMeter } from './quality-meter.ts';
import { SESSION_TIMINGS, type SessionTimings } from './session-timings.ts';
import { SpeakerRanking } from './speaker-ranking.ts';
import { assignSlots, type SlotWish, streamRequests } from './video-slots.ts';

/** What a session is made with: options with everything filled in. */
export interface SessionOptions extends JoinConferenceOptions {
  readonly platform: ConferencePlatform;
  /** {@link SESSION_TIMINGS} by default. */
  readonly timings?: Partial<SessionTimings>;
}

/** One participation in one conference, from the first request to the end. Free of any browser. */
export class ConferenceSession implements GroupConference {
  readonly #options: SessionOptions;
  readonly #platform: ConferencePlatform;
  readonly #timings: SessionTimings;
  readonly #media: ConferenceMedia;
  readonly #messages: ClientMessages;
  readonly #others: ParticipantList;
  readonly #keys: KeyDriver;
  readonly #box: PropertyBox | undefined;
  readonly #properties: PropertySync;
  readonly #speakers = new SpeakerRanking();
  readonly #meter = new QualityMeter();
  readonly #listeners = new Set<(state: ConferenceState) => void>();
  /** Ends every request under way when the session does. */
  readonly #life = new AbortController();
  readonly #repeating: Cancel[] = [];
  #status: ConferenceStatus = 'joining';
  #endedBecause: ConferenceState['endedBecause'];
  #muted: boolean;
  #sending: SentVideo = 'off';
  #profile: Profile;
  #sealing: ConferenceState['sealing'] = 'waiting';
  #state: ConferenceState | undefined;
  #announced = false;
  #connection: Connection | undefined;
  #list: ParticipantsMessage | undefined;
  #unansweredPings = 0;
  #stopRosterTimer: Cancel | undefined;
  #reconnecting: Promise<void> | undefined;
  #reconnectAgain = false;
  #wishes: readonly VideoWish[] = [];
  #slots: readonly (SlotWish | undefined)[] = [];
  #sentStreams = '';
  #stopWishesTimer: Cancel | undefined;
  #figures: MediaStatistics | undefined;
  #leaving: Promise<void> | undefined;
  #goodbye: (() => void) | undefined;
  #hasStarted = false;

  /** Throws `ClientError` where media cannot be opened. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#platform = options.platform;
    this.#timings = { ...SESSION_TIMINGS, ...options.timings };
    this.#muted = options.muted ?? false;
    this.#profile = options.profile;
    const { conferenceId, selfId, keys, profileKey, platform } = options;
    this.#messages = new ClientMessages(conferenceId, selfId);
    this.#others = new ParticipantList(selfId);
    this.#box =
      profileKey === undefined
        ? undefined
        : new PropertyBox(platform.crypto, profileKey, (size) => platform.random(size));
    this.#properties = new PropertySync({
      selfId,
      box: this.#box,
      read: () => ({
        muted: this.#muted,
        video: this.#sending,
        boxed: { profile: this.#profile, quality: this.#meter.quality },
        epoch: keys.announcedEpoch,
      }),
      send: (props) => this.#send(this.#messages.props(props, true)),
    });
    this.#media = platform.openMedia({
      report: (report) => this.#handleReport(report),
      sendingChanged: (sending) => {
        this.#sending = sending;
        this.#tellProperties();
        this.#changed();
      },
      receivedChanged: () => this.#changed(),
    });
    this.#media.command({
      type: 'start',
      conversationHash: conferenceId,
      userHash: selfId,
      forwardHashing: keys.forwardHashing,
      replayWindowFrames: keys.countersNeverRestart ? DEFAULT_REPLAY_WINDOW_FRAMES : 0,
    });
    this.#keys = new KeyDriver({
      platform,
      provider: keys,
      memberOf: (hash) => this.#memberOf(hash),
      pipe: options.pipe,
      change: (change) => {
        this.#media.command({ type: 'key-change', change });
        if (change.type === 'send-with') this.#setSealing('sealed');
        if (change.type === 'key' && keys.announcedEpoch !== undefined) this.#tellProperties();
      },
      broken: () => this.#end('internal'),
    });
  }

  get state(): ConferenceState {
    this.#state ??= this.#snapshot();
    return this.#state;
  }

  subscribe(listener: (state: ConferenceState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Joins; once only. Rejects with `ClientError`, with the session ended. */
  async join(signal: AbortSignal | undefined): Promise<void> {
    const { microphone, camera, servers } = this.#options;
    const abort = (): void => this.#end('aborted');
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const stop = this.#platform.after(this.#timings.joinTimeoutMs, () => this.#life.abort());
    try {
      this.#requireLife();
      this.#media.setMuted(this.#muted);
      if (microphone !== undefined) await this.#media.setMicrophone(microphone);
      if (camera !== undefined) await this.#media.setCamera(camera);
      const connection = await this.#connect(servers, false);
      this.#use(connection);
    } catch (error) {
      const failure = this.#failureOf(error);
      this.#end(failure.code);
      throw failure;
    } finally {
      stop();
      signal?.removeEventListener('abort', abort);
    }
    const stopGoing = this.#platform.onGoing?.(() => this.#send(this.#messages.hangup(false)));
    if (stopGoing !== undefined) this.#repeating.push(stopGoing);
    this.#repeat(this.#timings.pingMs, () => this.#ping());
    this.#repeat(this.#timings.speakersMs, () => this.#readSpeakers());
    this.#repeat(this.#timings.statisticsMs, () => void this.#readStatistics());
  }

  async setMicrophone(track: MediaStreamTrack | undefined): Promise<void> {
    this.#requireLife();
    await this.#media.setMicrophone(track);
  }

  async setCamera(track: MediaStreamTrack | undefined): Promise<void> {
    this.#requireLife();
    await this.#media.setCamera(track);
  }

  async setScreen(stream: MediaStream | undefined): Promise<void> {
    this.#requireLife();
    await this.#media.setScreen(stream);
  }

  setMuted(muted: boolean): void {
    this.#requireLife();
    if (muted === this.#muted) return;
    this.#muted = muted;
    this.#media.setMuted(muted);
    this.#tellProperties();
    this.#changed();
  }

  async setProfile(profile: Profile): Promise<void> {
    this.#requireLife();
    this.#profile = profile;
    this.#changed();
    await this.#properties.update();
  }

  watch(wishes: readonly VideoWish[]): void {
    this.#requireLife();
    this.#wishes = [...wishes];
    this.#stopWishesTimer ??= this.#platform.after(this.#timings.wishesMs, () => {
      this.#stopWishesTimer = undefined;
      this.#assignSlots();
    });
  }

  async statistics(): Promise<ConferenceStatistics> {
    this.#requireLife();
    if (this.#figures === undefined) await this.#readStatistics();
    const figures = this.#figures;
    const frames = this.#others.frames();
    return {
      roundTripMs: figures?.roundTripMs,
      lossSent: figures?.lossSent,
      lossReceived: figures?.lossReceived,
      sentBps: figures?.sentBps ?? 0,
      receivedBps: figures?.receivedBps ?? 0,
      path: figures?.path,
      participants: [...frames].map(([id, { opened, refused }]) => ({
        id,
        video: figures?.video[this.#slots.findIndex((slot) => slot?.id === id)],
        framesOpened: opened,
        framesRefused: refused,
      })),
    };
  }

  reconnect(): void {
    this.#requireLife();
    if (this.#status !== 'joining') this.#reconnect();
  }

  refresh(): void {
    if (this.#list !== undefined) this.#handleList(this.#list);
    this.#keys.refresh();
  }

  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    if (this.#status === 'ended') return;
    const answered = new Promise<void>((resolve) => {
      this.#goodbye = resolve;
    });
    if (this.#send(this.#messages.hangup(false))) {
      const stop = this.#platform.after(this.#timings.leaveTimeoutMs, () => this.#goodbye?.());
      await answered;
      stop();
    }
    this.#end('left');
  }

  #connect(servers: readonly string[], update: boolean): Promise<Connection> {
    const { conferenceId, accessToken } = this.#options;
    const body = this.#messages.connect({ update, videoSlots: this.#media.videoSlots, accessToken });
    return Connection.open({
      platform: this.#platform,
      media: this.#media,
      timings: this.#timings,
      servers,
      request: { conferenceId, body, signal: this.#life.signal },
      answer: (type, sdp) => this.#messages.answer(type, sdp, this.#properties.plain()),
    });
  }

  /** Takes a connection into use; the one before it is closed only now. */
  #use(connection: Connection): void {
    const before = this.#connection;
    this.#connection = connection;
    this.#unansweredPings = 0;
    this.#sentStreams = '';
    before?.close();
    this.#setStatus('joined');
    this.#stopRosterTimer?.();
    this.#stopRosterTimer = this.#platform.after(this.#timings.rosterTimeoutMs, () => this.#reconnect());
    connection.start({
      message: (text) => this.#handleText(text),
      failed: () => this.#reconnect(),
    });
    this.#send(this.#messages.props(this.#properties.plain(), false));
    this.#tellProperties();
    this.#sendStreams();
  }

  #handleText(text: string): void {
    try {
      const message = parseMessage(text);
      switch (message.type) {
        case 'CONFPART':
          this.#stopRosterTimer?.();
          this.#handleList(message);
          this.#announce(message);
          break;
        case 'PROPSYNC':
          this.#handleProps(message);
          break;
        case 'PING':
          this.#unansweredPings = 0;
          break;
        case 'HANGUP':
          this.#handleHangup(message.response);
          break;
      }
    } catch (error) {
      // What a server says and nobody understands is passed over, as every client does.
      if (!(error instanceof FormatError)) this.#end('internal');
    }
  }

  #handleList(list: ParticipantsMessage): void {
    const { selfId } = this.#options;
    const accepts = (id: string): boolean => this.#memberOf(id) !== undefined;
    this.#list = list;
    this.#others.handleList(list, accepts);
    this.#media.command({ type: 'senders', senders: this.#others.senders() });
    const own = list.participants.find(({ userId }) => userId === selfId);
    if (own !== undefined) {
      this.#media.command({ type: 'stream-id', kind: 'audio', streamId: own.audioSsrc });
      this.#media.command({ type: 'stream-id', kind: 'video', streamId: own.videoSsrc });
    }
    this.#keys.handleRoster(list);
    this.#send(this.#messages.authorise(list, accepts));
    this.#assignSlots();
    this.#changed();
  }

  #announce(list: ParticipantsMessage): void {
    if (this.#announced) return;
    this.#announced = true;
    const server = this.#connection!.server;
    // A server that restarted may not know that the conference began with us.
    if (!list.shouldStart && list.participants.length !== 1) return;
    this.#options.announce?.({
      server,
      servers: list.sfts ?? [server],
      timestampMs: list.timestampMs,
      sequenceNumber: list.sequenceNumber,
    });
  }

  #handleProps({ sourceUserId: id, props }: PropsMessage): void {
    if (!this.#others.handleProps(id, props)) return;
    const epoch = Number(props.keysync ?? Number.NaN);
    if (Number.isSafeInteger(epoch)) this.#keys.handleAnnouncedEpoch(id, epoch);
    this.#openBox(id, props);
    this.#assignSlots();
    this.#changed();
  }

  #openBox(id: string, props: Props): void {
    const text = props[PROFILE_PROPERTY];
    if (this.#box === undefined || text === undefined) return;
    openProfile(this.#box, id, text).then(
      (boxed) => {
        this.#others.handleBox(id, boxed);
        this.#changed();
      },
      // A box that was made with another key or badly: its owner goes without a name.
      () => undefined,
    );
  }

  #handleHangup(response: boolean): void {
    if (response) {
      this.#goodbye?.();
      return;
    }
    this.#send(this.#messages.hangup(true));
    this.#end(this.#leaving === undefined ? 'server-ended' : 'left');
  }

  #handleReport(report: FrameTransformReport): void {
    this.#keys.handleReport(report);
    if (report.type === 'counts') this.#others.handleCounts(report.senders);
    else if (report.type === 'source') this.#others.handleOpened(report.userHash);
    else if (report.type === 'dropped' && report.userHash !== undefined)
      this.#others.handleRefused(report.userHash);
    else if (report.type === 'not-sealed')
      this.#setSealing(report.code === 'key-exhausted' ? 'exhausted' : 'waiting');
    else return;
    this.#changed();
  }

  #ping(): void {
    if (this.#status !== 'joined') return;
    if (this.#unansweredPings >= this.#timings.unansweredPings) {
      this.#reconnect();
      return;
    }
    this.#unansweredPings++;
    this.#send(this.#messages.ping());
  }

  #reconnect(): void {
    if (this.#status === 'ended' || this.#leaving !== undefined) return;
    if (this.#reconnecting !== undefined) {
      this.#reconnectAgain = true;
      return;
    }
    this.#setStatus('reconnecting');
    this.#reconnectAgain = false;
    this.#reconnecting = this.#tryToReconnect().then((error) => {
      this.#reconnecting = undefined;
      if (error !== undefined) this.#end(error);
      else if (this.#reconnectAgain) this.#reconnect();
    });
  }

  /** Resolves with the reason for giving up. */
  async #tryToReconnect(): Promise<ClientErrorCode | undefined> {
    const giveUpAt = this.#platform.now() + this.#timings.reconnectTimeoutMs;
    const server = this.#connection!.server;
    for (let delayMs = this.#timings.reconnectDelayMs; ; delayMs *= 2) {
      try {
        const connection = await this.#connect([server], true);
        if (this.#life.signal.aborted) connection.close();
        else this.#use(connection);
        return undefined;
      } catch (error) {
        const { code } = this.#failureOf(error);
        if (this.#life.signal.aborted) return undefined;
        if (FINAL_CODES.has(code)) return code;
      }
      if (this.#platform.now() + delayMs > giveUpAt) return 'connection-lost';
      await this.#pause(Math.min(delayMs, this.#timings.maxReconnectDelayMs));
      if (this.#life.signal.aborted) return undefined;
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.#platform.after(delayMs, resolve);
      this.#life.signal.addEventListener('abort', () => {
        stop();
        resolve();
      });
    });
  }

  #assignSlots(): void {
    const slots = this.#media.videoSlots;
    const shown = this.#wishes.filter(({ id }) => this.#others.videoOf(id) !== 'off');
    this.#slots = assignSlots(this.#slots, shown, slots);
    this.#sendStreams();
    this.#changed();
  }

  #sendStreams(): void {
    const streams = streamRequests(this.#slots, this.#options.selfId);
    const text = this.#messages.streams(streams);
    if (text === this.#sentStreams || (this.#sentStreams === '' && streams.length === 0)) return;
    if (this.#send(text)) this.#sentStreams = text;
  }

  #readSpeakers(): void {
    const levels = new Map<string, number>();
    for (const { source, level } of this.#media.receivedAudio()) {
      if (source !== undefined && this.#others.has(source)) {
        levels.set(source, Math.max(level, levels.get(source) ?? 0));
      }
    }
    levels.set(this.#options.selfId, this.#media.sentAudioLevel());
    if (this.#speakers.update(this.#platform.now(), levels)) this.#changed();
  }

  async #readStatistics(): Promise<void> {
    this.#media.command({ type: 'count' });
    const figures = await this.#media.statistics().catch(() => undefined);
    if (figures === undefined || this.#status === 'ended') return;
    this.#figures = figures;
    if (!this.#meter.update(figures)) return;
    this.#tellProperties();
    this.#changed();
  }

  #tellProperties(): void {
    // Only a profile that is too long could be refused, and names are cut before.
    if (this.#connection !== undefined) this.#properties.update().catch(() => this.#end('internal'));
  }

  #send(text: string): boolean {
    return this.#connection?.send(text) ?? false;
  }

  #memberOf(userHash: string): MemberId | undefined {
    const { memberOf } = this.#options;
    return memberOf === undefined ? { userId: userHash, clientId: '_' } : memberOf(userHash);
  }

  #setStatus(status: ConferenceStatus): void {
    if (this.#status === status || this.#status === 'ended') return;
    this.#status = status;
    this.#changed();
  }

  #setSealing(sealing: ConferenceState['sealing']): void {
    if (this.#sealing === sealing) return;
    this.#sealing = sealing;
    this.#changed();
  }

  #end(because: 'left' | ClientErrorCode): void {
    if (this.#status === 'ended') return;
    this.#endedBecause = because;
    this.#setStatus('ended');
    this.#life.abort();
    for (const stop of this.#repeating) stop();
    this.#stopRosterTimer?.();
    this.#stopWishesTimer?.();
    this.#keys.close();
    this.#connection?.close();
    this.#media.close();
    this.#goodbye?.();
  }

  #requireLife(): void {
    if (this.#status === 'ended') {
      throw new ClientError(this.#endedBecause === 'aborted' ? 'aborted' : 'ended');
    }
  }

  #failureOf(error: unknown): ClientError {
    if (!(error instanceof ClientError)) return new ClientError('internal', { cause: error });
    if (error.code !== 'aborted' || this.#endedBecause === 'aborted') return error;
    return new ClientError('server-unreachable', { detail: 'timeout' });
  }

  #repeat(periodMs: number, run: () => void): void {
    let stop: Cancel | undefined;
    const next = (): void => {
      stop = this.#platform.after(periodMs, () => {
        next();
        run();
      });
    };
    next();
    this.#repeating.push(() => stop?.());
  }

  #changed(): void {
    const wasCurrent = this.#state !== undefined;
    this.#state = undefined;
    if (!wasCurrent && this.#hasStarted) return;
    this.#hasStarted = true;
    // Many changes come together; listeners hear of them once.
    queueMicrotask(() => {
      const { state } = this;
      for (const listener of [...this.#listeners]) listener(state);
    });
  }

  #snapshot(): ConferenceState {
    const speakers = this.#speakers.speakers;
    const received = this.#media.receivedVideo;
    return {
      status: this.#status,
      endedBecause: this.#endedBecause,
      selfId: this.#options.selfId,
      muted: this.#muted,
      sending: this.#sending,
      profile: this.#profile,
      quality: this.#meter.quality,
      sealing: this.#sealing,
      participants: this.#others.snapshots({
        isSpeaking: (id) => speakers.includes(id),
        videoStream: (id) => {
          const slot = received[this.#slots.findIndex((wish) => wish?.id === id)];
          return slot?.source === id ? slot.stream : undefined;
        },
      }),
      speakers,
      videoSlots: this.#media.videoSlots,
      audioStreams: this.#media.audioStreams,
    };
  }
}

/** Refusals that trying again does not change. */
const FINAL_CODES: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>([
  'client-outdated',
  'access-denied',
  'may-not-start',
  'no-webrtc',
  'no-frame-encryption',
  'internal',
]);
