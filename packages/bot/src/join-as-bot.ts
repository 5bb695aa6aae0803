import {
  ClientError,
  type Conference,
  type GroupConference,
  type JoinConferenceOptions,
  type JoinMeetingOptions,
  joinConference,
  joinMeeting,
  type Meeting,
  type ParticipantId,
  type SentVideo,
} from '@conclave/client';
import type { BotMedia, BotMediaOptions } from './bot-media.ts';
import { BotPlatform } from './bot-platform.ts';
import type { FrameListener, OutgoingAudioFrame, OutgoingVideoFrame } from './encoded-frame.ts';
import type { MediaConnectionTotals } from './media-connection.ts';

const MIN_VIDEO_PACE_BPS = 100_000;

/** Options that mean something in browsers only. */
type BrowserOnly = 'platform' | 'microphone' | 'camera';

/** How a bot joins a meeting. */
export type JoinMeetingAsBotOptions = Omit<JoinMeetingOptions, BrowserOnly> & BotMediaOptions;

/** How a bot joins a conference of any kind. */
export type JoinConferenceAsBotOptions = Omit<JoinConferenceOptions, BrowserOnly> & BotMediaOptions;

/** A bot in a conference. */
export interface Bot<Joined extends Conference = Conference> {
  /** Who is there, whom to watch, leaving, and the like. Its methods about tracks reject with `bad-track`. */
  readonly conference: Joined;
  /**
   * Sends one packet of Opus as the voice, sealed. False if it is not sent: muted, not connected, or faster than it can be
   * sealed. Throws `FormatError` `not-opus`.
   */
  sendAudioFrame(frame: OutgoingAudioFrame): boolean;
  /**
   * Sends one frame of VP8 as the picture, sealed; the first one tells the others that there is a camera. False if it is not
   * sent: not connected, or faster than it can be sealed. Packets go out at `videoPaceBps` at most. Throws `RangeError`
   * for an empty frame and one of more than 4 MiB.
   */
  sendVideoFrame(frame: OutgoingVideoFrame): boolean;
  /** Tells the others what the pictures show; `off` when there will be none for a while. */
  setSending(sending: SentVideo): void;
  /** Asks a participant who is watched for a key frame. Losses do that by themselves. */
  requestKeyFrame(from: ParticipantId): void;
  /** Adds a listener to frames; returns what removes it. */
  listen(listener: FrameListener): () => void;
  /** Packets and bytes of the connection in use; undefined if there is none. */
  readonly totals: MediaConnectionTotals | undefined;
  /** Frames handed in that were not sent. */
  readonly unsentFrames: number;
}

/**
 * Joins a meeting by its link, without a browser: encoded frames in and out, encrypted end to end like everybody's.
 * Resolves when the signalling channel is open. Rejects with `ClientError`.
 */
export async function joinMeetingAsBot(options: JoinMeetingAsBotOptions): Promise<Bot<Meeting>> {
  return joinWith(options, (platform) => joinMeeting({ ...options, platform }));
}

/** Joins a conference whose keys and members the application knows. Otherwise as {@link joinMeetingAsBot}. */
export async function joinConferenceAsBot(
  options: JoinConferenceAsBotOptions,
): Promise<Bot<GroupConference>> {
  return joinWith(options, (platform) => joinConference({ ...options, platform }));
}

async function joinWith<Joined extends Conference>(
  options: BotMediaOptions,
  join: (platform: BotPlatform) => Promise<Joined>,
): Promise<Bot<Joined>> {
  const { videoSlots = 0, videoPaceBps = MIN_VIDEO_PACE_BPS } = options;
  if (!Number.isInteger(videoSlots) || videoSlots < 0 || videoSlots > 32) {
    throw new ClientError('bad-option', { detail: 'videoSlots is 0 to 32' });
  }
  if (!(videoPaceBps >= MIN_VIDEO_PACE_BPS)) {
    throw new ClientError('bad-option', { detail: `videoPaceBps is at least ${MIN_VIDEO_PACE_BPS}` });
  }
  const platform = new BotPlatform(options);
  const conference = await join(platform);
  const { media } = platform;
  if (media === undefined) throw new ClientError('internal', { detail: 'joined without media' });
  return new JoinedBot(conference, media);
}

class JoinedBot<Joined extends Conference> implements Bot<Joined> {
  readonly conference: Joined;
  readonly #media: BotMedia;

  constructor(conference: Joined, media: BotMedia) {
    this.conference = conference;
    this.#media = media;
  }

  get totals(): MediaConnectionTotals | undefined {
    return this.#media.totals;
  }

  get unsentFrames(): number {
    return this.#media.unsentFrames;
  }

  sendAudioFrame(frame: OutgoingAudioFrame): boolean {
    return this.#media.sendAudioFrame(frame);
  }

  sendVideoFrame(frame: OutgoingVideoFrame): boolean {
    return this.#media.sendVideoFrame(frame);
  }

  setSending(sending: SentVideo): void {
    this.#media.setSending(sending);
  }

  requestKeyFrame(from: ParticipantId): void {
    this.#media.requestKeyFrame(from);
  }

  listen(listener: FrameListener): () => void {
    return this.#media.listen(listener);
  }
}
