import type {
  ConferenceState,
  ConferenceStatistics,
  Meeting,
  Participant,
  Profile,
  VideoWish,
} from '@conclave/client';
import { drawPortrait, drawSlide } from './portrait.ts';

const NAMES = [
  'Amara Okafor',
  'Jonas Lindqvist',
  'Mei-Ling Chen',
  'Rafael Duarte',
  'Ingrid Solheim',
  'Tariq Haddad',
  'Zofia Nowak',
  'Kwame Mensah',
  'Priya Raman',
  'Luca Ferri',
  'Hana Kobayashi',
  'Elif Demir',
];

/** How many people there are, and which of them is special. Places count from 0. */
export interface FakeOptions {
  /** Others in the meeting. */
  readonly people: number;
  /** Place of somebody that shares a screen. */
  readonly sharing?: number;
  readonly hands?: readonly number[];
  readonly failing?: readonly number[];
  readonly speaking?: readonly number[];
}

/** A meeting of made-up people, whose pictures are drawn. Nothing is sent. */
export class FakeMeeting implements Meeting {
  readonly safetyCode = '40213 99806 17254 60037 85512 03941';
  readonly watched: VideoWish[][] = [];
  readonly sent: string[] = [];
  state: ConferenceState;
  readonly #listeners = new Set<(state: ConferenceState) => void>();
  readonly #pictures = new Map<string, { readonly stream: MediaStream; readonly stop: () => void }>();

  constructor(options: FakeOptions, profile: Profile, muted: boolean) {
    const participants = Array.from({ length: options.people }, (_, place) => person(place, options));
    this.state = {
      status: 'joined',
      endedBecause: undefined,
      selfId: 'self',
      muted,
      sending: 'camera',
      profile,
      quality: 'good',
      sealing: 'sealed',
      participants,
      speakers: participants.filter(({ speaking }) => speaking).map(({ id }) => id),
      videoSlots: 30,
      audioStreams: [],
    };
  }

  subscribe(listener: (state: ConferenceState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async setMicrophone(): Promise<void> {
    this.sent.push('microphone');
  }

  async setCamera(track: MediaStreamTrack | undefined): Promise<void> {
    this.sent.push('camera');
    this.change({ sending: track ? 'camera' : 'off' });
  }

  async setScreen(stream: MediaStream | undefined): Promise<void> {
    this.sent.push('screen');
    this.change({ sending: stream ? 'screen' : 'off' });
  }

  setMuted(muted: boolean): void {
    this.change({ muted });
  }

  async setProfile(profile: Profile): Promise<void> {
    this.change({ profile });
  }

  watch(wishes: readonly VideoWish[]): void {
    this.watched.push([...wishes]);
    const wanted = new Set(wishes.map(({ id }) => id));
    for (const [id, picture] of this.#pictures) {
      if (wanted.has(id)) continue;
      picture.stop();
      this.#pictures.delete(id);
    }
    for (const participant of this.state.participants) {
      if (wanted.has(participant.id) && !this.#pictures.has(participant.id)) {
        this.#pictures.set(participant.id, draw(participant));
      }
    }
    const participants = this.state.participants.map((participant) => ({
      ...participant,
      videoStream: this.#pictures.get(participant.id)?.stream,
    }));
    queueMicrotask(() => this.change({ participants }));
  }

  async statistics(): Promise<ConferenceStatistics> {
    throw new Error('made-up people have no figures');
  }

  reconnect(): void {
    this.change({ status: 'reconnecting' });
  }

  async leave(): Promise<void> {
    for (const picture of this.#pictures.values()) picture.stop();
    this.change({ status: 'ended', endedBecause: 'left' });
  }

  /** Changes anything, as a server would. */
  change(change: Partial<ConferenceState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of [...this.#listeners]) listener(this.state);
  }

  /** Changes one of the others. */
  changePerson(place: number, change: Partial<Participant>): void {
    this.change({
      participants: this.state.participants.map((participant, index) =>
        index === place ? { ...participant, ...change } : participant,
      ),
    });
  }
}

function person(place: number, options: FakeOptions): Participant {
  const cameraOff = place % 5 === 3;
  return {
    id: `person-${place}`,
    profile: {
      name:
        NAMES[place % NAMES.length]! +
        (place < NAMES.length ? '' : ` ${Math.floor(place / NAMES.length) + 1}`),
      handRaised: options.hands?.includes(place) ?? false,
    },
    muted: place % 4 === 1,
    video: options.sharing === place ? 'screen' : cameraOff ? 'off' : 'camera',
    speaking: options.speaking?.includes(place) ?? false,
    encryption: options.failing?.includes(place) ? 'failing' : 'encrypted',
    quality: place % 9 === 4 ? 'fair' : place % 13 === 11 ? 'poor' : 'good',
    order: place,
    videoStream: undefined,
  };
}

/** Pictures a second. Few, since all of them are drawn on the machine that also looks at them. */
const FRAMES_PER_SECOND = 1;

function draw(participant: Participant): { readonly stream: MediaStream; readonly stop: () => void } {
  const canvas = document.createElement('canvas');
  const screen = participant.video === 'screen';
  canvas.width = screen ? 1280 : 480;
  canvas.height = screen ? 720 : 270;
  let phase = participant.order;
  const paint = () => {
    phase += 0.4;
    if (screen) drawSlide(canvas);
    else drawPortrait(canvas, participant.order, phase);
  };
  paint();
  const stream = canvas.captureStream(FRAMES_PER_SECOND);
  const timer = setInterval(paint, 1000 / FRAMES_PER_SECOND);
  return {
    stream,
    stop: () => {
      clearInterval(timer);
      for (const track of stream.getTracks()) track.stop();
    },
  };
}
