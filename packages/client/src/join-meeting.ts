import type { MeetingLink } from '@conclave/e2ee';
import type { Conference, Profile } from './conference.ts';
import type { ConferencePlatform } from './conference-platform.ts';

/** How a meeting is joined. */
export interface JoinMeetingOptions {
  readonly link: MeetingLink;
  /** Needed when the link says so. */
  readonly passphrase?: string;
  /** Servers to try at once, three at most; those of the link, or of the page, when absent. */
  readonly servers?: readonly string[];
  readonly profile: Profile;
  readonly muted?: boolean;
  readonly microphone?: MediaStreamTrack;
  readonly camera?: MediaStreamTrack;
  /** Default: the browser's page. */
  readonly platform?: ConferencePlatform;
  /** Gives up joining. */
  readonly signal?: AbortSignal;
}

/** A conference by a link. */
export interface Meeting extends Conference {
  /** Six groups of five digits, the same on all screens of the meeting. */
  readonly safetyCode: string;
}

/** Joins a meeting. Rejects with a `ClientError` that says what to do. */
export type JoinMeeting = (options: JoinMeetingOptions) => Promise<Meeting>;
