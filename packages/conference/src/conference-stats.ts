import type { UserHash } from '@conclave/econn';
import type { CloseReason, LegId } from './conference-effect.ts';
import type { Caller } from './membership.ts';

/** Why a client's message had no effect. */
export type IgnoredReason =
  /** Not a message of the format, or beyond its bounds. */
  | 'malformed'
  /** A type that has no business on a data channel, or a request where only a response makes sense. */
  | 'wrong-type'
  /** About another session. */
  | 'wrong-session'
  /** On a leg whose channel is not open, or that is being hung up. */
  | 'not-open'
  /** CONFSTREAMS by loudness: no client sends it, and slots are filled by list only. */
  | 'unsupported-mode';

/** Totals since the conference began. */
export interface ConferenceStats {
  /** Clients that became visible to the others; a return over a new leg counts again. */
  readonly listings: number;
  readonly messages: number;
  readonly ignoredMessages: Readonly<Partial<Record<IgnoredReason, number>>>;
  readonly closedLegs: Readonly<Partial<Record<CloseReason, number>>>;
  /** Participant lists made; each went to everybody. */
  readonly rosterBroadcasts: number;
  readonly keyFrameRequests: number;
  /** Times an audio slot got another speaker or none. */
  readonly speakerChanges: number;
}

/** The state of a conference at one moment. Without any id. */
export interface ConferenceSnapshot {
  /** Participants in the list. */
  readonly participants: number;
  /** Callers, including those whose channel is not open yet. */
  readonly callers: number;
  readonly legs: number;
  /** Participants that say they are muted. */
  readonly muted: number;
  /** Audio slots in use. */
  readonly speakers: number;
  /** Whether somebody announced the conference, or was told to. */
  readonly started: boolean;
}

/** One participant at one moment. Holds the hash of its user: shorten it before it is shown. */
export interface ParticipantDescription {
  readonly userId: UserHash;
  /** The leg that carries its media; undefined while it reconnects. */
  readonly leg: LegId | undefined;
  /** It says that it is muted. */
  readonly muted: boolean;
  /** What it says it sends besides its voice. */
  readonly sends: 'audio' | 'camera' | 'screen';
  /** The shared audio slot it is heard in, if any. */
  readonly audioSlot: number | undefined;
  /** Number of participants whose video it asked for. */
  readonly wanted: number;
}

/** Describes callers in their order; `slotOf` says in which audio slot a leg is heard. */
export function describeParticipants(
  callers: readonly Caller[],
  slotOf: (leg: LegId | undefined) => number | undefined,
): ParticipantDescription[] {
  return callers.map((caller) => ({
    userId: caller.userId,
    leg: caller.current?.id,
    muted: caller.props.muted,
    sends: caller.props.screenSending ? 'screen' : caller.props.videoSending ? 'camera' : 'audio',
    audioSlot: slotOf(caller.current?.id),
    wanted: caller.wanted.length,
  }));
}

/** Adds one to the counter of that name. */
export function count<K extends string>(counters: Partial<Record<K, number>>, name: K): void {
  counters[name] = (counters[name] ?? 0) + 1;
}
