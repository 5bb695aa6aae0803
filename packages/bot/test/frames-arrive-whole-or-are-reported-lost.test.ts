import { equalBytes } from '@conclave/bytes';
import { type LossyLinkOptions, SeededRandom } from '@conclave/testkit';
import { expect, it } from 'vitest';
import type { SealedFrame } from '../src/frame-assembler.ts';
import { MediaPair } from './media-pair.ts';

const PATIENT = { audioPatienceMs: 60, videoPatienceMs: 500, videoPaceBps: 20_000_000 };
const SEEDS = [1, 2, 3, 4, 5, 6];

/** A frame of up to ten packets that begins with its number. */
function numberedFrame(random: SeededRandom, number: number, length: number): Uint8Array {
  const data = random.bytes(length);
  new DataView(data.buffer).setUint32(0, number);
  return data;
}

function numberOf(frame: SealedFrame): number {
  return new DataView(frame.data.buffer, frame.data.byteOffset).getUint32(0);
}

/** Sends `count` frames of video, 33 ms apart, and lets everything settle. Returns the frames as sent. */
function sendVideo(pair: MediaPair, seed: number, count: number): Uint8Array[] {
  const random = new SeededRandom(seed);
  const sent: Uint8Array[] = [];
  for (let number = 0; number < count; number++) {
    const data = numberedFrame(random, number, 4 + random.below(10_000));
    sent.push(data);
    const isKeyFrame = number === 0;
    const size = { widthPx: 640, heightPx: 360 };
    pair.sender.sendVideo(pair.now, { data, timestampTicks: number * 2970, isKeyFrame, size });
    pair.run(33);
  }
  pair.run(2000);
  return sent;
}

function framesOf(pair: MediaPair, kind: 'audio' | 'video'): SealedFrame[] {
  return pair.arrivals
    .filter((arrival) => arrival.kind === kind)
    .flatMap(({ media }) => (media.type === 'frame' ? [media] : []));
}

function lostPackets(pair: MediaPair, kind: 'audio' | 'video'): number {
  return pair.arrivals
    .filter((arrival) => arrival.kind === kind)
    .reduce((sum, { media }) => sum + (media.type === 'lost' ? media.packets : 0), 0);
}

it('every frame arrives where nothing is lost', () => {
  const pair = new MediaPair({ delayMs: 20 }, { delayMs: 20 }, PATIENT);
  const sent = sendVideo(pair, 7, 60);
  const frames = framesOf(pair, 'video');
  expect(frames.map(numberOf)).toEqual(sent.map((_, number) => number));
  expect(frames.every((frame, at) => equalBytes(frame.data, sent[at]!))).toBe(true);
  expect(lostPackets(pair, 'video')).toBe(0);
  expect(pair.receiver.totals().requestedPackets).toBe(0);
});

const BAD: LossyLinkOptions = { loss: 0.05, duplication: 0.05, delayMs: 20, jitterMs: 30 };

it.each(SEEDS)('a twentieth lost each way is repaired without a frame missing, seed %i', (seed) => {
  const pair = new MediaPair({ ...BAD, seed }, { ...BAD, seed: seed + 100 }, PATIENT);
  const sent = sendVideo(pair, seed, 120);
  const frames = framesOf(pair, 'video');
  expect(pair.there.counts.lost).toBeGreaterThan(20);
  const numbers = frames.map(numberOf);
  const first = numbers[0]!;
  // What is lost before the first packet that arrives, or after the last one, nobody can know of.
  expect(first).toBeLessThan(3);
  expect(numbers.length).toBeGreaterThan(115);
  expect(numbers).toEqual(numbers.map((_, at) => first + at));
  expect(frames.every((frame) => equalBytes(frame.data, sent[numberOf(frame)]!))).toBe(true);
  expect(pair.receiver.totals().repairedPackets).toBeGreaterThan(20);
  expect(lostPackets(pair, 'video')).toBe(0);
});

it.each(SEEDS)(
  'where no repair gets through frames are whole, in order, or reported lost, seed %i',
  (seed) => {
    const pair = new MediaPair({ ...BAD, seed, loss: 0.1 }, { loss: 1 }, PATIENT);
    const sent = sendVideo(pair, seed, 120);
    const frames = framesOf(pair, 'video');
    const numbers = frames.map(numberOf);
    expect(frames.length).toBeLessThan(sent.length);
    expect(frames.every((frame) => equalBytes(frame.data, sent[numberOf(frame)]!))).toBe(true);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    // Between two frames that do not follow each other there is a report.
    let last = -1;
    let lossSince = false;
    for (const { media } of pair.arrivals.filter(({ kind }) => kind === 'video')) {
      if (media.type === 'lost') lossSince = true;
      else {
        if (numberOf(media) !== last + 1 && last >= 0) expect(lossSince).toBe(true);
        last = numberOf(media);
        lossSince = false;
      }
    }
  },
);

it('a loss makes the receiver ask for a key frame, and the sender is told', () => {
  const pair = new MediaPair({ seed: 3, loss: 0.1 }, {}, { ...PATIENT, videoPatienceMs: 5 });
  sendVideo(pair, 3, 60);
  expect(lostPackets(pair, 'video')).toBeGreaterThan(0);
  expect(pair.keyFramesWanted).toBeGreaterThan(0);
  // Not for every lost packet: at most one each 300 ms.
  expect(pair.keyFramesWanted).toBeLessThanOrEqual(15);
});

it('sound arrives in order and at once, or is reported lost after the patience', () => {
  const pair = new MediaPair({ ...BAD, seed: 11 }, { ...BAD, seed: 12 }, PATIENT);
  const random = new SeededRandom(11);
  for (let number = 0; number < 250; number++) {
    const data = numberedFrame(random, number, 80);
    pair.sender.sendAudio(pair.now, { data, timestampTicks: number * 960, level: 25, marker: number === 0 });
    pair.run(20);
  }
  pair.run(500);
  const numbers = framesOf(pair, 'audio').map(numberOf);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(lostPackets(pair, 'audio')).toBe(numbers.at(-1)! - numbers[0]! + 1 - numbers.length);
  expect(numbers.length).toBeGreaterThan(220);
  expect(framesOf(pair, 'audio').every(({ audioLevel }) => audioLevel?.[0] === (0x80 | 25))).toBe(true);
});

it('both sides learn round trip and losses from reports', () => {
  const pair = new MediaPair({ seed: 5, loss: 0.2, delayMs: 40 }, { delayMs: 40 }, PATIENT);
  sendVideo(pair, 5, 150);
  const { roundTripMs, lossSent } = pair.sender.totals();
  expect(roundTripMs).toBeGreaterThan(75);
  expect(roundTripMs).toBeLessThan(90);
  expect(lossSent).toBeDefined();
});

it('a large key frame passes a slow network with short queues when it is paced, and not when it is not', () => {
  const slow: LossyLinkOptions = { rateBps: 30_000_000, queueBytes: 40_000, delayMs: 20 };
  const lostOn = [20_000_000, 1e9].map((videoPaceBps) => {
    const pair = new MediaPair(slow, {}, { ...PATIENT, videoPaceBps });
    const data = numberedFrame(new SeededRandom(9), 0, 300_000);
    const size = { widthPx: 1920, heightPx: 1080 };
    pair.sender.sendVideo(pair.now, { data, timestampTicks: 0, isKeyFrame: true, size });
    pair.sender.sendVideo(pair.now, { data, timestampTicks: 3000, isKeyFrame: true, size });
    pair.run(1000);
    return pair.there.counts.lost;
  });
  expect(lostOn[0]).toBe(0);
  expect(lostOn[1]).toBeGreaterThan(100);
});
