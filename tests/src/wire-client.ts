import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MemberId } from '@conclave/e2ee';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import type { CallBrowser } from './chromium.ts';
import type { Conversation } from './conversation.ts';

const FOLDER = fileURLToPath(new URL('../wire-clients/', import.meta.url));
/** A name that browsers take for this machine, hence for a secure context; no server is ever asked. */
const ORIGIN = 'http://wire.localhost';
const HTML = '<!doctype html><meta charset="utf-8"><body><script src="/client.js"></script>';

/** A STUN or TURN server as Wire's backend names it. */
export interface IceServer {
  readonly urls: readonly string[];
  readonly username: string;
  readonly credential: string;
}

/** A participant as the library tells its application. */
export interface WireMember {
  readonly userid: string;
  readonly clientid: string;
  /** Audio: 1 when established. */
  readonly aestab: number;
  readonly vrecv: number;
  readonly muted: number;
}

/** Wire's calling library in a page of its own, driven as Wire's web app does. */
export class WireClient implements MemberId {
  readonly userId: string = randomUUID();
  readonly clientId: string = randomBytes(8).toString('hex');
  /** Frequency of its voice in Hz. */
  readonly frequency: number;
  #page: Page | undefined;

  constructor(frequency: number) {
    this.frequency = frequency;
  }

  /**
   * Opens the page as a device of the conversation, whose members have to be complete by then. In a federation `sft` is
   * the server of its own domain, and `hosts` says where each server that calls itself by such a URL really is.
   * `iceServers` are those that its backend would name.
   */
  async open(
    browser: CallBrowser,
    conversation: Conversation,
    sft: string,
    federation: { readonly hosts: ReadonlyMap<string, string> } | undefined = undefined,
    iceServers: readonly IceServer[] | undefined = undefined,
  ): Promise<void> {
    script ??= bundle();
    const text = await script;
    const page = await browser.openBlankPage();
    await page.route(`${ORIGIN}/**`, (route) =>
      route.request().url().endsWith('.js')
        ? route.fulfill({ contentType: 'text/javascript; charset=utf-8', body: text })
        : route.fulfill({ contentType: 'text/html', body: HTML }),
    );
    for (const [host, real] of federation?.hosts ?? []) {
      await page.route(`${host}/**`, async (route) => {
        const request = route.request();
        const response = await fetch(real + new URL(request.url()).pathname, {
          method: request.method(),
          body: request.postData(),
          headers: { origin: ORIGIN },
        });
        const headers = Object.fromEntries(response.headers);
        await route.fulfill({ status: response.status, headers, body: await response.text() });
      });
    }
    await page.exposeFunction('deliver', (json: string) => {
      const { targets, data, ownClientsOnly } = JSON.parse(json);
      const to: { clients: { userid: string; clientid: string }[] } | undefined =
        targets && JSON.parse(targets);
      // No user here has a second device.
      if (ownClientsOnly) return;
      const devices = to?.clients.map(({ userid, clientid }) => ({ userId: userid, clientId: clientid }));
      conversation.deliver(this, data, devices);
    });
    await page.goto(`${ORIGIN}/`);
    await page.waitForFunction('window.ready');
    this.#page = page;
    const settings = {
      userId: this.userId,
      clientId: this.clientId,
      frequency: this.frequency,
      conversation: conversation.id,
      clients: conversation.members.map((m) => ({ userid: m.userId, clientid: m.clientId })),
      sft,
      isFederating: federation !== undefined,
      iceServers,
    };
    await this.ask(`client.boot(${JSON.stringify(settings)})`);
    conversation.listen(this, (from, data) => {
      const call = `client.receive(${[data, from.userId, from.clientId].map((s) => JSON.stringify(s))})`;
      // A page that was closed meanwhile needs no messages.
      this.ask(call).catch(() => undefined);
    });
  }

  /** Calls a function of the page's `client`, or reads one of its fields. */
  async ask<Result>(expression: string): Promise<Result> {
    if (this.#page === undefined) throw new Error('the client is not open yet');
    return (await this.#page.evaluate(`(async () => (${expression}))()`)) as Result;
  }

  members(): Promise<WireMember[]> {
    return this.ask('client.members');
  }

  /** Loudness of each frequency in dB, in the stream where it is loudest. */
  tones(frequencies: readonly number[]): Promise<number[]> {
    return this.ask(`client.tones(${JSON.stringify(frequencies)})`);
  }

  /** Frames shown so far of each device that has a picture, by `user.device`. */
  framesShown(): Promise<Record<string, number>> {
    return this.ask('client.framesShown()');
  }

  /** How often the library's decryption went well and did not. */
  crypto(): Promise<{ decrypted: number; failed: number }> {
    return this.ask('client.crypto');
  }

  close(): Promise<void> {
    return this.#page?.context().close() ?? Promise.resolve();
  }
}

let script: Promise<string> | undefined;

/** The page's script with the library in it, which is installed first if need be. */
async function bundle(): Promise<string> {
  install();
  const built = await build({
    root: FOLDER,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      lib: { entry: 'client-page.js', formats: ['iife'], name: 'wire' },
      rolldownOptions: { external: ['ws'] },
    },
  });
  for (const output of Array.isArray(built) ? built : [built]) {
    if (!('output' in output)) throw new Error('vite is watching instead of building');
    return output.output[0].code;
  }
  throw new Error('vite built nothing');
}

/** Installs by the lockfile unless what is installed is what the lockfile says. */
function install(): void {
  const installed = `${FOLDER}node_modules/@wireapp/avs/package.json`;
  const lock = JSON.parse(readFileSync(`${FOLDER}package-lock.json`, 'utf8'));
  const wanted = lock.packages['node_modules/@wireapp/avs'].version;
  if (existsSync(installed) && JSON.parse(readFileSync(installed, 'utf8')).version === wanted) return;
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: FOLDER,
    encoding: 'utf8',
  });
  if (result.status !== 0) throw new Error(`npm ci in tests/wire-clients failed: ${result.stderr}`);
}
