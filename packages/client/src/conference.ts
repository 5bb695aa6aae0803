import type { ClientErrorCode } from './client-error.ts';

/** Where a conference stands. `reconnecting`: the connection is being made anew, the others still see us. */
export type ConferenceStatus = 'joining' | 'joined' | 'reconnecting' | 'ended';

/** How good a connection is. */
export type ConnectionQuality = 'good' | 'fair' | 'poor';

/** A participant by the hash the server knows it by. Not stable across joins. */
export type ParticipantId = string;

/** What somebody sends as a picture. */
export type SentVideo = 'off' | 'camera' | 'screen';

/** What participants tell each other past the server, encrypted. Of names the first 200 characters are kept. */
export interface Profile {
  readonly name: string;
  readonly handRaised: boolean;
}

/** One of the others, as far as known. A snapshot: a change makes a new object. */
export interface Participant {
  readonly id: ParticipantId;
  /** Undefined until it came, and for clients that send none. */
  readonly profile: Profile | undefined;
  readonly muted: boolean;
  readonly video: SentVideo;
  /** Among the loudest now. */
  readonly speaking: boolean;
  /** Whether frames of it have been opened with the meeting's keys; `failing`: they come and cannot be opened. */
  readonly encryption: 'waiting' | 'encrypted' | 'failing';
  /** Its connection, as it says itself; undefined for clients that do not say. */
  readonly quality: ConnectionQuality | undefined;
  /** Moment of its joining in order: smaller came earlier. */
  readonly order: number;
  /** Its picture while it is wanted and comes. */
  readonly videoStream: MediaStream | undefined;
}

/** All there is to show of a conference. A snapshot: a change makes a new object. */
export interface ConferenceState {
  readonly status: ConferenceStatus;
  /** Why it ended, when it did. */
  readonly endedBecause: 'left' | ClientErrorCode | undefined;
  readonly selfId: ParticipantId;
  readonly muted: boolean;
  readonly sending: SentVideo;
  readonly profile: Profile;
  /** The own connection. */
  readonly quality: ConnectionQuality;
  /**
   * Whether own media can be sealed: `waiting` for a key, during which nothing is sent; `exhausted` when the key has sealed
   * all it may, so that only joining anew helps.
   */
  readonly sealing: 'waiting' | 'sealed' | 'exhausted';
  /** The others, in the order in which they came. */
  readonly participants: readonly Participant[];
  /** Loudest first, this client too (by {@link ConferenceState.selfId}). */
  readonly speakers: readonly ParticipantId[];
  /** Pictures that can be watched at a time. */
  readonly videoSlots: number;
  /** To be played: one stream for each audio slot. Constant between reconnections. */
  readonly audioStreams: readonly MediaStream[];
}

/** How large a participant's picture is shown; the quality is chosen by it. */
export interface VideoWish {
  readonly id: ParticipantId;
  /** Height of the tile in device pixels. */
  readonly heightPx: number;
}

/** Figures of one participant's media as it arrives here. */
export interface ParticipantStatistics {
  readonly id: ParticipantId;
  readonly video:
    | {
        readonly width: number;
        readonly height: number;
        readonly framesPerSecond: number;
        readonly bitrateBps: number;
      }
    | undefined;
  readonly framesOpened: number;
  readonly framesRefused: number;
}

/** Figures of the whole connection. */
export interface ConferenceStatistics {
  readonly roundTripMs: number | undefined;
  /** Share of packets lost in the last interval, 0 to 1, each way. */
  readonly lossSent: number | undefined;
  readonly lossReceived: number | undefined;
  readonly sentBps: number;
  readonly receivedBps: number;
  /** `udp`, `tcp` or `relay` over either. */
  readonly path: string | undefined;
  readonly participants: readonly ParticipantStatistics[];
}

/**
 * A running conference. Methods reject or throw `ClientError`: `ended` once it has ended, and what they say themselves.
 */
export interface Conference {
  /** As it is now; the same object until something changes. */
  readonly state: ConferenceState;
  /** Calls the listener after each change of {@link Conference.state}; returns what stops it. */
  subscribe(listener: (state: ConferenceState) => void): () => void;
  /** What is sent as the voice from now on; `undefined`: nothing. The track stays its caller's. */
  setMicrophone(track: MediaStreamTrack | undefined): Promise<void>;
  /** What is sent as the camera's picture; takes the place of a screen. The track stays its caller's. */
  setCamera(track: MediaStreamTrack | undefined): Promise<void>;
  /** Shares a screen, with its sound if the stream has some; `undefined` ends it and the camera returns. */
  setScreen(stream: MediaStream | undefined): Promise<void>;
  setMuted(muted: boolean): void;
  /** Tells the others the own name and raised hand. Resolves when it is on its way. */
  setProfile(profile: Profile): Promise<void>;
  /**
   * Whose pictures are shown, replacing all earlier wishes; most important first. What is beyond the server's slots
   * ({@link ConferenceState.videoSlots}) is not shown. May be called as often as the page's layout changes.
   */
  watch(wishes: readonly VideoWish[]): void;
  statistics(): Promise<ConferenceStatistics>;
  /** Makes the connection anew, as after a change of network. */
  reconnect(): void;
  /** Leaves. Resolves when the server knows or a second has passed; more calls wait for the same. Tracks go on. */
  leave(): Promise<void>;
}
