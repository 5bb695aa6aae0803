import type { ConferenceState, Meeting, Participant, ParticipantId, VideoWish } from '@conclave/client';
import {
  batch,
  computed,
  effect,
  type ReadonlySignal,
  type Signal,
  signal,
  untracked,
} from '@preact/signals';
import { texts } from '../texts.ts';
import { MAX_TILES_ON_PAGE } from './grid-layout.ts';
import { type Happening, happeningsBetween } from './happenings.ts';
import { LevelMeter } from './level-meter.ts';
import type { LocalMedia } from './local-media.ts';
import type { MediaFault } from './media-fault.ts';
import type { Notices } from './notices.ts';
import { nextSharing, stageSubject, type View } from './stage-subject.ts';
import { EMPTY_ORDER, nextOrder, type TileOrder } from './tile-order.ts';
import { sameWishes } from './watch-list.ts';

/** What a call is made of. */
export interface CallParts {
  readonly meeting: Meeting;
  readonly media: LocalMedia;
  readonly notices: Notices;
  /** The call is over, for the reason that its last state tells. */
  readonly ended: (state: ConferenceState) => void;
  /** Microphone or camera went on or off. */
  readonly changed: (now: { readonly muted: boolean; readonly camera: boolean }) => void;
}

/** Those who were there before, within this time of joining, are not announced. Milliseconds. */
const ARRIVAL_MS = 2500;
/** Readings above {@link TALKING_LEVEL} in a row that mean somebody talks. */
const TALKING_READINGS = 6;
const TALKING_LEVEL = 0.55;

/** A running call: the conference's state, how the person looks at it, and what the person does. */
export class Call {
  readonly state: Signal<ConferenceState>;
  readonly safetyCode: string;
  readonly view: Signal<View> = signal('grid');
  readonly pinned: Signal<ParticipantId | undefined> = signal(undefined);
  readonly page: Signal<number> = signal(0);
  /** How many pages there are; told by the layout. */
  readonly pages: Signal<number> = signal(1);
  /** How many of the others the first page shows; told by the layout. */
  readonly inFront: Signal<number> = signal(MAX_TILES_ON_PAGE);
  /** The browser wants a click before it plays sound. */
  readonly soundBlocked: Signal<boolean> = signal(false);
  /** The person talks although the microphone is off. */
  readonly talkingMuted: Signal<boolean> = signal(false);
  /** The own screen while it is shared. */
  readonly screen: Signal<MediaStream | undefined> = signal(undefined);
  /** Who is shown large. */
  readonly stage: ReadonlySignal<ParticipantId | undefined>;
  /** The others in the order of their tiles. */
  readonly others: ReadonlySignal<readonly Participant[]>;
  readonly startedAt: number = performance.now();
  readonly #parts: CallParts;
  readonly #order: Signal<TileOrder> = signal(EMPTY_ORDER);
  readonly #sharing: Signal<readonly ParticipantId[]> = signal([]);
  readonly #screensInGrid = signal(false);
  readonly #lastSpeaker: Signal<ParticipantId | undefined> = signal(undefined);
  readonly #early = new Set<ParticipantId>();
  readonly #meter = new LevelMeter();
  readonly #muted = computed(() => this.state.value.muted);
  readonly #stops: (() => void)[] = [];
  #watched: readonly VideoWish[] = [];
  #work: Promise<unknown> = Promise.resolve();
  #over = false;

  constructor(parts: CallParts, tracks: { readonly microphone?: unknown; readonly camera?: unknown }) {
    const { meeting, media } = parts;
    this.#parts = parts;
    this.state = signal(meeting.state);
    this.safetyCode = meeting.safetyCode;
    this.stage = computed(() =>
      stageSubject(this.state.value.participants, {
        view: this.view.value,
        pinned: this.pinned.value,
        sharing: this.#sharing.value,
        screensInGrid: this.#screensInGrid.value,
        lastSpeaker: this.#lastSpeaker.value,
      }),
    );
    this.others = computed(() => {
      const byId = new Map(this.state.value.participants.map((one) => [one.id, one]));
      return this.#order.value.ids.flatMap((id) => byId.get(id) ?? []);
    });
    this.#stops.push(
      meeting.subscribe((state) => this.#take(state)),
      this.#follow(media.microphone.track, tracks.microphone, (track) => meeting.setMicrophone(track)),
      this.#follow(media.camera.track, tracks.camera, async (track) => {
        // A camera takes the place of a screen; the screen's end brings it.
        if (!this.screen.value) await meeting.setCamera(track);
      }),
      effect(() => {
        const muted = this.state.value.muted;
        parts.changed({ muted, camera: media.camera.track.value !== undefined });
      }),
      effect(() => {
        const track = this.#muted.value ? media.microphone.track.value : undefined;
        this.#meter.follow(track);
      }),
      effect(() => this.#lost(media.microphone.fault.value, texts.media.microphoneFaults.lost)),
      effect(() => this.#lost(media.camera.fault.value, texts.media.cameraFaults.lost)),
      // Nobody should believe to be heard without a microphone.
      effect(() => {
        if (media.microphone.fault.value === 'lost') untracked(() => meeting.setMuted(true));
      }),
      this.#listen(),
    );
    this.#take(meeting.state);
  }

  /** Switches the microphone, and opens one if there is none yet. */
  async toggleMicrophone(): Promise<void> {
    const { meeting, media } = this.#parts;
    if (!this.state.value.muted) {
      meeting.setMuted(true);
      return;
    }
    if (!media.microphone.track.value && !(await media.openMicrophone())) {
      this.#parts.notices.say(
        texts.media.microphoneFaults[media.microphone.fault.value ?? 'failed'],
        'warning',
      );
      return;
    }
    if (!this.#over) meeting.setMuted(false);
  }

  /** Switches the camera. */
  async toggleCamera(): Promise<void> {
    const { media, notices } = this.#parts;
    if (media.camera.track.value) media.closeCamera();
    else if (!(await media.openCamera())) {
      notices.say(texts.media.cameraFaults[media.camera.fault.value ?? 'failed'], 'warning');
    }
    if (this.#over) media.closeCamera();
  }

  /** Shares a screen or stops. Without a word when the person changes its mind. */
  async toggleScreen(): Promise<void> {
    if (this.screen.value) {
      await this.#endScreen();
      return;
    }
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({
        video: { frameRate: { max: 30 } },
        audio: true,
      });
    } catch (error) {
      if ((error as Error).name !== 'NotAllowedError')
        this.#parts.notices.say(texts.call.shareFailed, 'warning');
      return;
    }
    if (this.#over) {
      stopAll(stream);
      return;
    }
    this.screen.value = stream;
    stream.getVideoTracks()[0]?.addEventListener('ended', () => {
      if (this.screen.value === stream) void this.#endScreen();
    });
    await this.#do(() => this.#parts.meeting.setScreen(stream));
  }

  /** Raises or lowers the hand. */
  async toggleHand(): Promise<void> {
    const { profile } = this.state.value;
    await this.#do(() => this.#parts.meeting.setProfile({ ...profile, handRaised: !profile.handRaised }));
  }

  /** Changes between grid and speaker, whatever brought the present one about. */
  toggleView(): void {
    batch(() => {
      if (this.stage.value === undefined) {
        this.view.value = 'speaker';
        this.#screensInGrid.value = false;
      } else {
        this.view.value = 'grid';
        this.pinned.value = undefined;
        this.#screensInGrid.value = true;
      }
    });
  }

  /** Shows somebody large from now on, or no longer. */
  togglePin(id: ParticipantId): void {
    this.pinned.value = this.pinned.value === id ? undefined : id;
  }

  /** Shows the next page of tiles, or with -1 the one before. */
  turnPage(by: 1 | -1): void {
    this.page.value = Math.min(Math.max(0, this.page.value + by), this.pages.value - 1);
  }

  /** Tells which pictures are on screen, and how large. */
  watch(wishes: readonly VideoWish[]): void {
    if (this.#over || sameWishes(wishes, this.#watched)) return;
    this.#watched = wishes;
    this.#parts.meeting.watch(wishes);
  }

  /** Makes the connection anew. */
  reconnect(): void {
    if (!this.#over) this.#parts.meeting.reconnect();
  }

  /** Leaves, and tells the server. */
  async leave(): Promise<void> {
    const { meeting } = this.#parts;
    if (this.screen.value) stopAll(this.screen.value);
    await meeting.leave();
  }

  #take(state: ConferenceState): void {
    if (this.#over) return;
    const before = this.state.value;
    if (performance.now() - this.startedAt < ARRIVAL_MS) {
      for (const { id } of state.participants) this.#early.add(id);
    }
    const sharing = nextSharing(this.#sharing.value, state.participants);
    const loudest = state.speakers.find((id) => id !== state.selfId);
    batch(() => {
      this.state.value = state;
      if (sharing.length > this.#sharing.value.length) this.#screensInGrid.value = false;
      this.#sharing.value = sharing;
      if (loudest !== undefined) this.#lastSpeaker.value = loudest;
      this.#order.value = nextOrder(
        this.#order.value,
        state.participants.map(({ id }) => id),
        state.speakers,
        this.inFront.value,
      );
    });
    const told = { ...state, participants: state.participants.filter(({ id }) => this.#isNews(id, before)) };
    for (const happening of happeningsBetween(before, told, nameOf)) this.#tell(happening);
    if (state.status === 'ended') this.#end(state);
  }

  /** Those who were there first are no news until something of theirs changes. */
  #isNews(id: ParticipantId, before: ConferenceState): boolean {
    if (!this.#early.has(id)) return true;
    return before.participants.find((participant) => participant.id === id)?.profile !== undefined;
  }

  #tell(happening: Happening): void {
    const warning = happening.type === 'not-decrypted' || happening.type === 'reconnecting';
    this.#parts.notices.say(texts.happened(happening), warning ? 'warning' : 'plain');
  }

  /** Gives the meeting each new track, beginning with one other than it has. */
  #follow(
    track: Signal<MediaStreamTrack | undefined>,
    has: unknown,
    give: (track: MediaStreamTrack | undefined) => Promise<void>,
  ): () => void {
    let given = has;
    return effect(() => {
      const now = track.value;
      if (now === given) return;
      given = now;
      void this.#do(() => give(now));
    });
  }

  #listen(): () => void {
    let readings = 0;
    return effect(() => {
      const talks = this.#meter.level.value > TALKING_LEVEL;
      readings = talks ? readings + 1 : Math.max(0, readings - 0.1);
      this.talkingMuted.value = readings >= TALKING_READINGS && this.#muted.value;
    });
  }

  #lost(fault: MediaFault | undefined, text: string): void {
    if (fault === 'lost') this.#parts.notices.say(text, 'warning');
  }

  async #endScreen(): Promise<void> {
    const { meeting, media } = this.#parts;
    const stream = this.screen.value;
    this.screen.value = undefined;
    if (stream) stopAll(stream);
    await this.#do(async () => {
      await meeting.setScreen(undefined);
      await meeting.setCamera(media.camera.track.value);
    });
  }

  /** One after the other, since what is sent last has to win. */
  #do(work: () => Promise<void>): Promise<void> {
    const run = this.#work.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch {
        if (!this.#over) this.#parts.notices.say(texts.call.notSent, 'warning');
      }
    });
    this.#work = run;
    return run;
  }

  #end(state: ConferenceState): void {
    this.#over = true;
    for (const stop of this.#stops) stop();
    this.#meter.close();
    if (this.screen.value) stopAll(this.screen.value);
    this.#parts.ended(state);
  }
}

/** The name that somebody goes by on this screen. */
export function nameOf(participant: Participant): string {
  return participant.profile?.name || texts.guest;
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
