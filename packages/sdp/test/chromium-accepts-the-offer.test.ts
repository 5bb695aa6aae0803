import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOffer, maxVideoSlots, type OfferOptions, parseAnswer } from '../src/index.ts';
import { sampleOptions, slotsFrom } from './sample-offer.ts';

const EXECUTABLE = process.env.CONCLAVE_CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
];

interface BrowserAnswer {
  readonly sdp: string;
  /** Stream and track id by mid, as the page's `track` events name them. */
  readonly tracks: Readonly<Record<string, string>>;
}

describe.skipIf(!existsSync(EXECUTABLE))('Chromium', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    // Devices exist for secure origins only, and loopback counts as one.
    server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Lets the page answer with a microphone, and a camera if told, and waits for all its candidates. */
  function answerOf(options: OfferOptions, camera: boolean): Promise<BrowserAnswer> {
    // As text, because the page's types are not those of this file.
    return page.evaluate(`(async (offer, camera) => {
      const connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
      const tracks = {};
      connection.ontrack = (e) => { tracks[e.transceiver.mid] = e.streams.map((s) => s.id) + ' ' + e.track.id; };
      try {
        await connection.setRemoteDescription({ type: 'offer', sdp: offer });
        const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: camera });
        for (const transceiver of connection.getTransceivers()) {
          const track = { audio: media.getAudioTracks()[0], video: media.getVideoTracks()[0] }[transceiver.mid];
          if (!track) continue;
          await transceiver.sender.replaceTrack(track);
          transceiver.direction = 'sendrecv';
        }
        const gathered = new Promise((resolve) => {
          connection.onicecandidate = (e) => { if (!e.candidate) resolve(); };
        });
        await connection.setLocalDescription(await connection.createAnswer());
        await gathered;
        return { sdp: connection.localDescription.sdp, tracks };
      } finally {
        connection.close();
      }
    })(${JSON.stringify(buildOffer(options))}, ${camera})`) as Promise<BrowserAnswer>;
  }

  test('answers the full offer with everything that was offered', async () => {
    const { sdp, tracks } = await answerOf(sampleOptions(), true);
    const answer = parseAnswer(sdp);
    expect(answer.setup).toBe('active');
    expect(answer.ice.candidates.length).toBeGreaterThan(0);
    expect(answer.audio.ssrc).toBeDefined();
    expect(answer.audio.extensions).toEqual({ audioLevel: 1, absSendTime: 2, transportSequence: 3 });
    expect(answer.video).toMatchObject({
      direction: 'sendrecv',
      rids: ['l', 'h'],
      rtxPayloadType: 101,
      feedback: { nack: true, pli: true, fir: true, transportCc: true },
      extensions: { transportSequence: 3, rid: 4, repairedRid: 5, genericFrameDescriptor: 11 },
    });
    expect(answer.slots).toHaveLength(14);
    expect(answer.slots.every((slot) => slot.direction === 'recvonly')).toBe(true);
    expect(answer.slots[13]).toMatchObject({
      mid: '14',
      rtxPayloadType: 101,
      extensions: { absSendTime: 2, genericFrameDescriptor: 11 },
    });
    expect(tracks).toMatchObject({ '1': 'ax1 ax1', '6': 'vx6 vx6', '14': 'vx14 vx14' });
  });

  test('sends one layer with an SSRC when simulcast was not offered', async () => {
    const { sdp } = await answerOf(sampleOptions({ simulcast: false }), true);
    const { video } = parseAnswer(sdp);
    expect(video?.rids).toEqual([]);
    expect(video?.ssrcs).toHaveLength(1);
    expect(video?.repairs[0]?.ssrc).toBe(video?.ssrcs[0]);
  });

  test('only receives video without a camera', async () => {
    const { sdp } = await answerOf(sampleOptions(), false);
    expect(parseAnswer(sdp).video?.direction).toBe('recvonly');
  });

  test('takes every option, and says its message size in the newer data form', async () => {
    const options = sampleOptions({
      dependencyDescriptor: true,
      audioNack: true,
      dataForm: 'sctp-port',
    });
    const answer = parseAnswer((await answerOf(options, true)).sdp);
    expect(answer.audio.extensions.transportSequence).toBe(3);
    expect(answer.video?.extensions.dependencyDescriptor).toBe(6);
    expect(answer.slots[5]?.extensions.dependencyDescriptor).toBe(6);
    expect(answer.data).toEqual({ port: 5000, maxMessageSize: 262_144 });
  });

  test('takes as many slots as fit', async () => {
    const options = sampleOptions();
    const videoSlots = slotsFrom(6, maxVideoSlots(options, 32), 'video');
    const { sdp } = await answerOf({ ...options, videoSlots }, true);
    expect(parseAnswer(sdp).slots).toHaveLength(5 + videoSlots.length);
  });

  test('takes an offer without slots', async () => {
    const { sdp } = await answerOf(sampleOptions({ audioSlots: [], videoSlots: [] }), true);
    expect(parseAnswer(sdp).slots).toEqual([]);
  });
});
