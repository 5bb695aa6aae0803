import { seqDelta16, serialDelta32 } from '@conclave/bytes';
import type { AudioLevelSample, IngressId, IngressOptions, IngressStats } from '@conclave/forwarder';
import {
  type AudioLevel,
  type RtpPacket,
  startsDependencyKeyFrame,
  startsGenericKeyFrame,
  startsVp8KeyFrame,
} from '@conclave/rtp';
import type { ModelEgress, PacketTime } from './flow-table-model-egress.ts';
import type { GroupPlace } from './flow-table-model-group.ts';
import type { ModelPeer } from './flow-table-model-peer.ts';

/** Positions remembered behind the newest. */
const WINDOW = 1024;
const ONSET_SPACING_US = 100_000;
const KEY_FRAME_MERGE_US = 50_000;
/** A gap that is too wide to be asked for again. */
const WIDEST_REPAIRED_GAP = 256;
/** How long packets are kept for retransmission. */
const KEEP_US = 1_000_000;
/** Places of kept packets: a packet takes that of the one so many positions before it. */
const KEPT_VIDEO = 512;
const KEPT_AUDIO = 64;

/** Where a packet stands in its stream. */
export interface PlacedPacket {
  readonly rtp: RtpPacket;
  readonly position: number;
  /** Position less the padding-only packets before it. */
  readonly index: number;
  readonly time: PacketTime;
  readonly keyFrame: boolean;
}

/** Verdict on a position: whether it is newer than all before, late, or to be dropped. */
export type PositionVerdict = 'newest' | 'late' | 'duplicate' | 'too_old';

/** An incoming stream in the model of the flow table. */
export class ModelIngress {
  readonly id: IngressId;
  readonly options: IngressOptions;
  readonly peer: ModelPeer;
  ssrc: number | undefined;
  rtxSsrc: number | undefined;
  /** Slots that this stream feeds, or is wished for, in the order of the wishes. */
  subscribers: ModelEgress[] = [];
  places: GroupPlace[] = [];

  #highest: number | undefined;
  #first = 0;
  #seen = new Set<number>();
  #padding: number[] = [];
  #accepted = 0;
  #kept = new Map<number, { rtp: RtpPacket; arrivalUs: number }>();
  #report: { rtpTimestamp: number; ntpUs: number } | undefined;

  #levels: AudioLevel[] = [];
  #wasLoud = false;
  #onsetUs = Number.NEGATIVE_INFINITY;
  #keyFrameToldUs = Number.NEGATIVE_INFINITY;
  #firSequence = 0;
  #totals = { packets: 0, bytes: 0, paddingPackets: 0, keyFrames: 0, recoveredPackets: 0 };

  constructor(id: IngressId, options: IngressOptions, peer: ModelPeer) {
    this.id = id;
    this.options = options;
    this.peer = peer;
  }

  /** Gives the stream its SSRC; one that had another starts anew. */
  bind(ssrc: number): void {
    if (this.ssrc !== undefined && this.ssrc !== ssrc) {
      this.#highest = undefined;
      this.#seen.clear();
      this.#padding = [];
      this.#accepted = 0;
      this.#kept.clear();
      this.#report = undefined;
    }
    this.ssrc = ssrc;
  }

  get started(): boolean {
    return this.#highest !== undefined;
  }

  /** The position nearest to the newest that has this number. */
  unwrap(sequence: number): number {
    const highest = this.#highest;
    return highest === undefined ? sequence : highest + seqDelta16(highest & 0xffff, sequence);
  }

  /** Takes a position, if it may still be taken. */
  place(position: number, paddingOnly: boolean): PositionVerdict {
    const highest = this.#highest;
    if (highest !== undefined && position <= highest) {
      if (position <= highest - WINDOW) return 'too_old';
      if (this.#seen.has(position)) return 'duplicate';
      this.#seen.add(position);
      this.#accepted++;
      return 'late';
    }
    if (highest === undefined) this.#first = position;
    this.#highest = position;
    this.#seen.add(position);
    this.#accepted++;
    if (paddingOnly) this.#padding.push(position);
    return 'newest';
  }

  /** Whether the packets between the newest so far and this one are more than NACKs could repair. */
  breaksAt(position: number): boolean {
    return this.#highest !== undefined && position - this.#highest - 1 > WIDEST_REPAIRED_GAP;
  }

  /** Position less the padding-only packets below it. */
  indexOf(position: number): number {
    return position - this.#padding.filter((padding) => padding < position).length;
  }

  noteReport(rtpTimestamp: number, ntpUs: number): void {
    this.#report = { rtpTimestamp, ntpUs };
  }

  /** When the packet that arrives now was captured, as far as a sender report tells. */
  timeOf(arrivalUs: number, timestamp: number): PacketTime {
    if (this.#report === undefined) return { arrivalUs };
    const { rtpTimestamp, ntpUs } = this.#report;
    const sinceUs = Math.floor((serialDelta32(rtpTimestamp, timestamp) * 1_000_000) / this.options.clockRate);
    return { arrivalUs, captureUs: ntpUs + this.peer.clockOffsetUs + sinceUs };
  }

  /** Whether the packet starts a key frame, by either frame descriptor; by its payload if none was negotiated. */
  startsKeyFrame(rtp: RtpPacket): boolean {
    if (this.options.kind !== 'video') return false;
    const { genericFrameDescriptor, dependencyDescriptor } = this.peer.options.extensions;
    if (genericFrameDescriptor === undefined && dependencyDescriptor === undefined)
      return startsVp8KeyFrame(rtp.payload);
    const value = (id: number | undefined) =>
      rtp.extensions.find((extension) => extension.id === id)?.value ?? new Uint8Array();
    return (
      startsGenericKeyFrame(value(genericFrameDescriptor)) ||
      startsDependencyKeyFrame(value(dependencyDescriptor))
    );
  }

  /** Counts a level; whether an onset is to be told of. */
  takeLevel(nowUs: number, { voice, level }: AudioLevel, onsetLevel: number): boolean {
    this.#levels.push({ voice, level });
    const loud = level < onsetLevel;
    const onset = loud && (voice || this.#wasLoud) && this.places.length === 0;
    this.#wasLoud = loud;
    if (!onset || nowUs - this.#onsetUs < ONSET_SPACING_US) return false;
    this.#onsetUs = nowUs;
    return true;
  }

  /** Activity since the last reading. */
  readLevels(): AudioLevelSample {
    const levels = this.#levels;
    this.#levels = [];
    const sum = levels.reduce((total, { level }) => total + level, 0);
    return {
      ingress: this.id,
      packets: levels.length,
      meanLevel: levels.length === 0 ? 127 : sum / levels.length,
      peakLevel: Math.min(127, ...levels.map(({ level }) => level)),
      voicePackets: levels.filter(({ voice }) => voice).length,
    };
  }

  /** Whether to tell of the need for a key frame, or one was told of just now. */
  shouldTellKeyFrame(nowUs: number): boolean {
    if (nowUs - this.#keyFrameToldUs < KEY_FRAME_MERGE_US) return false;
    this.#keyFrameToldUs = nowUs;
    return true;
  }

  /** Number of the next FIR for the stream, 8 bits. */
  nextFirSequence(): number {
    const sequence = this.#firSequence;
    this.#firSequence = (sequence + 1) & 0xff;
    return sequence;
  }

  unsubscribe(egress: ModelEgress): void {
    this.subscribers = this.subscribers.filter((other) => other !== egress);
  }

  keep(nowUs: number, position: number, rtp: RtpPacket): void {
    const places = this.options.kind === 'video' ? KEPT_VIDEO : KEPT_AUDIO;
    for (const [other, { arrivalUs }] of this.#kept) {
      if (nowUs - arrivalUs >= KEEP_US || (other - position) % places !== 0) continue;
      // A late packet does not push out a newer one.
      if (other > position) return;
      this.#kept.delete(other);
    }
    this.#kept.set(position, { rtp, arrivalUs: nowUs });
  }

  /** Forgets what was kept. */
  dropKept(): void {
    this.#kept.clear();
  }

  /** The packet at a position, if it is still kept for retransmission. */
  kept(nowUs: number, position: number): RtpPacket | undefined {
    const kept = this.#kept.get(position);
    return kept === undefined || nowUs - kept.arrivalUs >= KEEP_US ? undefined : kept.rtp;
  }

  count(what: 'packets' | 'paddingPackets' | 'keyFrames' | 'recoveredPackets' | 'bytes', by = 1): void {
    this.#totals[what] += by;
  }

  /** `nacksSent` is always 0: the model sends none. */
  get stats(): IngressStats {
    const expected = this.#highest === undefined ? 0 : this.#highest - this.#first + 1;
    return {
      ingress: this.id,
      ...this.#totals,
      nacksSent: 0,
      lostPackets: Math.max(0, expected - this.#accepted),
    };
  }
}
