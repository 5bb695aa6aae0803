import { describe, expect, test } from 'vitest';
import { type StatisticsEntry, StatisticsReader } from './browser-statistics.ts';

/** A report as Chromium gives it, cut to what matters, after that many seconds. */
function report(
  seconds: number,
  change: { readonly lost?: number; readonly relay?: boolean } = {},
): StatisticsEntry[] {
  return [
    {
      id: 'T',
      type: 'transport',
      selectedCandidatePairId: 'P',
      bytesSent: 1000 * seconds,
      bytesReceived: 3000 * seconds,
    },
    { id: 'Q', type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'X' },
    { id: 'P', type: 'candidate-pair', localCandidateId: 'L', currentRoundTripTime: 0.025 },
    { id: 'L', type: 'local-candidate', protocol: 'udp', candidateType: change.relay ? 'relay' : 'host' },
    { id: 'A', type: 'inbound-rtp', kind: 'audio', mid: '1', packetsReceived: 50 * seconds, packetsLost: 0 },
    {
      id: 'V',
      type: 'inbound-rtp',
      kind: 'video',
      mid: '6',
      packetsReceived: 40 * seconds,
      packetsLost: change.lost ?? 0,
      bytesReceived: 2000 * seconds,
      frameWidth: 640,
      frameHeight: 360,
      framesPerSecond: 15,
    },
    { id: 'W', type: 'inbound-rtp', kind: 'video', mid: '7', packetsReceived: 0 },
    { id: 'O', type: 'outbound-rtp', packetsSent: 100 * seconds },
    { id: 'R', type: 'remote-inbound-rtp', packetsLost: change.lost ?? 0 },
  ];
}

describe('figures of a browser', () => {
  test('are over the time since the last reading', () => {
    const reader = new StatisticsReader();
    reader.read(10_000, report(10), ['6', '7']);
    expect(reader.read(12_000, report(12, { lost: 20 }), ['6', '7', '8'])).toEqual({
      roundTripMs: 25,
      lossSent: 20 / 200,
      lossReceived: 20 / (180 + 20),
      sentBps: 8_000,
      receivedBps: 24_000,
      path: 'udp',
      video: [{ width: 640, height: 360, framesPerSecond: 15, bitrateBps: 16_000 }, undefined, undefined],
    });
  });

  test('at first have no rates, and no loss where nothing was sent', () => {
    const figures = new StatisticsReader().read(0, report(0), ['6']);
    expect(figures).toMatchObject({
      sentBps: 0,
      receivedBps: 0,
      lossSent: undefined,
      lossReceived: undefined,
    });
  });

  test('late packets do not make a loss negative, nor does a new connection make rates so', () => {
    const reader = new StatisticsReader();
    reader.read(0, report(10, { lost: 30 }), []);
    expect(reader.read(1_000, report(11), [])).toMatchObject({ lossReceived: 0, lossSent: 0 });
    expect(reader.read(2_000, report(1), [])).toMatchObject({ sentBps: 0, receivedBps: 0 });
  });

  test('say when a relay is in between', () => {
    expect(new StatisticsReader().read(0, report(1, { relay: true }), []).path).toBe('relay');
  });

  test('come from an empty report too, and from one whose transport counts no bytes, as Firefox gives', () => {
    expect(new StatisticsReader().read(0, [], ['6'])).toMatchObject({ path: undefined, video: [undefined] });
    const reader = new StatisticsReader();
    const firefox = (seconds: number) => [
      { id: 'T', type: 'transport', selectedCandidatePairId: 'P' },
      { id: 'P', type: 'candidate-pair', localCandidateId: 'L', bytesSent: 500 * seconds },
      { id: 'L', type: 'local-candidate', protocol: 'tcp', candidateType: 'host' },
    ];
    reader.read(0, firefox(0), []);
    expect(reader.read(1_000, firefox(1), [])).toMatchObject({ sentBps: 4_000, path: 'tcp' });
  });
});
