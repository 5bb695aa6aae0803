import {
  browserPlatform,
  type ConferenceState,
  formatMeetingFragment,
  frameTransformSupport,
  type JoinMeetingOptions,
  type Meeting,
  type MeetingLink,
  serverIceServers,
} from '@conclave/client';
import { batch, type Signal, signal } from '@preact/signals';
import { texts } from '../texts.ts';
import { Call } from './call.ts';
import { CallMemory, markOf, type RememberedCall } from './call-memory.ts';
import { LocalMedia } from './local-media.ts';
import { createMeetingLink, type LinkFault, meetingUrl, readMeetingText } from './meeting-address.ts';
import { Notices } from './notices.ts';
import { cleanName, Preferences } from './preferences.ts';
import { type Problem, problemOfCode, problemOfError } from './problem.ts';

/** What the page shows. */
export type Screen =
  | { readonly name: 'start' }
  | { readonly name: 'lobby' }
  | { readonly name: 'returning' }
  | { readonly name: 'call'; readonly call: Call }
  | { readonly name: 'left' }
  | { readonly name: 'problem'; readonly problem: Problem }
  | { readonly name: 'diagnosis' };

/** What lies over the screen. */
export type Dialog = 'devices' | 'invite' | 'safety' | 'help' | 'more' | 'people' | undefined;

/** What the page takes from its browser; a rehearsal puts stand-ins here. */
export interface AppParts {
  readonly join: (options: JoinMeetingOptions) => Promise<Meeting>;
  readonly window: Window;
  /** Server of new meetings when another host serves the page. */
  readonly server: string | undefined;
}

/** How somebody wants to come in. */
export interface Entrance {
  readonly name: string;
  readonly remember: boolean;
  readonly passphrase: string;
}

/** Fragment of the page that finds out why calls do not connect. */
export const DIAGNOSIS_FRAGMENT = '#diagnose';

/** The page: which screen, which meeting, and the way from one to the other. */
export class App {
  readonly screen: Signal<Screen> = signal({ name: 'start' });
  readonly dialog: Signal<Dialog> = signal(undefined);
  readonly link: Signal<MeetingLink | undefined> = signal(undefined);
  /** A meeting made here just now, whose link nobody has yet. */
  readonly fresh: Signal<boolean> = signal(false);
  readonly joining: Signal<boolean> = signal(false);
  readonly muted: Signal<boolean> = signal(false);
  /** A name for the field at the door. */
  readonly name: Signal<string> = signal('');
  readonly media: LocalMedia;
  readonly preferences: Preferences;
  readonly notices: Notices = new Notices();
  readonly #parts: AppParts;
  readonly #memory: CallMemory;
  #passphrase: string | undefined;
  #wantsCamera = true;
  #mark = '';
  #abort: AbortController | undefined;
  #call: Call | undefined;
  #leavingPage = false;

  constructor(parts: AppParts) {
    const { window } = parts;
    this.#parts = parts;
    this.media = new LocalMedia(window.navigator.mediaDevices);
    this.preferences = new Preferences(storageOf(() => window.localStorage));
    this.#memory = new CallMemory(storageOf(() => window.sessionStorage));
    const remembered = this.preferences.recall();
    this.name.value = remembered?.name ?? '';
    this.media.microphone.wished.value = remembered?.microphoneId;
    this.media.camera.wished.value = remembered?.cameraId;
    this.media.speakerId.value = remembered?.speakerId;
  }

  /** Shows what the address says, and follows it from now on. */
  start(): void {
    const { window } = this.#parts;
    window.addEventListener('hashchange', () => void this.#route(false));
    // The others see at once that somebody is gone. After a reload the page comes back by itself.
    window.addEventListener('pagehide', () => {
      this.#leavingPage = true;
      void this.#call?.leave();
    });
    window.addEventListener('pageshow', () => {
      this.#leavingPage = false;
    });
    void this.#route(wasReloaded(window));
  }

  /** The address of the meeting, to give to others. */
  get url(): string {
    return this.link.value ? meetingUrl(this.#parts.window.location.href, this.link.value) : '';
  }

  /** The server of meetings that are made here. */
  get server(): string {
    return this.#parts.server ?? this.#parts.window.location.origin;
  }

  /** Makes a meeting and goes to its door. */
  newMeeting(passphrase: string): void {
    const secret = passphrase === '' ? undefined : passphrase;
    const link = createMeetingLink(secret !== undefined, this.#parts.server);
    this.fresh.value = true;
    this.#passphrase = secret;
    this.#go(formatMeetingFragment(link));
  }

  /** Makes another meeting in place of this one, which goes on for whoever has its link. */
  renewLink(): void {
    this.newMeeting(this.link.value?.passphrase ? (this.#passphrase ?? '') : '');
    this.notices.say(texts.invite.renewed);
  }

  /** Goes to the meeting of a pasted link, or says why it cannot. */
  openText(text: string): LinkFault | undefined {
    const { link, fault } = readMeetingText(text, this.#parts.window.location.href);
    if (!link) return fault;
    this.fresh.value = false;
    this.#go(formatMeetingFragment(link));
    return undefined;
  }

  /** Goes to the beginning. */
  goHome(): void {
    this.#go('');
  }

  /** Goes to the page that finds out why calls do not connect. */
  goDiagnosis(): void {
    this.#go(DIAGNOSIS_FRAGMENT);
  }

  /** Switches the microphone at the door. */
  async toggleMicrophone(): Promise<void> {
    if (!this.media.microphone.track.value) this.muted.value = !(await this.media.openMicrophone());
    else this.muted.value = !this.muted.value;
  }

  /** Switches the camera at the door. */
  async toggleCamera(): Promise<void> {
    this.#wantsCamera = !this.media.camera.track.value;
    if (this.#wantsCamera) await this.media.openCamera();
    else this.media.closeCamera();
  }

  /** Whether the door asks for a passphrase: the link wants one, and nobody gave it in this tab. */
  get passphraseMissing(): boolean {
    return this.link.value?.passphrase === true && this.#passphrase === undefined;
  }

  /** Joins the meeting. Ends in the call, at the door when given up, or with a problem. */
  async join(entrance: Entrance): Promise<void> {
    const link = this.link.value;
    if (!link || this.joining.value) return;
    this.name.value = cleanName(entrance.name);
    if (entrance.passphrase !== '') this.#passphrase = entrance.passphrase;
    this.#remember(entrance.remember);
    const abort = new AbortController();
    this.#abort = abort;
    this.joining.value = true;
    try {
      const microphone = this.media.microphone.track.value;
      const camera = this.media.camera.track.value;
      const meeting = await this.#parts.join({
        link,
        passphrase: link.passphrase ? this.#passphrase : undefined,
        profile: { name: this.name.value, handRaised: false },
        muted: this.muted.value || microphone === undefined,
        microphone,
        camera,
        signal: abort.signal,
        platform: browserPlatform({
          videoSlots: videoSlotsFor(this.#parts.window),
          iceServers: serverIceServers(link.server ?? this.#parts.window.location.origin),
        }),
      });
      if (abort.signal.aborted) await meeting.leave();
      else this.#enter(meeting, { microphone, camera });
    } catch (error) {
      if (!abort.signal.aborted) this.#fail(problemOfError(error));
    } finally {
      if (this.#abort === abort) {
        this.#abort = undefined;
        this.joining.value = false;
      }
    }
  }

  /** Gives up joining. */
  cancelJoin(): void {
    this.#abort?.abort();
    this.#abort = undefined;
    this.joining.value = false;
    if (this.screen.value.name === 'returning') void this.#openDoor();
  }

  /** Leaves the call. */
  async leave(): Promise<void> {
    await this.#call?.leave();
  }

  /** Back to the door of the same meeting. */
  async rejoin(): Promise<void> {
    await this.#openDoor();
  }

  /** Keeps the chosen devices, if the person wanted its name kept. */
  rememberDevices(): void {
    if (this.preferences.recall()) this.#remember(true);
  }

  #remember(wanted: boolean): void {
    this.preferences.remember(
      wanted
        ? {
            name: this.name.value,
            microphoneId: this.media.microphone.wished.value,
            cameraId: this.media.camera.wished.value,
            speakerId: this.media.speakerId.value,
          }
        : undefined,
    );
  }

  #go(fragment: string): void {
    const { window } = this.#parts;
    const { pathname, search, hash } = window.location;
    if (hash === fragment) return void this.#route(false);
    window.history.pushState(null, '', `${pathname}${search}${fragment}`);
    void this.#route(false);
  }

  async #route(reloaded: boolean): Promise<void> {
    const { window } = this.#parts;
    const fragment = window.location.hash;
    this.#abort?.abort();
    await this.#call?.leave();
    if (fragment === DIAGNOSIS_FRAGMENT) return this.#show({ name: 'diagnosis' });
    if (fragment === '' || fragment === '#') return this.#show({ name: 'start' });
    const { link, fault } = readMeetingText(fragment, window.location.href);
    if (!link) return this.#fail(fault === 'version' ? 'link-version' : 'link-damaged');
    this.#mark = await markOf(fragment);
    if (window.location.hash !== fragment) return;
    if (!this.fresh.value) this.#passphrase = undefined;
    this.link.value = link;
    const remembered = reloaded ? this.#memory.recall(this.#mark) : undefined;
    if (remembered && !link.passphrase) await this.#return(remembered);
    else await this.#openDoor(remembered);
  }

  /** After a reload: straight into the call, as it was. */
  async #return(remembered: RememberedCall): Promise<void> {
    this.#show({ name: 'returning' });
    this.name.value = remembered.name;
    this.muted.value = remembered.muted;
    this.#wantsCamera = remembered.camera;
    await this.#openDevices();
    if (this.screen.value.name !== 'returning') return;
    const kept = this.preferences.recall() !== undefined;
    await this.join({ name: remembered.name, remember: kept, passphrase: '' });
  }

  async #openDoor(remembered?: RememberedCall): Promise<void> {
    if (remembered) {
      this.name.value = remembered.name;
      this.muted.value = remembered.muted;
      this.#wantsCamera = remembered.camera;
    }
    if (!canEncrypt()) return this.#fail('browser');
    this.#show({ name: 'lobby' });
    await this.#openDevices();
  }

  async #openDevices(): Promise<void> {
    const { microphone, camera } = this.media;
    if (this.#wantsCamera && !camera.track.value && !microphone.track.value) await this.media.openBoth();
    else if (!microphone.track.value) await this.media.openMicrophone();
    else if (this.#wantsCamera && !camera.track.value) await this.media.openCamera();
  }

  #enter(meeting: Meeting, tracks: { readonly microphone: unknown; readonly camera: unknown }): void {
    const call = new Call(
      {
        meeting,
        media: this.media,
        notices: this.notices,
        ended: (state) => this.#ended(state),
        changed: ({ muted, camera }) => {
          this.muted.value = muted;
          this.#wantsCamera = camera;
          this.#memory.keep(this.#mark, { name: this.name.value, muted, camera });
        },
      },
      tracks,
    );
    if (meeting.state.status === 'ended') return;
    this.#call = call;
    this.fresh.value = false;
    this.#show({ name: 'call', call });
  }

  #ended(state: ConferenceState): void {
    this.#call = undefined;
    this.media.closeBoth();
    if (state.endedBecause === 'left' || state.endedBecause === undefined) {
      if (!this.#leavingPage) this.#memory.forget();
      this.#show({ name: 'left' });
    } else this.#fail(state.sealing === 'exhausted' ? 'key-used-up' : problemOfCode(state.endedBecause));
  }

  #fail(problem: Problem): void {
    this.#show({ name: 'problem', problem });
  }

  #show(screen: Screen): void {
    batch(() => {
      this.dialog.value = undefined;
      this.screen.value = screen;
    });
    if (screen.name !== 'call') this.notices.clear();
    const busy = screen.name === 'call' || screen.name === 'lobby' || screen.name === 'returning';
    if (!busy) this.media.closeBoth();
    this.#parts.window.document.title = texts.titleOf(screen.name);
  }
}

function canEncrypt(): boolean {
  return 'RTCPeerConnection' in globalThis && frameTransformSupport(globalThis) !== 'none';
}

/** Pictures to ask a server for: a phone shows fewer at a time, and decodes fewer. */
function videoSlotsFor(window: Window): number {
  return Math.min(window.screen.width, window.screen.height) < 600 ? 12 : 30;
}

function wasReloaded(window: Window): boolean {
  const [navigation] = window.performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
  return navigation?.type === 'reload' || navigation?.type === 'back_forward';
}

/** Some browsers throw at the mere question for a storage. */
function storageOf(get: () => Storage): Storage | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
