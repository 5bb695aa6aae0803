import type { ConferenceState, ConferenceStatistics } from '@conclave/client';
import type { MemberId } from '@conclave/e2ee';
import type { BundledPage } from './bundled-page.ts';
import type { ScriptPage } from './call-page.ts';

/** How a page joins. */
export interface PageJoinOptions {
  /** The link, or its part from `#` on. */
  readonly link: string;
  readonly name: string;
  /** Frequency of its voice in Hz; no microphone without. */
  readonly frequency?: number;
  /** Colour of its picture in CSS; no camera without. */
  readonly colour?: string;
  readonly camera?: { readonly width?: number; readonly height?: number; readonly framesPerSecond?: number };
  readonly muted?: boolean;
  readonly passphrase?: string;
}

/** A device of a conversation, with the hash that the server knows it by. */
export interface GroupDevice extends MemberId {
  readonly userHash: string;
}

/** How a page joins the call of a conversation. */
export interface PageGroupOptions extends Omit<PageJoinOptions, 'link' | 'passphrase' | 'muted'> {
  readonly server: string;
  readonly conferenceId: string;
  readonly devices: readonly GroupDevice[];
  /** Index of its own device. */
  readonly self: number;
}

/** The middle of a picture as it is shown. */
export interface SeenPicture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue, 0 to 255. */
  readonly colour: readonly [number, number, number];
}

/** The functions of `tests/pages/meeting`. */
interface MeetingWindow {
  readonly meeting: {
    readonly states: readonly { readonly status: string; readonly participants: number }[];
    readonly conference: import('@conclave/client').Meeting;
    join(options: PageJoinOptions): Promise<string>;
    joinGroup(options: PageGroupOptions): Promise<string>;
    receive(sender: MemberId, text: string): void;
    keyState(): { readonly index?: number; readonly makesKeys: boolean };
    state(): ConferenceState;
    tones(frequencies: readonly number[]): number[];
    seen(id: string): SeenPicture | null;
    framesShown(): Readonly<Record<string, number>>;
    watchAll(heightPx?: number): void;
    loudness(value: number): void;
    camera(colour: string | null): Promise<void>;
    readonly sharedScreen: { getVideoTracks(): readonly EventTarget[] };
    screen(colour: string | null, frequency?: number): Promise<void>;
  };
}

/** A page of whichever browser, as far as this needs it. */
export interface DrivenPage extends ScriptPage {
  goto(url: string): Promise<unknown>;
  waitForFunction(script: string): Promise<unknown>;
  /** Gives the page a function that calls this one with a text. */
  exposeFunction(name: string, run: (text: string) => void): Promise<unknown>;
  close(): Promise<void>;
}

/** A browser that gives every page a context of its own, and tells what it complains about on the page. */
export interface DrivenBrowser {
  openBlankPage(complain: (text: string) => void): Promise<DrivenPage>;
}

/** A page of a test browser that uses the client library. */
export class MeetingPage {
  readonly page: DrivenPage;
  /** What the browser complained about: errors of the page, and what its policy refused. */
  readonly complaints: readonly string[];

  private constructor(page: DrivenPage, complaints: string[]) {
    this.page = page;
    this.complaints = complaints;
  }

  static async open(browser: DrivenBrowser, served: BundledPage): Promise<MeetingPage> {
    const complaints: string[] = [];
    const blank = await browser.openBlankPage((text) => complaints.push(text));
    const page = new MeetingPage(blank, complaints);
    await page.load(served);
    return page;
  }

  /** Loads, or loads anew. */
  async load(served: BundledPage): Promise<void> {
    await this.page.goto(served.url);
    await this.page.waitForFunction('"meeting" in globalThis');
  }

  /** Calls a function of the page with what it needs. */
  ask<Result, Argument>(
    call: (meeting: MeetingWindow['meeting'], argument: Argument) => Result | Promise<Result>,
    argument: Argument,
  ): Promise<Result> {
    const script = `(${call})(window.meeting, ${JSON.stringify(argument) ?? 'undefined'})`;
    return this.page.evaluate(script) as Promise<Result>;
  }

  /** `joined`, or the code of the error. */
  join(options: PageJoinOptions): Promise<string> {
    return this.ask((meeting, o) => meeting.join(o), options);
  }

  state(): Promise<ConferenceState> {
    return this.ask((meeting) => meeting.state(), null);
  }

  statistics(): Promise<ConferenceStatistics> {
    return this.ask((meeting) => meeting.conference.statistics(), null);
  }

  /** Loudness of each frequency in dB, in the slot where it is loudest. */
  tones(frequencies: readonly number[]): Promise<number[]> {
    return this.ask((meeting, f) => meeting.tones(f), frequencies);
  }

  seen(id: string): Promise<SeenPicture | null> {
    return this.ask((meeting, who) => meeting.seen(who), id);
  }

  /** Asks for the pictures of all who are there now. */
  watchAll(heightPx = 720): Promise<void> {
    return this.ask((meeting, height) => meeting.watchAll(height), heightPx);
  }

  leave(): Promise<void> {
    return this.ask((meeting) => meeting.conference.leave(), null);
  }
}
