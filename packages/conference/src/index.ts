/**
 * The brain of a conference server: who takes part, who may get whose media, who is heard and seen, and what the
 * clients are told. A pure state machine: calls go in, effects come out.
 *
 * ```ts
 * conference.message(now, leg, text);               // any input
 * for (let e = conference.pollEffect(); e !== undefined; e = conference.pollEffect()) perform(e);
 * scheduleAt(conference.pollTimeout());             // then handleTimeout(now), and poll again
 * ```
 *
 * Order of the list: participants are in the order in which their data channels opened. The first one makes the
 * media keys, so the order is the same for all and never changes but by leaving and coming (a moved call comes
 * anew, at the end).
 *
 * Choices: video by loudness (CONFSTREAMS mode `level`, which no client sends) is ignored, slots are filled by list
 * only. Clients without slots, which would get the others' packets under their own SSRCs, are heard and seen but
 * hear and see nobody. Media needs the consent of both sides, given for the SSRCs that are announced at that time.
 *
 * Out of scope: who may call (the signalling's), session descriptions, and the packets themselves.
 *
 * @packageDocumentation
 */
export type { AudioSample } from './audio-slots.ts';
export { Conference } from './conference.ts';
export type {
  CloseReason,
  ConferenceEffect,
  ExportId,
  LegId,
  LinkId,
  VideoLayer,
  VideoSource,
} from './conference-effect.ts';
export type { LinkOptions, LinkRole, Sister } from './conference-link.ts';
export {
  type ConferenceLimits,
  type ConferenceOptions,
  type ConferenceTimings,
  DEFAULT_LIMITS,
  DEFAULT_TIMINGS,
  type LegRequest,
} from './conference-options.ts';
export type {
  ConferenceSnapshot,
  ConferenceStats,
  IgnoredReason,
  ParticipantDescription,
} from './conference-stats.ts';
export type { LegAnswer } from './membership.ts';
export type { LayerSample, SlotSwitch } from './video-selection.ts';
