import type { FrameTransformCommand, FrameTransformReport, MediaCrypto } from '@conclave/e2ee';
import type { ParticipantId, SentVideo } from './conference.ts';

/** Stops what it was given for; a second call does nothing. */
export type Cancel = () => void;

/** What a conference needs of the machine it runs on: a browser's page, or Node for bots. */
export interface ConferencePlatform {
  readonly crypto: MediaCrypto;
  /** Server of a link that names none, as the one that served the page. Absent: such links need `servers`. */
  readonly defaultServer?: string | undefined;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** That many bytes from a secure generator. */
  random(length: number): Uint8Array;
  /** Runs something later, once. */
  after(delayMs: number, run: () => void): Cancel;
  /** Calls when the page or program is about to go, so that a goodbye can still be sent at once. Absent: it never says. */
  onGoing?(run: () => void): Cancel;
  /** One HTTP POST. Rejects when there is no answer or the signal aborts. */
  post(url: string, body: string, signal: AbortSignal): Promise<HttpReply>;
  /**
   * The media of one join, with its frame encryption. Throws `ClientError`: `no-webrtc`, `no-frame-encryption`. Called
   * once for each join, since a new identity needs a new encryption.
   */
  openMedia(events: MediaEvents): ConferenceMedia;
}

/** An answer to {@link ConferencePlatform.post}. */
export interface HttpReply {
  readonly status: number;
  /** At most as long as the platform is willing to read; 512 KiB are enough. */
  readonly body: string;
}

/** What the media of a join tell the conference. Nothing comes after {@link ConferenceMedia.close}. */
export interface MediaEvents {
  /** The frame encryption has to say something. */
  readonly report: (report: FrameTransformReport) => void;
  /** Something else is sent as video now: by a call of {@link ConferenceMedia}, or because a screen's sharing was ended. */
  readonly sendingChanged: (sending: SentVideo) => void;
  /** {@link ConferenceMedia.audioStreams} or {@link ConferenceMedia.receivedVideo} has changed. */
  readonly receivedChanged: () => void;
}

/** What arrives in one video slot. Its place in the list is the index of the wish it answers. */
export interface ReceivedVideo {
  /** Absent where there is nothing to look at, as for bots. */
  readonly stream: MediaStream | undefined;
  /** Whose frames were opened there last. */
  readonly source: ParticipantId | undefined;
}

/** What arrives in one audio slot. */
export interface ReceivedAudio {
  /** Whose frames were opened there last. */
  readonly source: ParticipantId | undefined;
  /** Loudness now, 0 (nothing) to 1 (full scale). */
  readonly level: number;
}

/**
 * The media of one join. Outlives its connections: each {@link ConferencePeer} sends what is set here, encrypted by the
 * same frame encryption. The `start` command comes first; before a `key-change` nothing may be sent.
 */
export interface ConferenceMedia {
  /** Video slots to ask the server for, 0 to 32. More cost an offer of about 1 kB each. */
  readonly videoSlots: number;
  /** To be played. Constant for one connection. */
  readonly audioStreams: readonly MediaStream[];
  /** By slot. */
  readonly receivedVideo: readonly ReceivedVideo[];
  /** By slot, as it is at the moment. Asked a few times a second. */
  receivedAudio(): readonly ReceivedAudio[];
  /** Loudness of what is sent as the voice, 0 to 1; 0 while muted. */
  sentAudioLevel(): number;
  /** A command for the frame encryption. */
  command(command: FrameTransformCommand): void;
  /** A connection to one server, before it has seen the server's offer. */
  createPeer(events: PeerEvents): ConferencePeer;
  /** See `Conference`. Rejects with `ClientError` `bad-track` for what cannot be sent. */
  setMicrophone(track: MediaStreamTrack | undefined): Promise<void>;
  setCamera(track: MediaStreamTrack | undefined): Promise<void>;
  setScreen(stream: MediaStream | undefined): Promise<void>;
  /** Muted: nothing of the microphone is sent. */
  setMuted(muted: boolean): void;
  /** Figures of the connection in use since the last call; undefined if there is none. */
  statistics(): Promise<MediaStatistics | undefined>;
  /** Frees everything, connections too. Tracks stay their owner's. */
  close(): void;
}

/** Figures of one connection over the time since they were last asked for. */
export interface MediaStatistics {
  readonly roundTripMs: number | undefined;
  /** Share of packets lost, 0 to 1. */
  readonly lossSent: number | undefined;
  readonly lossReceived: number | undefined;
  readonly sentBps: number;
  readonly receivedBps: number;
  /** `udp`, `tcp` or `relay`. */
  readonly path: string | undefined;
  /** By video slot; undefined where nothing arrived. */
  readonly video: readonly (VideoFigures | undefined)[];
}

/** Figures of one picture as it arrives. */
export interface VideoFigures {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly bitrateBps: number;
}

/** What a peer tells its owner. Nothing comes after {@link ConferencePeer.close}. */
export interface PeerEvents {
  /** The channel `calling-3.0` is open. */
  readonly opened: () => void;
  /** A text message on that channel. */
  readonly message: (text: string) => void;
  /** The transport failed or the other side closed the channel. Comes once at most. */
  readonly failed: (reason: string) => void;
}

/** One connection to one server. */
export interface ConferencePeer {
  /** Takes the server's offer and returns the answer with all its candidates. Rejects for an offer that cannot be taken. */
  answer(offerSdp: string): Promise<string>;
  /** Its channel is the one in use from now on: what arrives on it is played, shown and counted, and no other. */
  activate(): void;
  /** Sends text on the channel; false if it is not open. */
  send(text: string): boolean;
  close(): void;
}
