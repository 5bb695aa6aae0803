import { readFileSync } from 'node:fs';
import type { Page } from 'puppeteer-core';
import { eventually } from './call-page.ts';
import type { FirefoxBrowser } from './firefox.ts';
import type { VisitorOptions } from './page-visitor.ts';

const SCRIPT = readFileSync(new URL('../pages/visitor.js', import.meta.url), 'utf8');

/** A person with a Firefox window on the meeting page, who clicks and types. */
export class FirefoxVisitor {
  readonly page: Page;
  /** What the browser complained about: errors of the page, and what its policy refused. */
  readonly complaints: string[];

  private constructor(page: Page, complaints: string[]) {
    this.page = page;
    this.complaints = complaints;
  }

  /** Opens a window of its own, with devices that others can tell. */
  static async open(browser: FirefoxBrowser, options: VisitorOptions): Promise<FirefoxVisitor> {
    const complaints: string[] = [];
    const page = await browser.openBlankPage((text) => complaints.push(text));
    await page.setViewport(options.viewport ?? { width: 1280, height: 800 });
    await page.evaluateOnNewDocument(`${SCRIPT}\nvisitor.arrive(${JSON.stringify(options)});`);
    return new FirefoxVisitor(page, complaints);
  }

  /** Makes a meeting, joins it and returns its link. */
  async makeMeeting(home: string, name: string): Promise<string> {
    await this.page.goto(home);
    await this.press('New meeting');
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
    await this.page.locator('::-p-aria([name="Your name"][role="textbox"])').fill(name);
    await this.press('Join now');
    await this.inCall();
  }

  /** Waits until the call is there. */
  async inCall(): Promise<void> {
    await this.#button('Leave').wait();
  }

  /** Clicks the button of that name, once it is there. */
  press(name: string): Promise<void> {
    return this.#button(name).click();
  }

  #button(name: string) {
    return this.page.locator(`::-p-aria([name="${name}"][role="button"])`);
  }

  /** Waits until the whole text that somebody's tile shows or tells fits. */
  async untilTile(name: string, accept: (text: string) => boolean): Promise<void> {
    await eventually(
      `the tile of ${name}`,
      async () => (await this.tiles()).find((text) => text.includes(name)) ?? '',
      accept,
    );
  }

  /** What the tiles of the others say. */
  tiles(): Promise<string[]> {
    return this.page.evaluate(
      `[...document.querySelectorAll('.tile:not(.own)')].map((tile) => tile.textContent)`,
    ) as Promise<string[]>;
  }

  /** Waits until the page says this somewhere. */
  async untilSaid(text: string): Promise<void> {
    await eventually(
      text,
      () => this.page.evaluate('document.body.textContent') as Promise<string>,
      (said) => said.includes(text),
    );
  }

  /** The middle of somebody's picture as it is shown: red, green and blue, or null while there is none. */
  seen(name: string): Promise<readonly number[] | null> {
    return this.page.evaluate(`visitor.seen(${JSON.stringify(name)})`) as Promise<number[] | null>;
  }

  /** Loudness of each frequency in dB, in whichever of the page's voices it is loudest. */
  heard(frequencies: readonly number[]): Promise<number[]> {
    return this.page.evaluate(`visitor.heard(${JSON.stringify(frequencies)})`) as Promise<number[]>;
  }

  close(): Promise<void> {
    return this.page.close();
  }
}
