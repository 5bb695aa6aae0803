import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from './call-page.ts';
import { type CallBrowser, startCallBrowser } from './chromium.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

/** The page with made-up people, whose pictures are drawn; served with the policy of the real one. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SHOTS = `${ROOT}.state/screenshots/`;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LINK = `#v=1&s=${'A'.repeat(43)}`;

const SIZES = {
  desktop: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
} as const;
const THEMES = ['light', 'dark'] as const;

let sft: SftProcess;
let browser: CallBrowser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  const built = spawnSync(
    process.execPath,
    [
      'node_modules/vite/bin/vite.js',
      'build',
      '--config',
      'apps/web/test/vite.config.mjs',
      '--logLevel',
      'error',
    ],
    { cwd: ROOT, encoding: 'utf8' },
  );
  expect(built.status, built.stderr).toBe(0);
  mkdirSync(SHOTS, { recursive: true });
  [sft, browser] = await Promise.all([
    startSftProcess({ flags: ['--web', `${ROOT}apps/web/out/rehearsal`] }),
    startCallBrowser(),
  ]);
});
afterEach(async () => {
  await page.context().close();
  expect(complaints.splice(0)).toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await sft?.stop();
});

/** Opens the page; the query says who is there and what is broken. */
async function open(query: string, fragment = ''): Promise<void> {
  const context = await browser.browser.newContext({
    permissions: ['microphone', 'camera'],
    viewport: SIZES.desktop,
    colorScheme: 'light',
  });
  page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(`${sft.url}/?portrait=1&${query}${fragment}`);
}

/** Opens the page and joins. */
async function openCall(query: string): Promise<void> {
  await open(query, LINK);
  await page.getByLabel('Your name').fill('Clara Winter');
  await page.getByRole('button', { name: 'Join now' }).click();
  await page.getByRole('button', { name: 'Leave' }).waitFor();
}

/** Waits until all pictures are there and nothing moves any more. */
async function settle(): Promise<void> {
  const still = `
    [...document.querySelectorAll('video')].every((video) => !video.srcObject || video.matches('.picture-there')) &&
    document.getAnimations().every((one) => one.playState !== 'running' || one.effect.getTiming().iterations > 1)`;
  await eventually('a still screen', () => page.evaluate<boolean>(still), Boolean);
}

/** Keeps a picture of the screen in both sizes and colours, and lets axe look at it. */
async function look(name: string): Promise<void> {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of THEMES) {
      await page.emulateMedia({ colorScheme });
      await settle();
      await page.screenshot({ path: `${SHOTS}${name}-${size}-${colorScheme}.png` });
      expect(await findings(), `${name} on a ${size} in ${colorScheme}`).toEqual([]);
    }
  }
  await page.setViewportSize(SIZES.desktop);
}

/** Serious and critical findings of axe, with where they are. */
async function findings(): Promise<unknown> {
  if (!(await page.evaluate('Boolean(window.axe)'))) await page.evaluate(AXE);
  return page.evaluate(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 200))]))`);
}

interface SeenTile {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The tiles as they are drawn. */
async function tiles(): Promise<SeenTile[]> {
  await settle();
  return page.evaluate(`[...document.querySelectorAll('.tile')].map((tile) => {
    const { x, y, width, height } = tile.getBoundingClientRect();
    return { name: tile.querySelector('.tile-name-text').textContent, x, y, width, height };
  })`);
}

function areApart(all: readonly SeenTile[]): boolean {
  return all.every((a, index) =>
    all
      .slice(index + 1)
      .every(
        (b) => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y,
      ),
  );
}

describe('the screens of the meeting page', () => {
  test('where a meeting begins', async () => {
    await open('');
    await look('start');
    await page.getByLabel('Protect with a passphrase').check();
    await page.getByLabel('Meeting link').fill('https://meet.example/');
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByText('This is not a meeting link').waitFor();
    await look('start-with-a-wrong-link');
  });

  test('the door of a new meeting, and of one by a link', async () => {
    await open('');
    await page.getByRole('button', { name: 'New meeting' }).click();
    await page.getByRole('heading', { name: 'Your meeting is ready' }).waitFor();
    await look('door-of-a-new-meeting');
    await page.context().close();
    await open('devices=denied', LINK);
    await page.getByText('may not use your microphone and camera').waitFor();
    await look('door-without-permission');
    await page.context().close();
    await open('', LINK);
    await page.getByText('Devices', { exact: true }).click();
    await look('door');
  });

  test.each([
    ['call-alone', 'people=0'],
    ['call-of-two', 'people=1&speaking=0'],
    ['call-of-five', 'people=4&hands=1&speaking=2'],
    ['call-of-twelve', 'people=11&hands=1&speaking=2&failing=6'],
    ['call-of-thirty', 'people=29&speaking=4'],
    ['call-with-a-shared-screen', 'people=6&sharing=0&speaking=2'],
  ])('%s', async (name, query) => {
    await openCall(query);
    await look(name);
  });

  test('the speaker large, and the list of people', async () => {
    await openCall('people=8&hands=4&speaking=2&failing=5');
    await page.keyboard.press('v');
    await look('call-with-the-speaker-large');
    await page.keyboard.press('v');
    await page.keyboard.press('p');
    await page.getByRole('complementary', { name: 'People' }).waitFor();
    await look('people');
    await page.keyboard.press('Escape');
    await page.getByRole('complementary').waitFor({ state: 'detached' });
  });

  test.each([
    ['safety-code', 'k', 'Safety code'],
    ['keyboard', '?', 'Keyboard'],
    ['devices', 'd', 'Devices'],
  ])('the dialog %s, which a key opens and Escape closes', async (name, key, heading) => {
    await openCall('people=4&speaking=2');
    await page.keyboard.press(key);
    await page.getByRole('dialog', { name: heading }).waitFor();
    await look(name);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('from one dialog to the next on a phone, and what a new link means', async () => {
    await openCall('people=4&speaking=2');
    await page.setViewportSize(SIZES.phone);
    await page.getByRole('button', { name: 'More' }).click();
    await look('more');
    await page.setViewportSize(SIZES.phone);
    await page.getByRole('button', { name: 'Invite people' }).click();
    await page.getByRole('dialog', { name: 'Invite people' }).waitFor();
    await page.getByRole('button', { name: 'New link' }).click();
    await look('invite');
  });

  test('after leaving, when something is in the way, and when a connection is made anew', async () => {
    await openCall('people=2');
    await page.evaluate('rehearsal.meeting.reconnect()');
    await page.getByRole('status').getByText('The connection was lost').waitFor();
    await look('call-reconnecting');
    await page.getByRole('button', { name: 'Leave' }).click();
    await page.getByRole('heading', { name: 'You left the meeting' }).waitFor();
    await look('left');
    await page.context().close();
    await open('error=media-unreachable', LINK);
    await page.getByRole('button', { name: 'Join now' }).click();
    await page.getByRole('heading', { name: 'Your network blocks the call' }).waitFor();
    await look('problem');
    await page.getByRole('button', { name: 'Why does my call not connect?' }).click();
    await page.getByRole('button', { name: 'Start the test' }).click();
    await page.getByText('Copy text').waitFor();
    await look('diagnosis');
  });
});

describe('the tiles of a large meeting', () => {
  test('thirty people are all on one screen of a desktop, apart from each other', async () => {
    await openCall('people=29');
    const seen = await tiles();
    expect(seen).toHaveLength(30);
    expect(areApart(seen)).toBe(true);
    const covered = seen.reduce((sum, { width, height }) => sum + width * height, 0);
    expect(covered / (SIZES.desktop.width * SIZES.desktop.height)).toBeGreaterThan(0.6);
  });

  test('sixty people are in pages, and only those on screen are asked for, at the height they have', async () => {
    await openCall('people=59');
    const first = await tiles();
    await page.keyboard.press('ArrowRight');
    await page.getByText('Page 2 of').waitFor({ state: 'attached' });
    const second = await tiles();
    expect(new Set([...first, ...second].map(({ name }) => name)).size).toBe(60);
    const wishes = await eventually(
      'the wishes of the second page',
      () => page.evaluate<{ id: string; heightPx: number }[]>('rehearsal.meeting.watched.at(-1)'),
      (asked) => asked.every(({ heightPx }) => Math.abs(heightPx - second[0]!.height) <= 1),
    );
    const pictures = await page.locator('.tile:not(.own) video').count();
    expect(wishes).toHaveLength(pictures);
  });

  test('a speaker from a later page comes to the first, and nobody else moves but one', async () => {
    await openCall('people=59');
    const before = (await tiles()).map(({ name }) => name);
    await page.evaluate(`rehearsal.meeting.change({ speakers: ['person-50'] })`);
    const after = await eventually(
      'the speaker on the first page',
      async () => (await tiles()).map(({ name }) => name),
      (names) => names.includes('Mei-Ling Chen 5'),
    );
    expect(after.filter((name) => !before.includes(name))).toEqual(['Mei-Ling Chen 5']);
    expect(after.filter((name, index) => before[index] !== name)).toHaveLength(1);
  });
});
