import type { NowMs } from '@conclave/bytes';
import {
  createFlowTableHarness,
  type EgressId,
  type EgressOptions,
  type FlowTableHarness,
  type ForwarderEvent,
  type GroupId,
  type IngressId,
  type IngressOptions,
  type Path,
  type PeerId,
  type SocketId,
} from '@conclave/forwarder';
import {
  encapsulateRtx,
  encodeRtcp,
  encodeRtpPacket,
  isRtcp,
  parseRtpPacket,
  type RtpPacket,
} from '@conclave/rtp';
import { describe, expect, it } from 'vitest';
import { FlowTableModel } from '../src/flow-table-model.ts';
import { RtpPacketFactory } from '../src/rtp-packet-factory.ts';
import { SrtpOracleReceiver, SrtpOracleSender } from '../src/srtp-oracle.ts';

const EXTENSIONS = {
  audioLevel: 1,
  absSendTime: 2,
  transportSequence: 3,
  rid: 4,
  repairedRid: 5,
  genericFrameDescriptor: 11,
};
const SPEAKER = 1 as PeerId;
const LISTENER = 2 as PeerId;
const AUDIO = 10 as IngressId;
const HIGH = 11 as IngressId;
const LOW = 12 as IngressId;
const VIDEO_SLOT = 20 as EgressId;
const AUDIO_SLOT = 21 as EgressId;
const GROUP = 30 as GroupId;

/** A speaker and a listener at one flow table. */
class Room {
  readonly table: FlowTableHarness;
  now: NowMs = 10_000;
  readonly events: ForwarderEvent[] = [];
  readonly #seal = new SrtpOracleSender(7, new Uint8Array(16).fill(1), new Uint8Array(12).fill(2));
  readonly #open = new SrtpOracleReceiver(7, new Uint8Array(16).fill(3), new Uint8Array(12).fill(4));

  constructor(table: FlowTableHarness) {
    this.table = table;
    table.tick(this.now);
    for (const peer of [SPEAKER, LISTENER]) {
      const options = {
        thread: 0,
        feedbackSsrc: 0xf0 + peer,
        cname: 'c',
        extensions: EXTENSIONS,
        transportFeedback: false,
      };
      table.addPeer(peer, options);
      table.setPaths(peer, [pathOf(peer)], pathOf(peer));
      const [receive, send] = peer === SPEAKER ? [1, 5] : [7, 3];
      table.setSrtpKeys(peer, {
        profile: 7,
        receiveKey: new Uint8Array(16).fill(receive),
        receiveSalt: new Uint8Array(12).fill(receive + 1),
        sendKey: new Uint8Array(16).fill(send),
        sendSalt: new Uint8Array(12).fill(send + 1),
      });
    }
  }

  ingress(id: IngressId, options: Partial<IngressOptions> = {}): void {
    const audio = { kind: 'audio', payloadType: 111, clockRate: 48_000 } as const;
    const video = { kind: 'video', payloadType: 100, rtxPayloadType: 101, clockRate: 90_000 } as const;
    const ofKind = id === AUDIO ? audio : video;
    this.table.addIngress(id, { peer: SPEAKER, csrc: 0xc000 + id, nack: false, ...ofKind, ...options });
  }

  egress(id: EgressId, options: Partial<EgressOptions> = {}): void {
    const audio = { kind: 'audio', payloadType: 96, clockRate: 48_000 } as const;
    const video = { kind: 'video', payloadType: 97, clockRate: 90_000 } as const;
    this.table.addEgress(id, {
      peer: LISTENER,
      ssrc: 0xe000 + id,
      ...(id === AUDIO_SLOT ? audio : video),
      extensions: { audioLevel: 7, absSendTime: 8, genericFrameDescriptor: 9 },
      initialSequence: 0xffff,
      initialTimestamp: 1_000_000,
      initialRtxSequence: 5,
      ...options,
    });
  }

  /** Sends a packet of the speaker, and returns what the listener gets. */
  send(bytes: Uint8Array): RtpPacket[] {
    return this.sendSealed(this.#seal.protectRtp(bytes));
  }

  seal(bytes: Uint8Array): Uint8Array {
    return this.#seal.protectRtp(bytes);
  }

  sendSealed(bytes: Uint8Array): RtpPacket[] {
    return this.#take(this.table.receive(this.now, pathOf(SPEAKER), bytes));
  }

  sendReport(ssrc: number, ntpTime: bigint, rtpTimestamp: number): void {
    const report = {
      type: 'sender-report' as const,
      ssrc,
      ntpTime,
      rtpTimestamp,
      packetCount: 0,
      octetCount: 0,
      blocks: [],
    };
    this.sendSealed(this.#seal.protectRtcp(encodeRtcp([report])));
  }

  tick(): RtpPacket[] {
    return this.#take(this.table.tick(this.now));
  }

  #take(output: {
    sent: readonly { path: Path; bytes: Uint8Array }[];
    events: readonly ForwarderEvent[];
  }): RtpPacket[] {
    this.events.push(...output.events);
    return output.sent
      .filter(({ path, bytes }) => path.port === pathOf(LISTENER).port && !isRtcp(bytes))
      .map(({ bytes }) => parseRtpPacket(this.#open.unprotectRtp(bytes)));
  }
}

function pathOf(peer: PeerId): Path {
  return { socket: 1 as SocketId, address: '192.0.2.1', port: 5000 + peer };
}

const stream = (ssrc: number, payloadType = 100, sequence = 100) =>
  new RtpPacketFactory({ ssrc, payloadType, extensions: EXTENSIONS, sequence, timestamp: 7000 });

const TABLES: [string, () => FlowTableHarness][] = [
  ['model', () => new FlowTableModel()],
  ['addon', () => createFlowTableHarness()],
];

describe.each(TABLES)('the flow table of the %s', (_name, make) => {
  const roomWithVideo = () => {
    const room = new Room(make());
    room.ingress(HIGH, { ssrc: 1, rtxSsrc: 3 });
    room.ingress(LOW, { ssrc: 2 });
    room.egress(VIDEO_SLOT);
    room.table.setSource(VIDEO_SLOT, HIGH, { at: 'now' });
    return { room, high: stream(1), low: stream(2, 100, 40_000) };
  };

  it('writes the header anew and leaves the payload as it is', () => {
    const { room, high } = roomWithVideo();
    room.now = 64_000 + 1000;
    const payload = Uint8Array.of(9, 8, 7);
    const content = {
      payload,
      marker: true,
      paddingLength: 5,
      absSendTimeMs: 3,
      rid: 'h',
      transportSequence: 4,
    } as const;
    expect(room.send(high.next({ ...content, frame: 'key' }))).toEqual([
      {
        marker: true,
        payloadType: 97,
        sequence: 0xffff,
        timestamp: 1_000_000,
        ssrc: 0xe000 + VIDEO_SLOT,
        csrcs: [0xc000 + HIGH],
        extensions: [
          { id: 8, value: Uint8Array.of(4, 0, 0) },
          { id: 9, value: Uint8Array.of(0xf0, 1, 1, 0, 2, 128, 1, 104) },
        ],
        payload,
        paddingLength: 0,
      },
    ]);
    expect(room.events).toEqual([{ type: 'switched', egress: VIDEO_SLOT, ingress: HIGH }]);
  });

  it('keeps the gaps of lost packets and closes those of padding', () => {
    const { room, high } = roomWithVideo();
    const numbers = [
      ...room.send(high.next()),
      ...room.send(high.nextPadding()),
      ...room.send(high.nextPadding()),
      ...room.send(high.next()),
      ...room.send(high.next({ step: 3 })),
    ].map((packet) => packet.sequence);
    expect(numbers).toEqual([0xffff, 0, 3]);
  });

  it('gives a late packet its own place, and drops a second copy', () => {
    const { room, high } = roomWithVideo();
    room.send(high.next());
    const late = room.seal(high.next());
    expect(room.send(high.next())[0]?.sequence).toBe(1);
    expect(room.sendSealed(late)[0]?.sequence).toBe(0);
    expect(room.sendSealed(late)).toEqual([]);
  });

  it('switches at once: next number, and a timestamp by the time that passed', () => {
    const { room, high, low } = roomWithVideo();
    room.send(high.next());
    room.table.setSource(VIDEO_SLOT, LOW, { at: 'now' });
    room.now += 33;
    expect(room.send(high.next())).toEqual([]);
    const before = room.seal(low.next());
    expect(room.send(low.next())).toMatchObject([
      { sequence: 0, timestamp: 1_000_000 + 33 * 90, csrcs: [0xc000 + LOW] },
    ]);
    // Older than the first of its source.
    expect(room.sendSealed(before)).toEqual([]);
    room.table.setSource(VIDEO_SLOT, HIGH, { at: 'now' });
    expect(room.send(high.next())).toMatchObject([{ sequence: 1, timestamp: 1_000_000 + 33 * 90 + 1 }]);
  });

  it('counts the time by the sources clocks where sender reports tell them', () => {
    const { room, high, low } = roomWithVideo();
    const second = 1n << 32n;
    room.send(high.next());
    room.send(low.next());
    room.sendReport(1, 100n * second, high.timestamp);
    room.sendReport(2, 100n * second, low.timestamp);
    // 450 ticks are 5 ms, though nothing takes time to arrive.
    room.send(high.next({ ticks: 0 }));
    room.table.setSource(VIDEO_SLOT, LOW, { at: 'now' });
    expect(room.send(low.next({ ticks: 450 }))).toMatchObject([{ timestamp: 1_000_450 }]);
  });

  it('waits for a key frame while the old source flows', () => {
    const { room, high, low } = roomWithVideo();
    room.send(high.next());
    room.table.setSource(VIDEO_SLOT, LOW, { at: 'key-frame', deadlineMs: 500 });
    expect(room.send(low.next({ frame: 'delta' }))).toEqual([]);
    expect(room.send(high.next())).toHaveLength(1);
    expect(room.send(low.next({ frame: 'key' }))).toMatchObject([{ sequence: 1, csrcs: [0xc000 + LOW] }]);
    expect(room.send(high.next())).toEqual([]);
    expect(room.events.slice(1)).toEqual([
      { type: 'key-frame-needed', ingress: LOW },
      { type: 'switched', egress: VIDEO_SLOT, ingress: LOW },
    ]);
  });

  it('gives up waiting at the deadline and keeps the old source', () => {
    const { room, high, low } = roomWithVideo();
    room.send(high.next());
    room.table.setSource(VIDEO_SLOT, LOW, { at: 'key-frame', deadlineMs: 500 });
    room.now += 499;
    room.tick();
    expect(room.events).not.toContainEqual({ type: 'switch-deadline', egress: VIDEO_SLOT, ingress: LOW });
    room.now += 1;
    room.tick();
    expect(room.events).toContainEqual({ type: 'switch-deadline', egress: VIDEO_SLOT, ingress: LOW });
    expect(room.send(low.next({ frame: 'key' }))).toEqual([]);
    expect(room.send(high.next())).toHaveLength(1);
  });

  it('puts what a repair stream carries into its place', () => {
    const { room, high } = roomWithVideo();
    room.send(high.next());
    const lost = parseRtpPacket(high.next({ payload: Uint8Array.of(5) }));
    room.send(high.next());
    const rtx = encodeRtpPacket(encapsulateRtx(lost, { ssrc: 3, payloadType: 101, sequence: 1 }));
    expect(room.send(rtx)).toMatchObject([{ sequence: 0, payload: Uint8Array.of(5), payloadType: 97 }]);
  });

  it('binds a layer by its rid and remembers it', () => {
    const room = new Room(make());
    room.ingress(HIGH, { rid: 'h' });
    room.egress(VIDEO_SLOT);
    room.table.setSource(VIDEO_SLOT, HIGH, { at: 'now' });
    const high = stream(77);
    expect(room.send(high.next({ rid: 'h' }))).toHaveLength(1);
    expect(room.send(high.next())).toHaveLength(1);
    expect(room.send(stream(78).next({ rid: 'h' }))).toEqual([]);
    expect(room.events.filter((e) => e.type === 'unknown-ssrc')).toEqual([
      { type: 'unknown-ssrc', peer: SPEAKER, ssrc: 78, payloadType: 100, rid: 'h' },
    ]);
  });

  it('holds packets of an unknown SSRC for 50 ms, and forwards them once it is bound', () => {
    const room = new Room(make());
    room.ingress(HIGH);
    room.egress(VIDEO_SLOT);
    room.table.setSource(VIDEO_SLOT, HIGH, { at: 'now' });
    const high = stream(77);
    expect(room.send(high.next())).toEqual([]);
    room.now += 30;
    expect(room.send(high.next())).toEqual([]);
    room.now += 30;
    room.tick();
    room.table.bindSsrc(HIGH, 77);
    expect(room.tick()).toMatchObject([{ payload: new Uint8Array(20).fill(2), sequence: 0xffff }]);
    expect(room.events.map((e) => e.type)).toEqual(['unknown-ssrc', 'switched']);
  });

  it('lets a group be heard by those who may, from the next packet on', () => {
    const room = new Room(make());
    room.ingress(AUDIO, { ssrc: 5 });
    room.egress(AUDIO_SLOT);
    room.table.addGroup(GROUP, 0, 1);
    room.table.setGroupReceiver(GROUP, LISTENER, [AUDIO_SLOT]);
    room.table.setGroupSource(GROUP, 0, AUDIO);
    const audio = stream(5, 111);
    const level = { audioLevel: { voice: true, level: 30 } };
    expect(room.send(audio.next(level))).toEqual([]);
    room.table.setGroupPermissions(GROUP, LISTENER, [AUDIO]);
    expect(room.send(audio.next(level))).toMatchObject([
      { ssrc: 0xe000 + AUDIO_SLOT, extensions: [{ id: 7, value: Uint8Array.of(0x80 | 30) }] },
    ]);
    room.table.setGroupPermissions(GROUP, LISTENER, []);
    expect(room.send(audio.next(level))).toEqual([]);
    room.table.setGroupPermissions(GROUP, LISTENER, [AUDIO]);
    room.now += 20;
    expect(room.send(audio.next(level))).toMatchObject([{ sequence: 0, timestamp: 1_000_000 + 960 }]);
    expect(room.table.readAudioLevels()).toEqual([
      { ingress: AUDIO, packets: 4, meanLevel: 30, peakLevel: 30, voicePackets: 4 },
    ]);
    expect(room.events).toEqual([]);
  });

  it('tells of a voice that is in no slot', () => {
    const room = new Room(make());
    room.ingress(AUDIO, { ssrc: 5 });
    const audio = stream(5, 111);
    for (const [voice, level] of [
      [true, 60],
      [false, 59],
      [false, 70],
      [true, 59],
      [true, 10],
    ] as const) {
      room.send(audio.next({ audioLevel: { voice, level } }));
    }
    expect(room.events).toEqual([{ type: 'audio-onset', ingress: AUDIO }]);
    room.now += 100;
    room.send(audio.next({ audioLevel: { voice: true, level: 10 } }));
    expect(room.events).toHaveLength(2);
  });

  it('drops what comes by an unknown path, with a bad tag, or in another format', () => {
    const { room, high } = roomWithVideo();
    const sealed = room.seal(high.next());
    const forged = sealed.map((byte, i) => (i === sealed.length - 1 ? byte ^ 1 : byte));
    expect(room.sendSealed(forged)).toEqual([]);
    room.table.receive(room.now, { ...pathOf(SPEAKER), port: 1 }, sealed);
    const otherFormat = high.next();
    otherFormat[1] = 102;
    expect(room.send(otherFormat)).toEqual([]);
    expect(room.table.readCounters()).toMatchObject({
      dropped_bad_tag: 1,
      dropped_no_path: 1,
      dropped_payload_type: 1,
    });
    expect(room.sendSealed(sealed)).toHaveLength(1);
  });
});
