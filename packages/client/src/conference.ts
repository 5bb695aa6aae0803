/** Where a conference stands. `reconnecting`: the connection is being made anew, the others still see us. */
export type ConferenceStatus = 'joining' | 'joined' | 'reconnecting' | 'ended';

/** How good a connection is. */
export type ConnectionQuality = 'good' | 'fair' | 'poor';

/** A participant by the hash the server knows it by. Not stable across joins. */
export type ParticipantId = string;

/** What participants tell each other past the server, encrypted. */
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
  readonly video: 'off' | 'camera' | 'screen';
  /** Among the loudest now. */
  readonly speaking: boolean;
  /** Whether frames of it have been opened with the meeting's keys; `failing`: they come and cannot be opened. */
  readonly encryption: 'waiting' | 'encrypted' | 'failing';
  readonly quality: ConnectionQuality | undefined;
  /** Moment of its joining in order: smaller came earlier. */
  readonly order: number;
  /** Its picture while it is wanted and comes. */
  readonly videoStream: MediaStream | undefined;
}

/** All there is to show of a conference. A snapshot: a change makes a new object. */
export interface ConferenceState {
  readonly status: ConferenceStatus;
  /** Why it ended, when it did: `left`, or a code of the client's registry of errors. */
  readonly endedBecause: string | undefined;
  readonly selfId: ParticipantId;
  readonly muted: boolean;
  readonly sending: 'off' | 'camera' | 'screen';
  readonly profile: Profile;
  readonly quality: ConnectionQuality;
  /** The others, in the order in which they came. */
  readonly participants: readonly Participant[];
  /** Loudest first, this client too (by {@link ConferenceState.selfId}). */
  readonly speakers: readonly ParticipantId[];
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

/** A running conference. */
export interface Conference {
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
  setProfile(profile: Profile): Promise<void>;
  /** Whose pictures are shown, replacing all earlier wishes; most important first, as many as the server has slots for. */
  watch(wishes: readonly VideoWish[]): void;
  statistics(): Promise<ConferenceStatistics>;
  /** Makes the connection anew, as after a change of network. */
  reconnect(): void;
  /** Leaves. Resolves when the server knows or a second has passed. */
  leave(): Promise<void>;
}
