import type { ConferenceStatistics, ConnectionQuality, ParticipantId } from './conference.ts';
import type { ConferenceMedia, MediaStatistics } from './conference-platform.ts';
import type { ParticipantList } from './participant-list.ts';
import { QualityMeter } from './quality-meter.ts';
import { SpeakerRanking } from './speaker-ranking.ts';

/** What {@link MediaReadings} work with. */
export interface MediaReadingsOptions {
  readonly selfId: ParticipantId;
  readonly media: ConferenceMedia;
  readonly others: ParticipantList;
  readonly now: () => number;
  /** Index of the video slot of a participant, -1 for none. */
  readonly slotOf: (id: ParticipantId) => number;
}

/** What is read from the media again and again: who speaks, how good the connection is, and figures. */
export class MediaReadings {
  readonly #options: MediaReadingsOptions;
  readonly #speakers = new SpeakerRanking();
  readonly #meter = new QualityMeter();
  #figures: MediaStatistics | undefined;

  constructor(options: MediaReadingsOptions) {
    this.#options = options;
  }

  get speakers(): readonly ParticipantId[] {
    return this.#speakers.speakers;
  }

  get quality(): ConnectionQuality {
    return this.#meter.quality;
  }

  /** Reads loudness; returns whether the speakers changed. */
  readSpeakers(): boolean {
    const { media, others, selfId, now } = this.#options;
    const levels = new Map<ParticipantId, number>([[selfId, media.sentAudioLevel()]]);
    for (const { source, level } of media.receivedAudio()) {
      if (source !== undefined && others.has(source))
        levels.set(source, Math.max(level, levels.get(source) ?? 0));
    }
    return this.#speakers.update(now(), levels);
  }

  /** Reads the connection's figures; returns whether its quality changed. */
  async readFigures(): Promise<boolean> {
    const { media } = this.#options;
    media.command({ type: 'count' });
    // A connection that is just being closed has no figures.
    const figures = await media.statistics().catch(() => undefined);
    if (figures === undefined) return false;
    this.#figures = figures;
    return this.#meter.update(figures);
  }

  /** The last figures, with what is known of each participant. */
  async statistics(): Promise<ConferenceStatistics> {
    if (this.#figures === undefined) await this.readFigures();
    const figures = this.#figures;
    return {
      roundTripMs: figures?.roundTripMs,
      lossSent: figures?.lossSent,
      lossReceived: figures?.lossReceived,
      sentBps: figures?.sentBps ?? 0,
      receivedBps: figures?.receivedBps ?? 0,
      path: figures?.path,
      participants: [...this.#options.others.frames()].map(([id, { opened, refused }]) => ({
        id,
        video: figures?.video[this.#options.slotOf(id)],
        framesOpened: opened,
        framesRefused: refused,
      })),
    };
  }
}
