import type { RtpPacket } from '@conclave/rtp';
import { describe, expect, it } from 'vitest';
import { RtpReceiveStream, type StreamItem } from './rtp-receive-stream.ts';

function packet(sequence: number): RtpPacket {
  const fixed = { marker: false, payloadType: 100, ssrc: 7, csrcs: [], extensions: [], paddingLength: 0 };
  return { ...fixed, sequence: sequence & 0xffff, timestamp: sequence * 90, payload: Uint8Array.of(1) };
}

function stream(patienceMs = 100): RtpReceiveStream {
  return new RtpReceiveStream({ ssrc: 7, clockRate: 90_000, nack: true, patienceMs });
}

/** Sequence numbers that came out, and losses as negative numbers. */
function drained(of: RtpReceiveStream): number[] {
  const items: StreamItem[] = [];
  for (let item = of.poll(); item; item = of.poll()) items.push(item);
  return items.map((item) => (item.type === 'lost' ? -item.packets : item.packet.sequence));
}

describe('RtpReceiveStream', () => {
  it('knows of no loss before the first packet', () => {
    const s = stream();
    s.handleTimeout(1000);
    expect(drained(s)).toEqual([]);
    expect(s.pollTimeout()).toBeUndefined();
    expect(s.takeReportBlock(1000)).toBeUndefined();
  });

  it('puts packets in order, through the wrap', () => {
    const s = stream();
    for (const sequence of [65534, 65536, 65535, 65537]) s.handlePacket(0, packet(sequence), false);
    expect(drained(s)).toEqual([65534, 65535, 0, 1]);
    expect(s.takeReportBlock(0)).toMatchObject({
      highestSequence: 65537,
      cumulativeLost: 0,
      fractionLost: 0,
    });
  });

  it('passes no packet on twice', () => {
    const s = stream();
    for (const sequence of [5, 6, 6, 5, 8, 8]) s.handlePacket(0, packet(sequence), false);
    expect(drained(s)).toEqual([5, 6]);
    expect(s.discarded).toBe(3);
  });

  it('asks for what is missing, again after a round trip, ten times at most', () => {
    const s = stream(10_000);
    s.handlePacket(0, packet(1), false);
    s.handlePacket(0, packet(4), false);
    expect(s.takeRequests(5, 50)).toEqual([]);
    expect(s.takeRequests(10, 50)).toEqual([2, 3]);
    expect(s.takeRequests(59, 50)).toEqual([]);
    expect(s.takeRequests(60, 50)).toEqual([2, 3]);
    s.handlePacket(61, packet(2), true);
    let asks = 0;
    for (let now = 62; now < 9000; now++) asks += s.takeRequests(now, 50).length;
    expect(asks).toBe(8);
    expect(drained(s)).toEqual([1, 2]);
  });

  it('gives up on what is missing when its patience ends, and not before', () => {
    const s = stream(100);
    s.handlePacket(0, packet(1), false);
    s.handlePacket(10, packet(4), false);
    s.handleTimeout(109);
    expect(drained(s)).toEqual([1]);
    s.handleTimeout(110);
    expect(drained(s)).toEqual([-2, 4]);
    s.handlePacket(111, packet(2), true);
    expect(drained(s)).toEqual([]);
  });

  it('holds back a bounded number of packets, whatever numbers come', () => {
    const s = stream(1_000_000);
    s.handlePacket(0, packet(0), false);
    let out = 0;
    for (let at = 1; at <= 30; at++) {
      s.handlePacket(0, packet(at * 2000), false);
      out += drained(s).length;
    }
    expect(out).toBeGreaterThan(25);
    expect(s.takeRequests(100, 50).length).toBeLessThanOrEqual(128);
  });

  it('reports the share that was lost since the last report', () => {
    const s = stream(0);
    for (const sequence of [1, 2, 3, 4]) s.handlePacket(sequence, packet(sequence), false);
    expect(s.takeReportBlock(5)).toMatchObject({ fractionLost: 0, cumulativeLost: 0, highestSequence: 4 });
    for (const sequence of [5, 7]) s.handlePacket(sequence, packet(sequence), false);
    s.handlePacket(8, packet(8), false);
    expect(s.takeReportBlock(9)).toMatchObject({ fractionLost: 64, cumulativeLost: 1, highestSequence: 8 });
  });
});
