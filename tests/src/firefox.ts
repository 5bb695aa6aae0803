import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, launch, type Page } from 'puppeteer-core';

const PAGES = new URL('../pages/', import.meta.url);

/**
 * A fake camera, no questions, media on loopback with addresses as they are, and pages behind others that run as fast
 * as the one in front.
 */
const PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  // Without a sound card no AudioContext starts but on this one that is made up.
  'media.cubeb.force_mock_context': true,
  'media.cubeb.force_sample_rate': 48_000,
  'media.block-autoplay-until-in-foreground': false,
  'media.suspend-background-video.enabled': false,
  'dom.min_background_timeout_value': 4,
  'dom.timeout.enable_budget_timer_throttling': false,
  'dom.ipc.processCount': 2,
  'app.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** A headless Firefox with pages that can be in a call. */
export interface FirefoxBrowser {
  readonly browser: Browser;
  /** Opens a page on which `window.Call` is ready. */
  openPage(): Promise<Page>;
  /** Opens an empty page in a context of its own. `complain` hears of errors on it, and of what its policy refused. */
  openBlankPage(complain?: (text: string) => void): Promise<Page>;
  close(): Promise<void>;
}

/** Starts Debian's Firefox, driven over WebDriver BiDi. */
export async function startFirefox(): Promise<FirefoxBrowser> {
  const pages = await servePages();
  const browser = await launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: PREFERENCES,
  });
  const openBlankPage = async (complain?: (text: string) => void) => {
    const page = await (await browser.createBrowserContext()).newPage({ type: 'window' });
    page.on('pageerror', (error) => complain?.(String(error)));
    page.on('console', (message) => message.type() === 'error' && complain?.(message.text()));
    return page;
  };
  return {
    browser,
    openBlankPage,
    openPage: async () => {
      const page = await openBlankPage();
      await page.goto(pages.url);
      await page.waitForFunction('window.ready');
      return page;
    },
    close: async () => {
      await browser.close();
      pages.close();
    },
  };
}

/** Serves the page of a call on a free port of loopback, which browsers take for a secure context. */
async function servePages(): Promise<{ url: string; close: () => void }> {
  const [html, script] = await Promise.all([
    readFile(new URL('call.html', PAGES), 'utf8'),
    readFile(new URL('call.js', PAGES), 'utf8'),
  ]);
  const server = createServer((request, response) => {
    const isScript = request.url === '/call.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}
