import { readFileSync } from 'node:fs';
import type { BrowserContext, Page } from 'playwright-core';
import type { CallBrowser } from './chromium.ts';

/** What runs in the page before its own scripts: devices that others can tell, eyes and ears. */
const SCRIPT = readFileSync(new URL('../pages/visitor.js', import.meta.url), 'utf8');

/** Somebody at the meeting page. */
export interface VisitorOptions {
  /** Frequency of the voice in Hz. */
  readonly frequency: number;
  /** Colour of the camera's picture in CSS. */
  readonly colour: string;
  /** Colour of the screen, when it is shared. */
  readonly screenColour?: string;
  readonly viewport?: { readonly width: number; readonly height: number };
}

/** A person with a browser window on the meeting page, who clicks and types. */
export class PageVisitor {
  readonly page: Page;
  /** What the browser complained about: errors of the page, and what its policy refused. */
  readonly complaints: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
  }

  /** Opens a window of its own, with devices that others can tell. */
  static async open(browser: CallBrowser, options: VisitorOptions): Promise<PageVisitor> {
    const context = await browser.browser.newContext({
      permissions: ['microphone', 'camera'],
      viewport: options.viewport ?? { width: 1280, height: 800 },
    });
    await context.addInitScript(`${SCRIPT}\nvisitor.arrive(${JSON.stringify(options)});`);
    return new PageVisitor(context, await context.newPage());
  }

  /** Makes a meeting, joins it and returns its link. */
  async makeMeeting(home: string, name: string): Promise<string> {
    await this.page.goto(home);
    await this.page.getByRole('button', { name: 'New meeting' }).click();
    await this.enter(name);
    return this.page.url();
  }

  /** Opens a link and joins. */
  async joinBy(link: string, name: string): Promise<void> {
    await this.page.goto(link);
    await this.enter(name);
  }

  /** From the door into the call. */
  async enter(name: string): Promise<void> {
    await this.page.getByLabel('Your name').fill(name);
    await this.page.getByRole('button', { name: 'Join now' }).click();
    await this.inCall();
  }

  /** Waits until the call is there. */
  async inCall(): Promise<void> {
    await this.page.getByRole('button', { name: 'Leave' }).waitFor();
  }

  /** The tile of somebody else, once it is there. */
  tile(name: string): ReturnType<Page['locator']> {
    return this.page.locator('.tile:not(.own)', { hasText: name });
  }

  /** The middle of somebody's picture as it is shown: red, green and blue, or null while there is none. */
  seen(name: string): Promise<readonly number[] | null> {
    return this.page.evaluate(`visitor.seen(${JSON.stringify(name)})`);
  }

  /** Loudness of each frequency in dB, in whichever of the page's voices it is loudest. */
  heard(frequencies: readonly number[]): Promise<number[]> {
    return this.page.evaluate(`visitor.heard(${JSON.stringify(frequencies)})`);
  }

  close(): Promise<void> {
    return this.#context.close();
  }
}
