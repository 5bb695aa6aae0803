import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PAGES = new URL('../pages/', import.meta.url);
/** No display, no network of its own, a fake camera, and none of the guards that hide addresses or stop background pages. */
export const chromiumFlags: readonly string[] = JSON.parse(
  readFileSync(new URL('chromium-flags.json', PAGES), 'utf8'),
);
/** A name that browsers take for this machine, hence for a secure context; no server is ever asked. */
const ORIGIN = 'http://call.localhost';

/** A headless Chromium with pages that can be in a call. */
export interface CallBrowser {
  readonly browser: Browser;
  /** Opens a page on which `window.Call` is ready. */
  openPage(): Promise<Page>;
  /** Opens an empty page in a context of its own. `complain` hears of errors on it, and of what its policy refused. */
  openBlankPage(complain?: (text: string) => void): Promise<Page>;
  close(): Promise<void>;
}

/** Starts Debian's Chromium, or another program that takes its flags. */
export async function startCallBrowser(
  options: { readonly executable?: string; readonly flags?: readonly string[] } = {},
): Promise<CallBrowser> {
  const browser = await chromium.launch({
    executablePath: options.executable ?? '/usr/bin/chromium',
    headless: false,
    args: [...chromiumFlags, '--use-fake-device-for-media-stream=fps=20', ...(options.flags ?? [])],
  });
  const newContext = () => browser.newContext({ permissions: ['microphone', 'camera'] });
  return {
    browser,
    openBlankPage: async (complain) => {
      const page = await (await newContext()).newPage();
      page.on('pageerror', (error) => complain?.(String(error)));
      page.on('console', (message) => message.type() === 'error' && complain?.(message.text()));
      return page;
    },
    openPage: async () => {
      const context = await newContext();
      await servePages(context);
      const page = await context.newPage();
      await page.goto(`${ORIGIN}/`);
      await page.waitForFunction('window.ready');
      return page;
    },
    close: () => browser.close(),
  };
}

async function servePages(context: BrowserContext): Promise<void> {
  const [html, script] = await Promise.all([
    readFile(new URL('call.html', PAGES), 'utf8'),
    readFile(new URL('call.js', PAGES), 'utf8'),
  ]);
  await context.route(`${ORIGIN}/**`, (route) =>
    route.request().url().endsWith('/call.js')
      ? route.fulfill({ contentType: 'text/javascript', body: script })
      : route.fulfill({ contentType: 'text/html', body: html }),
  );
}
