import type { RandomBytes } from '@conclave/bytes';
import type { ConversationHash, UserHash } from '@conclave/econn';
import type { LegId } from './conference-effect.ts';

/** What a conference is made of. */
export interface ConferenceOptions {
  readonly conversation: ConversationHash;
  /** URL of this server, which lists name to the clients. */
  readonly url: string;
  /** Wall clock in milliseconds since 1970 when `now` is 0. */
  readonly epochAtZeroMs: number;
  readonly random: RandomBytes;
  /** Gives growing numbers, shared by all conferences of the server, for the lists. */
  readonly nextSeqno: () => number;
  readonly timings?: Partial<ConferenceTimings>;
  readonly limits?: Partial<ConferenceLimits>;
}

/** A caller's new transport. */
export interface LegRequest {
  /** Never used before in this conference. */
  readonly leg: LegId;
  readonly userId: UserHash;
  readonly clientId: string;
  /** The caller wants its call moved, rather than a new one. */
  readonly update: boolean;
  /** The request named another server as the one that holds the conference, so somebody has announced it. */
  readonly startsElsewhere: boolean;
}

/** Time spans of a conference. Every one has a default in {@link DEFAULT_TIMINGS}. */
export interface ConferenceTimings {
  /**
   * From the offer of a new call to its answer. Lower: abandoned joins vanish sooner; higher: clients behind slow
   * TURN servers, which gather for seconds, still get in. Default 10,000, as clients expect.
   */
  readonly setupMs: number;
  /** The same for the offer of an UPDATE, where the old leg serves meanwhile. Default 60,000. */
  readonly updateMs: number;
  /**
   * From the answer to the open data channel. Lower: dead transports are freed sooner; higher: slow networks have
   * more time for connectivity checks and handshakes. Default 20,000.
   */
  readonly connectMs: number;
  /**
   * Silence on a channel after which the client is asked whether it lives. It pings every 5 s. Lower: ghosts vanish
   * sooner; higher: longer network losses are survived without a new call. Default 20,000.
   */
  readonly pingMs: number;
  /** From our HANGUP request to closing without an answer to it. Default 5,000. */
  readonly hangupMs: number;
  /**
   * How long a participant stays listed when its transport is lost while a new leg of it is on its way. Lower: the
   * others notice a failed reconnect sooner; higher: slow reconnects do not look like leaving. Default 10,000.
   */
  readonly reconnectGraceMs: number;
  /**
   * Least spacing of participant lists, and that per participant; the larger of both counts. Lower: bursts of joins
   * show sooner; higher: fewer bytes (a list has about 190 a participant, for each participant).
   * Defaults 100 and 4.
   */
  readonly rosterIntervalMs: number;
  readonly rosterIntervalPerParticipantMs: number;
  /**
   * Least spacing of new media permissions per participant, in whole milliseconds in all; withdrawing never waits.
   * Lower: newcomers are heard sooner; higher: less work when everybody authorises everybody (each time with a list
   * for everybody). Default 0.1: at once with up to 9 participants, 30 ms with 300.
   */
  readonly grantIntervalPerParticipantMs: number;
  /**
   * Least spacing of one participant's properties to the others. Lower: quick changes show sooner; higher: a client
   * that toggles fast costs less. Default 100.
   */
  readonly propsIntervalMs: number;
  /**
   * Least spacing of key-frame requests to one layer. Lower: pictures start and recover sooner; higher: fewer key
   * frames, which are large and make the picture coarse for a moment. Default 1000.
   */
  readonly keyFrameIntervalMs: number;
  /**
   * Longest time that a watched layer goes without a request for a key frame. A client whose frame decryption missed a
   * change of the key drops frames behind the back of its decoder, which then waits without ever sending a PLI. Lower:
   * such a picture recovers sooner; higher: fewer key frames, of which one costs about as much as ten others. Default
   * 4000.
   */
  readonly keyFrameRefreshMs: number;
  /**
   * How long the forwarding plane waits for the key frame of a wished layer before it gives the wish back. Lower:
   * quicker second try; higher: fewer rule changes. Default 3000.
   */
  readonly switchDeadlineMs: number;
  /**
   * A layer without packets for so long counts as silent. Lower: quicker fall back to the other layer; higher:
   * slow screen content is not mistaken for silence. Default 1000.
   */
  readonly layerSilentMs: number;
  /**
   * A layer must send for so long before receivers that prefer it return to it. Lower: the wished quality is back
   * sooner; higher: no to and fro while the sender's bandwidth estimate wavers. Default 500.
   */
  readonly layerSteadyMs: number;
  /**
   * A holder of an audio slot cannot be displaced before this. Lower: new speakers get in sooner; higher: less
   * cutting to and fro in lively debates. Default 1000.
   */
  readonly speakerHoldMs: number;
  /**
   * How long a challenger must be louder than a talking holder. Lower: new speakers get in sooner; higher: coughs
   * and clicks displace nobody. Default 200.
   */
  readonly speakerChallengeMs: number;
  /**
   * A holder that has been silent for so long loses its slot to anybody audible without the challenge time. Lower:
   * first words are complete in large conferences; higher: pauses between words are not used by others. Default 300.
   */
  readonly speakerPauseMs: number;
  /**
   * A holder that has been silent for so long frees its slot. Lower: slots are free for others sooner; higher:
   * speakers who pause keep theirs. Default 2000.
   */
  readonly speakerSilenceMs: number;
}

/** Defaults of {@link ConferenceTimings}. */
export const DEFAULT_TIMINGS: ConferenceTimings = {
  setupMs: 10_000,
  updateMs: 60_000,
  connectMs: 20_000,
  pingMs: 20_000,
  hangupMs: 5_000,
  reconnectGraceMs: 10_000,
  rosterIntervalMs: 100,
  rosterIntervalPerParticipantMs: 4,
  grantIntervalPerParticipantMs: 0.1,
  propsIntervalMs: 100,
  keyFrameIntervalMs: 1000,
  keyFrameRefreshMs: 4000,
  switchDeadlineMs: 3000,
  layerSilentMs: 1000,
  layerSteadyMs: 500,
  speakerHoldMs: 1000,
  speakerChallengeMs: 200,
  speakerPauseMs: 300,
  speakerSilenceMs: 2000,
};

/** Sizes, thresholds and rates of a conference. Every one has a default in {@link DEFAULT_LIMITS}. */
export interface ConferenceLimits {
  /**
   * Callers at once; `Conference.full` says when it is reached, and refusing is the signalling's task. Lower: less
   * memory and traffic (lists grow with the square); higher: larger conferences. Default 1000.
   */
  readonly maxParticipants: number;
  /**
   * Shared audio slots, of which the first belongs to the first of the list. Must be what receivers were offered.
   * Lower: fewer packets to everybody; higher: more people are heard at once. Default 5.
   */
  readonly audioSlots: number;
  /** Video slots of one receiver that are served; further ones stay empty. Default 32. */
  readonly maxVideoSlots: number;
  /**
   * Messages a second that a leg may send in the long run, and at once. Each 4096 characters begun count as one.
   * Lower: floods cost less; higher: chatty clients survive. Beyond, the leg is closed. Defaults 100 and 200.
   */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** Characters of properties without a known name that are kept for a participant. Default 2048. */
  readonly maxUnknownPropsLength: number;
  /**
   * Audio levels are positive, 0 loudest, 127 silence (−dBov). Only below this level is anybody audible at all.
   * Lower: noise is ignored; higher: whispering counts. Default 110.
   */
  readonly silenceLevel: number;
  /**
   * At or below this level a stream counts as audible although its voice flag is not set. Lower: only loud noises do;
   * higher: senders without voice detection are understood at a whisper, but fans take slots. Default 80.
   */
  readonly loudLevel: number;
  /** Level assumed of a stream whose onset was reported. What the forwarding plane wakes at. Default 60. */
  readonly onsetLevel: number;
  /**
   * How much louder (dB) than the quietest holder a challenger must be. Lower: more changes; higher: quiet people
   * get a word in less often. Default 6.
   */
  readonly speakerMarginDb: number;
  /**
   * Weight of a new level when it is louder than the smoothed one, and when it is quieter, per 100 ms reading, above
   * 0 and at most 1. Higher: follows faster. Defaults 0.5 and 0.2: pauses between syllables do not count as quiet.
   */
  readonly levelAttack: number;
  readonly levelRelease: number;
}

/** Defaults of {@link ConferenceLimits}. */
export const DEFAULT_LIMITS: ConferenceLimits = {
  maxParticipants: 1000,
  audioSlots: 5,
  maxVideoSlots: 32,
  messagesPerSecond: 100,
  messageBurst: 200,
  maxUnknownPropsLength: 2048,
  silenceLevel: 110,
  loudLevel: 80,
  onsetLevel: 60,
  speakerMarginDb: 6,
  levelAttack: 0.5,
  levelRelease: 0.2,
};
