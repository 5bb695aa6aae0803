import {
  createFrameTransform,
  type FrameTransformCommand,
  type FrameTransformPort,
  type FrameTransformReport,
} from '@conclave/e2ee';
import { BrowserPeer, type OutgoingTracks } from './browser-peer.ts';
import { StatisticsReader } from './browser-statistics.ts';
import { ClientError } from './client-error.ts';
import type { SentVideo } from './conference.ts';
import type {
  ConferenceMedia,
  ConferencePeer,
  MediaEvents,
  MediaStatistics,
  PeerEvents,
  ReceivedAudio,
  ReceivedVideo,
} from './conference-platform.ts';
import type { IceServerSource } from './server-ice-servers.ts';
import { VoiceMixer } from './voice-mixer.ts';

/** Age at which a browser's reading of a voice no longer counts. */
const STALE_LEVEL_MS = 1_000;

/** What the media of a page are made with. */
export interface BrowserMediaOptions {
  readonly worker: Worker;
  readonly iceServers: IceServerSource;
  readonly relayOnly: boolean;
  readonly videoSlots: number;
  readonly events: MediaEvents;
}

/** The media of one join in a page: a worker that encrypts, the tracks to send, and the connections they go over. */
export class BrowserMedia implements ConferenceMedia {
  readonly videoSlots: number;
  readonly #options: BrowserMediaOptions;
  readonly #transform: FrameTransformPort;
  readonly #voice: VoiceMixer;
  readonly #peers = new Set<BrowserPeer>();
  /** Whose frames were opened last, by the slot's name. */
  readonly #sources = new Map<string, string>();
  #active: BrowserPeer | undefined;
  #statistics = new StatisticsReader();
  #camera: MediaStreamTrack | undefined;
  #screen: MediaStreamTrack | undefined;
  #stopWatchingScreen: (() => void) | undefined;
  #sending: SentVideo = 'off';
  #received: readonly ReceivedVideo[] | undefined;
  #audioStreams: readonly MediaStream[] = [];
  #made = 0;
  #closed = false;

  /** Throws `FrameTransformUnsupportedError`. */
  constructor(options: BrowserMediaOptions) {
    this.#options = options;
    this.videoSlots = options.videoSlots;
    this.#transform = createFrameTransform(globalThis, options.worker);
    options.worker.onmessage = ({ data }: MessageEvent<FrameTransformReport>) => this.#handleReport(data);
    this.#voice = new VoiceMixer();
  }

  get audioStreams(): readonly MediaStream[] {
    return this.#audioStreams;
  }

  get receivedVideo(): readonly ReceivedVideo[] {
    this.#received ??= (this.#active?.videoSlots ?? []).map(({ name, stream }) => ({
      stream,
      source: this.#sources.get(name),
    }));
    return this.#received;
  }

  receivedAudio(): readonly ReceivedAudio[] {
    const now = performance.timeOrigin + performance.now();
    return (this.#active?.audioSlots ?? []).map(({ name, receiver }) => {
      const newest = receiver.getSynchronizationSources()[0];
      const fresh = newest !== undefined && Math.abs(now - newest.timestamp) < STALE_LEVEL_MS;
      return { source: this.#sources.get(name), level: fresh ? (newest.audioLevel ?? 0) : 0 };
    });
  }

  sentAudioLevel(): number {
    return this.#voice.level();
  }

  command(command: FrameTransformCommand): void {
    this.#transform.post(command);
  }

  createPeer(events: PeerEvents): ConferencePeer {
    const { iceServers, relayOnly } = this.#options;
    const peer = new BrowserPeer({
      name: String(this.#made++),
      transform: this.#transform,
      iceServers,
      relayOnly,
      outgoing: () => this.#outgoing(),
      events,
      activate: (active) => this.#activate(active),
      closed: (gone) => this.#forget(gone),
    });
    this.#peers.add(peer);
    return peer;
  }

  async setMicrophone(track: MediaStreamTrack | undefined): Promise<void> {
    requireKind(track, 'audio');
    this.#voice.setMicrophone(track);
    await this.#applyTracks();
  }

  async setCamera(track: MediaStreamTrack | undefined): Promise<void> {
    requireKind(track, 'video');
    this.#camera = track;
    this.#setScreenTrack(undefined);
    this.#voice.setScreen(undefined);
    await this.#applyVideo();
  }

  async setScreen(stream: MediaStream | undefined): Promise<void> {
    const picture = stream?.getVideoTracks()[0];
    if (stream !== undefined && picture === undefined) {
      throw new ClientError('bad-track', { detail: 'the stream has no picture' });
    }
    requireKind(picture, 'video');
    this.#setScreenTrack(picture);
    this.#voice.setScreen(stream?.getAudioTracks()[0]);
    await this.#applyVideo();
  }

  setMuted(muted: boolean): void {
    this.#voice.setMuted(muted);
    this.#applyTracks().catch(() => undefined);
  }

  async statistics(): Promise<MediaStatistics | undefined> {
    const peer = this.#active;
    if (peer === undefined) return undefined;
    const report = await peer.connection.getStats();
    if (peer !== this.#active) return undefined;
    const mids = new Map(peer.connection.getTransceivers().map(({ receiver, mid }) => [receiver, mid ?? '']));
    return this.#statistics.read(
      performance.now(),
      [...report.values()],
      peer.videoSlots.map(({ receiver }) => mids.get(receiver) ?? ''),
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatchingScreen?.();
    for (const peer of [...this.#peers]) peer.close();
    this.#voice.close();
    this.#options.worker.terminate();
  }

  #outgoing(): OutgoingTracks {
    return {
      audio: this.#voice.track,
      video: this.#screen ?? this.#camera ?? null,
      videoSource: this.#screen === undefined ? 'camera' : 'screen',
    };
  }

  #setScreenTrack(track: MediaStreamTrack | undefined): void {
    this.#stopWatchingScreen?.();
    this.#stopWatchingScreen = undefined;
    this.#screen = track;
    if (track === undefined) return;
    // The browser has a button of its own that ends sharing.
    const ended = (): void => void this.setScreen(undefined).catch(() => undefined);
    track.addEventListener('ended', ended);
    this.#stopWatchingScreen = () => track.removeEventListener('ended', ended);
  }

  async #applyVideo(): Promise<void> {
    const sending = this.#screen !== undefined ? 'screen' : this.#camera !== undefined ? 'camera' : 'off';
    if (sending !== this.#sending) {
      this.#sending = sending;
      this.#options.events.sendingChanged(sending);
    }
    await this.#applyTracks();
  }

  async #applyTracks(): Promise<void> {
    try {
      await Promise.all([...this.#peers].map((peer) => peer.applyTracks()));
    } catch (cause) {
      if (!this.#closed) throw new ClientError('bad-track', { cause });
    }
  }

  #activate(peer: BrowserPeer): void {
    this.#active = peer;
    this.#statistics = new StatisticsReader();
    this.#received = undefined;
    this.#audioStreams = peer.audioSlots.map(({ stream }) => stream);
    this.#options.events.receivedChanged();
  }

  #forget(peer: BrowserPeer): void {
    this.#peers.delete(peer);
    for (const { name } of [...peer.audioSlots, ...peer.videoSlots]) this.#sources.delete(name);
  }

  #handleReport(report: FrameTransformReport): void {
    if (this.#closed) return;
    if (report.type === 'source') {
      this.#sources.set(report.slot, report.userHash);
      this.#received = undefined;
      this.#options.events.receivedChanged();
    }
    this.#options.events.report(report);
  }
}

function requireKind(track: MediaStreamTrack | undefined, kind: 'audio' | 'video'): void {
  if (track === undefined) return;
  if (track.kind !== kind) throw new ClientError('bad-track', { detail: `no ${kind} track` });
  if (track.readyState === 'ended') throw new ClientError('bad-track', { detail: 'the track has ended' });
}
