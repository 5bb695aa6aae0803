import type { Sender, SenderFrames } from '@conclave/e2ee';
import type { Participant as ListedParticipant, ParticipantsMessage, Props } from '@conclave/econn';
import type { Participant, ParticipantId, SentVideo } from './conference.ts';
import type { BoxedProfile } from './profile-box.ts';

/** Box numbers remembered of participants who are not in the list, so that a return does not bring back an old box. */
const MAX_REMEMBERED_NUMBERS = 4096;

/** What is known of one of the others. */
interface Entry {
  listed: ListedParticipant;
  readonly order: number;
  props: Props | undefined;
  boxed: BoxedProfile | undefined;
  encryption: Participant['encryption'];
  frames: { readonly opened: number; readonly refused: number };
  snapshot: Participant | undefined;
}

/** What of a snapshot comes from elsewhere. */
export interface Surroundings {
  isSpeaking(id: ParticipantId): boolean;
  videoStream(id: ParticipantId): MediaStream | undefined;
}

/** The others in a conference, put together from the server's lists, their properties and the frames of them. */
export class ParticipantList {
  readonly #selfId: ParticipantId;
  readonly #entries = new Map<ParticipantId, Entry>();
  readonly #boxNumbers = new Map<ParticipantId, number>();
  #arrivals = 0;

  constructor(selfId: ParticipantId) {
    this.#selfId = selfId;
  }

  /** Replaces the list, by those whom `accepts` accepts. Who was in it before keeps all that is known. */
  handleList(list: ParticipantsMessage, accepts: (id: ParticipantId) => boolean): void {
    const present = new Set<ParticipantId>();
    for (const listed of list.participants) {
      const id = listed.userId;
      if (id === this.#selfId || present.has(id) || !accepts(id)) continue;
      present.add(id);
      const known = this.#entries.get(id);
      if (known !== undefined) known.listed = listed;
      else {
        this.#entries.set(id, {
          listed,
          order: this.#arrivals++,
          props: undefined,
          boxed: undefined,
          encryption: 'waiting',
          frames: { opened: 0, refused: 0 },
          snapshot: undefined,
        });
      }
    }
    for (const id of [...this.#entries.keys()]) if (!present.has(id)) this.#entries.delete(id);
  }

  /** Properties of a participant; false if it is not in the list. */
  handleProps(id: ParticipantId, props: Props): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    entry.props = props;
    return true;
  }

  /** An opened box. Older ones than the last are refused. */
  handleBox(id: ParticipantId, boxed: BoxedProfile): void {
    const entry = this.#entries.get(id);
    const known = this.#boxNumbers.get(id);
    if (entry === undefined || (known !== undefined && boxed.number < known)) return;
    if (known === undefined && this.#boxNumbers.size >= MAX_REMEMBERED_NUMBERS) {
      this.#boxNumbers.delete(this.#boxNumbers.keys().next().value!);
    }
    this.#boxNumbers.set(id, boxed.number);
    entry.boxed = boxed;
  }

  /** Frames of this participant were opened just now. */
  handleOpened(id: ParticipantId): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.encryption = 'encrypted';
  }

  /** Frames of this participant cannot be opened. What was opened before counts more, until the next counts. */
  handleRefused(id: ParticipantId): void {
    const entry = this.#entries.get(id);
    if (entry?.encryption === 'waiting') entry.encryption = 'failing';
  }

  /** Counts of frames since each sender came. */
  handleCounts(senders: readonly SenderFrames[]): void {
    for (const { userHash, opened, refused } of senders) {
      const entry = this.#entries.get(userHash);
      if (entry === undefined) continue;
      if (opened > entry.frames.opened) entry.encryption = 'encrypted';
      else if (refused > entry.frames.refused) entry.encryption = 'failing';
      entry.frames = { opened, refused };
    }
  }

  has(id: ParticipantId): boolean {
    return this.#entries.has(id);
  }

  /** What this participant says it sends as a picture; `off` if it is not there. */
  videoOf(id: ParticipantId): SentVideo {
    const props = this.#entries.get(id)?.props;
    if (props?.screensend === 'true') return 'screen';
    return props?.videosend === 'true' ? 'camera' : 'off';
  }

  /** Frames opened and refused of everybody. */
  frames(): ReadonlyMap<ParticipantId, { readonly opened: number; readonly refused: number }> {
    return new Map([...this.#entries].map(([id, { frames }]) => [id, frames]));
  }

  /** Everybody whose frames may be opened. */
  senders(): readonly Sender[] {
    return [...this.#entries].map(([userHash, { listed }]) => ({
      userHash,
      audioSsrc: listed.audioSsrc,
      videoSsrc: listed.videoSsrc,
    }));
  }

  /** All in order of coming. A participant of whom nothing changed is the same object as before. */
  snapshots(around: Surroundings): readonly Participant[] {
    return [...this.#entries].map(([id, entry]) => {
      const next: Participant = {
        id,
        profile: entry.boxed?.profile,
        muted: entry.props === undefined ? (entry.listed.muted ?? false) : entry.props.muted === 'true',
        video: this.videoOf(id),
        speaking: around.isSpeaking(id),
        encryption: entry.encryption,
        quality: entry.boxed?.quality,
        order: entry.order,
        videoStream: around.videoStream(id),
      };
      const before = entry.snapshot;
      if (before === undefined || !sameParticipant(before, next)) entry.snapshot = next;
      return entry.snapshot!;
    });
  }
}

function sameParticipant(a: Participant, b: Participant): boolean {
  return (Object.keys(a) as (keyof Participant)[]).every((key) => a[key] === b[key]);
}
