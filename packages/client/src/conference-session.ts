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
import type { Cancel, ConferenceMedia, ConferencePlatform } from './conference-platform.ts';
import { Connection } from './connection.ts';
import type { GroupConference, JoinConferenceOptions } from './join-conference.ts';
import { KeyDriver } from './key-driver.ts';
import { MediaReadings } from './media-readings.ts';
import { JOIN_TIMEOUT } from './offer-request.ts';
import { ParticipantList } from './participant-list.ts';
import { openProfile, PROFILE_PROPERTY } from './profile-box.ts';
import { PropertySync } from './property-sync.ts';
import { attemptRepeatedly } from './repeated-attempt.ts';
import { RepeatingTimers } from './repeating-timers.ts';
import { SESSION_TIMINGS, type SessionTimings } from './session-timings.ts';
import { StateFeed } from './state-feed.ts';
import { VideoWatch } from './video-watch.ts';

/** What a session is made with: options with everything filled in. */
export interface SessionOptions extends JoinConferenceOptions {
  readonly platform: ConferencePlatform;
  readonly memberOf: (userHash: string) => MemberId | undefined;
  /** {@link SESSION_TIMINGS} by default. */
  readonly timings?: Partial<SessionTimings>;
}

/** Failures of a server with which another one may do. */
const ELSEWHERE_CODES: ReadonlySet<ClientErrorCode> = new Set<ClientErrorCode>([
  'server-unreachable',
  'server-draining',
  'server-full',
]);

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
  readonly #readings: MediaReadings;
  readonly #video: VideoWatch;
  readonly #feed = new StateFeed(() => this.#snapshot());
  readonly #timers: RepeatingTimers;
  /** Ends every request under way when the session does. */
  readonly #life = new AbortController();
  #status: ConferenceStatus = 'joining';
  #endedBecause: ConferenceState['endedBecause'];
  #muted: boolean;
  #sending: SentVideo = 'off';
  #profile: Profile;
  #sealing: ConferenceState['sealing'] = 'waiting';
  #announced = false;
  #connection: Connection | undefined;
  #list: ParticipantsMessage | undefined;
  #unansweredPings = 0;
  #stopRosterTimer: Cancel | undefined;
  #reconnecting = false;
  #leaving: Promise<void> | undefined;
  #goodbye: (() => void) | undefined;

  /** Throws `ClientError` where media cannot be opened. */
  constructor(options: SessionOptions) {
    this.#options = options;
    this.#platform = options.platform;
    this.#timings = { ...SESSION_TIMINGS, ...options.timings };
    this.#muted = options.muted ?? false;
    this.#profile = options.profile;
    const { conferenceId, selfId, keys, profileKey, platform } = options;
    this.#timers = new RepeatingTimers((delayMs, run) => platform.after(delayMs, run));
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
        boxed: { profile: this.#profile, quality: this.#readings.quality },
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
    this.#video = new VideoWatch({
      selfId,
      slots: this.#media.videoSlots,
      wishesMs: this.#timings.wishesMs,
      after: (delayMs, run) => platform.after(delayMs, run),
      sendsVideo: (id) => this.#others.videoOf(id) !== 'off',
      request: (streams) => this.#send(this.#messages.streams(streams)),
      changed: () => this.#changed(),
    });
    this.#readings = new MediaReadings({
      selfId,
      media: this.#media,
      others: this.#others,
      now: () => platform.now(),
      slotOf: (id) => this.#video.slotOf(id),
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
      memberOf: options.memberOf,
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
    return this.#feed.state;
  }

  subscribe(listener: (state: ConferenceState) => void): () => void {
    return this.#feed.subscribe(listener);
  }

  /** Joins; once only. Rejects with `ClientError`, with the session ended. */
  async join(signal: AbortSignal | undefined): Promise<void> {
    const { microphone, camera, servers } = this.#options;
    const abort = (): void => this.#end('aborted');
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const stop = this.#platform.after(this.#timings.joinTimeoutMs, () => this.#life.abort(JOIN_TIMEOUT));
    try {
      this.#requireLife();
      this.#media.setMuted(this.#muted);
      if (microphone !== undefined) await this.#media.setMicrophone(microphone);
      if (camera !== undefined) await this.#media.setCamera(camera);
      const connection = await this.#connect(servers, false);
      this.#use(connection);
    } catch (error) {
      this.#end(codeOf(error));
      throw error instanceof ClientError ? error : new ClientError('internal', { cause: error });
    } finally {
      stop();
      signal?.removeEventListener('abort', abort);
    }
    const stopGoing = this.#platform.onGoing?.(() => this.#send(this.#messages.hangup(false)));
    if (stopGoing !== undefined) this.#timers.add(stopGoing);
    this.#timers.every(this.#timings.pingMs, () => this.#ping());
    this.#timers.every(this.#timings.speakersMs, () => {
      if (this.#readings.readSpeakers()) this.#changed();
    });
    this.#timers.every(this.#timings.statisticsMs, () => void this.#readFigures());
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
    this.#video.watch(wishes);
  }

  async statistics(): Promise<ConferenceStatistics> {
    this.#requireLife();
    return this.#readings.statistics();
  }

  reconnect(): void {
    this.#requireLife();
    if (this.#status !== 'joining') this.#reconnect();
  }

  refresh(): void {
    if (this.#status === 'ended') return;
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

  #connect(servers: readonly string[], update: boolean, patienceMs?: number): Promise<Connection> {
    const { conferenceId, accessToken } = this.#options;
    const body = this.#messages.connect({ update, videoSlots: this.#media.videoSlots, accessToken });
    return Connection.open({
      platform: this.#platform,
      media: this.#media,
      timings: this.#timings,
      servers,
      request: { conferenceId, body, signal: this.#life.signal, patienceMs },
      answer: (type, sdp) => this.#messages.answer(type, sdp, this.#properties.plain()),
    });
  }

  /** Takes a connection into use; the one before it is closed only now. */
  #use(connection: Connection): void {
    const before = this.#connection;
    this.#connection = connection;
    this.#unansweredPings = 0;
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
    this.#video.restart();
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
    const accepts = (id: string): boolean => this.#options.memberOf(id) !== undefined;
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
    this.#video.update();
  }

  #announce(list: ParticipantsMessage): void {
    if (this.#announced) return;
    this.#announced = true;
    // A server that restarted may not know that the conference began with us.
    if (!list.shouldStart && list.participants.length !== 1) return;
    const { server } = this.#connection!;
    const { timestampMs, sequenceNumber, sfts: servers = [server] } = list;
    this.#options.announce?.({ server, servers, timestampMs, sequenceNumber });
  }

  #handleProps({ sourceUserId: id, props }: PropsMessage): void {
    if (!this.#others.handleProps(id, props)) return;
    const epoch = Number(props.keysync ?? Number.NaN);
    if (Number.isSafeInteger(epoch)) this.#keys.handleAnnouncedEpoch(id, epoch);
    this.#openBox(id, props);
    this.#video.update();
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
    if (this.#status === 'ended' || this.#leaving !== undefined || this.#reconnecting) return;
    this.#reconnecting = true;
    this.#setStatus('reconnecting');
    this.#makeAnew().catch((error: unknown) => this.#end(codeOf(error)));
  }

  async #makeAnew(): Promise<void> {
    const { reconnectDelayMs, maxReconnectDelayMs, reconnectTimeoutMs } = this.#timings;
    const connection = await attemptRepeatedly({
      attempt: () => this.#connectAgain(),
      now: () => this.#platform.now(),
      after: (delayMs, run) => this.#platform.after(delayMs, run),
      delayMs: reconnectDelayMs,
      maxDelayMs: maxReconnectDelayMs,
      timeoutMs: reconnectTimeoutMs,
      signal: this.#life.signal,
    });
    this.#reconnecting = false;
    if (this.#status === 'ended') connection.close();
    else this.#use(connection);
  }

  /** At the same server, or where that does not serve any more, at the next of those that were named. */
  async #connectAgain(): Promise<Connection> {
    const { server } = this.#connection!;
    const { servers, standbyServers = [] } = this.#options;
    const others = [...servers, ...standbyServers].filter((other) => !isSameServer(other, server));
    for (const candidate of [server, ...others.slice(0, -1)]) {
      try {
        const patienceMs = others.length > 0 ? this.#timings.otherServerMs : undefined;
        return await this.#connect([candidate], true, patienceMs);
      } catch (error) {
        if (others.length === 0 || !(error instanceof ClientError) || !ELSEWHERE_CODES.has(error.code))
          throw error;
      }
    }
    return this.#connect(others.slice(-1), true);
  }

  async #readFigures(): Promise<void> {
    const changed = await this.#readings.readFigures();
    if (!changed || this.#status === 'ended') return;
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
    this.#timers.close();
    this.#stopRosterTimer?.();
    this.#video.close();
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

  #changed(): void {
    this.#feed.changed();
  }

  #snapshot(): ConferenceState {
    const { speakers } = this.#readings;
    const received = this.#media.receivedVideo;
    return {
      status: this.#status,
      endedBecause: this.#endedBecause,
      selfId: this.#options.selfId,
      muted: this.#muted,
      sending: this.#sending,
      profile: this.#profile,
      quality: this.#readings.quality,
      sealing: this.#sealing,
      participants: this.#others.snapshots({
        isSpeaking: (id) => speakers.includes(id),
        videoStream: (id) => {
          const slot = received[this.#video.slotOf(id)];
          return slot?.source === id ? slot.stream : undefined;
        },
      }),
      speakers,
      videoSlots: this.#media.videoSlots,
      audioStreams: this.#media.audioStreams,
    };
  }
}

function isSameServer(a: string, b: string): boolean {
  return a.replace(/\/+$/, '') === b.replace(/\/+$/, '');
}

function codeOf(error: unknown): ClientErrorCode {
  return error instanceof ClientError ? error.code : 'internal';
}
