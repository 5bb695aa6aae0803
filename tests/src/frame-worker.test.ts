import { randomBytes, webcrypto } from 'node:crypto';
import { fromHex, toHex } from '@conclave/bytes';
import {
  createMeetingSecret,
  deriveBaseIv,
  formatMeetingFragment,
  frameNonce,
  MediaCrypto,
  parseFrameHeader,
} from '@conclave/e2ee';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type BundledPage, serveBundledPage } from './bundled-page.ts';
import { eventually } from './call-page.ts';
import { startCallBrowser } from './chromium.ts';
import { MeetingPage } from './meeting-page-driver.ts';
import { type SftProcess, startSftProcess } from './sft-process.ts';

const AUDIBLE_DB = -50;

let sft: SftProcess;
let browser: Awaited<ReturnType<typeof startCallBrowser>>;
let served: BundledPage;
const open: MeetingPage[] = [];

beforeAll(async () => {
  [browser, sft, served] = await Promise.all([
    startCallBrowser(),
    startSftProcess(),
    serveBundledPage('meeting'),
  ]);
});
afterEach(async () => {
  for (const page of open.splice(0)) {
    expect(page.complaints).toEqual([]);
    await page.page.close();
  }
});
afterAll(async () => {
  await browser?.close();
  await sft?.stop();
  await served?.close();
});

function newLink(): string {
  const secret = createMeetingSecret((size) => randomBytes(size));
  return formatMeetingFragment({ secret, server: sft.url, passphrase: false });
}

/** Opens a page and runs a script in it before it joins anything. */
async function openPage(script = ''): Promise<MeetingPage> {
  const page = await MeetingPage.open(browser, served);
  open.push(page);
  await page.page.evaluate(script);
  return page;
}

/** Counts the connections that the page makes. */
const COUNT_CONNECTIONS = `
  globalThis.connections = 0;
  const Original = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      connections++;
    }
  };`;

/** Seals frames of both kinds with the worker of a join, and tells their first bytes. */
const SEAL_IN_JOINS = `
  globalThis.workers = [];
  const Original = Worker;
  globalThis.Worker = class extends Original {
    constructor(...args) {
      super(...args);
      workers.push(this);
    }
  };
  async function seal(worker, kind, count) {
    const before = new TransformStream();
    const after = new TransformStream();
    const transferred = { readable: before.readable, writable: after.writable };
    worker.postMessage(
      { type: 'streams', role: { direction: 'send', kind }, ...transferred },
      [transferred.readable, transferred.writable],
    );
    const writer = before.writable.getWriter();
    const reader = after.readable.getReader();
    const headers = [];
    for (let i = 0; i < count; i++) {
      writer.write({ data: new ArrayBuffer(40), type: 'key' });
      const { value } = await reader.read();
      headers.push([...new Uint8Array(value.data, 0, 16)].map((b) => b.toString(16).padStart(2, '0')).join(''));
    }
    return headers;
  }
  globalThis.sealInJoins = async (link, joins) => {
    const all = [];
    for (let i = 0; i < joins; i++) {
      const outcome = await meeting.join({ link, name: 'Ada' });
      if (outcome !== 'joined') throw new Error(outcome);
      const { selfId } = meeting.conference.state;
      const worker = workers.at(-1);
      const [audio, video] = await Promise.all([seal(worker, 'audio', 3), seal(worker, 'video', 3)]);
      all.push({ selfId, audio, video });
      await meeting.conference.leave();
    }
    return all;
  };`;

interface SealedJoin {
  readonly selfId: string;
  readonly audio: readonly string[];
  readonly video: readonly string[];
}

describe('frame encryption in Chromium', () => {
  test('a browser with encoded streams alone is in the meeting as any other', async () => {
    const older = await openPage('delete globalThis.RTCRtpScriptTransform;');
    const newer = await openPage();
    const link = newLink();
    expect(await older.join({ link, name: 'Ada', frequency: 400, colour: '#e00000' })).toBe('joined');
    expect(await newer.join({ link, name: 'Bob', frequency: 700, colour: '#00b000' })).toBe('joined');
    for (const [page, tone, colour] of [
      [older, 700, 1],
      [newer, 400, 0],
    ] as const) {
      const { participants } = await eventually(
        'the other',
        () => page.state(),
        ({ participants }) => participants[0]?.encryption === 'encrypted',
      );
      await page.watchAll();
      await eventually(
        'a picture',
        () => page.seen(participants[0]!.id),
        (seen) => seen?.colour[colour] !== undefined && seen.colour[colour]! > 128,
      );
      await eventually(
        'a voice',
        () => page.tones([tone]),
        ([level]) => level! > AUDIBLE_DB,
      );
    }
  });

  test('a browser that can encrypt no frames makes no connection at all', async () => {
    const page = await openPage(`
      delete globalThis.RTCRtpScriptTransform;
      delete RTCRtpSender.prototype.createEncodedStreams;
      ${COUNT_CONNECTIONS}`);
    expect(await page.join({ link: newLink(), name: 'Ada', frequency: 400 })).toBe('no-frame-encryption');
    expect(await page.page.evaluate('connections')).toBe(0);
  });

  test('a hundred joins by one link, over ten loads of the page, repeat no nonce', async () => {
    const link = newLink();
    const page = await openPage();
    const crypto = new MediaCrypto(webcrypto.subtle);
    const people = new Set<string>();
    const nonces = new Set<string>();
    for (let load = 0; load < 10; load++) {
      await page.load(served);
      await page.page.evaluate(SEAL_IN_JOINS);
      const script = `sealInJoins(${JSON.stringify(link)}, 10)`;
      for (const { selfId, ...headers } of (await page.page.evaluate(script)) as SealedJoin[]) {
        people.add(selfId);
        for (const kind of ['audio', 'video'] as const) {
          const baseIv = await deriveBaseIv(crypto, selfId, kind);
          for (const header of headers[kind]) {
            const { frameCounter, keyIndex } = parseFrameHeader(fromHex(header));
            nonces.add(toHex(frameNonce(baseIv, frameCounter, keyIndex)));
          }
        }
      }
    }
    expect(people.size).toBe(100);
    expect(nonces.size).toBe(600);
  });
});
