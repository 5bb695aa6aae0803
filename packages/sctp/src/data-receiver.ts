import { seqAdd16, seqDelta16, serialAdd32, serialDelta32 } from '@conclave/bytes';
import type { DataChunk } from './data-chunk.ts';
import { Fifo } from './fifo.ts';
import type { ForwardTsn } from './forward-tsn-chunk.ts';
import { FragmentRuns, type InboundMessage, PIECE_OVERHEAD_BYTES } from './fragment-runs.ts';
import type { PacketWriter } from './packet-writer.ts';
import { ReceivedTsns } from './received-tsns.ts';
import { writeSack } from './sack-chunk.ts';
import type { SctpLimits } from './sctp-options.ts';
import type { SctpStats } from './sctp-stats.ts';

interface InboundStream {
  nextSsn: number;
  /** Whole messages that came before one with a lower sequence number. */
  readonly waiting: Map<number, InboundMessage>;
}

/**
 * What a DATA chunk led to. `bad-stream` has been acknowledged but not kept and is to be reported; the last three
 * end the association.
 */
export type DataOutcome =
  | 'received'
  | 'ignored'
  | 'bad-stream'
  | 'message-too-large'
  | 'too-many-streams'
  | 'no-memory';

/** How urgent the next SACK is: not at all, within the delay, or now. */
export type SackUrgency = 'none' | 'delayed' | 'now';

/**
 * The receiving half of an association: TSNs, reassembly, order on streams, the receive window, and when a SACK is
 * due (RFC 9260 §6.2).
 */
export class DataReceiver {
  readonly #limits: SctpLimits;
  readonly #stats: SctpStats;
  readonly #window: number;
  readonly #tsns: ReceivedTsns;
  readonly #runs = new FragmentRuns();
  readonly #streams = new Map<number, InboundStream>();
  readonly #ready = new Fifo<InboundMessage>();
  #streamCount: number;
  /** Cost of whole messages that wait for their turn. */
  #waitingCost = 0;
  /** Cost of messages that are ready or were taken and not yet released. */
  #unreleasedCost = 0;
  #advertisedWindow: number;
  #packetHadData = false;
  #packetsSinceSack = 0;
  #urgency: SackUrgency = 'none';

  /** `initialTsn` and `streamCount` are what the peer announced as its first TSN and its outbound streams. */
  constructor(initialTsn: number, streamCount: number, limits: SctpLimits, stats: SctpStats) {
    this.#limits = limits;
    this.#stats = stats;
    this.#window = receiveWindow(limits);
    this.#advertisedWindow = this.#window;
    this.#tsns = new ReceivedTsns(initialTsn, limits.maxOutOfOrderChunks);
    this.#streamCount = streamCount;
  }

  /** Everything up to this TSN has arrived. */
  get cumulativeTsn(): number {
    return this.#tsns.cumulative;
  }

  /** When the next SACK is due. */
  get sackUrgency(): SackUrgency {
    return this.#urgency;
  }

  /** Bytes held, bookkeeping included. */
  get heldBytes(): number {
    return this.#runs.cost + this.#waitingCost + this.#unreleasedCost;
  }

  /** Takes a DATA chunk (RFC 9260 §6.2, §6.5, §6.9). */
  handleData(chunk: DataChunk): DataOutcome {
    this.#packetHadData = true;
    if (chunk.immediate) this.#urgency = 'now';
    const standing = this.#tsns.standing(chunk.tsn);
    if (standing === 'duplicate') {
      this.#stats.duplicateTsns++;
      this.#tsns.noteDuplicate(chunk.tsn);
      this.#urgency = 'now';
      return 'ignored';
    }
    if (chunk.streamId >= this.#streamCount) {
      if (standing === 'too-far') return this.#dropForRoom();
      this.#tsns.add(chunk.tsn);
      this.#stats.dropped['bad-stream']++;
      return 'bad-stream';
    }
    if (standing === 'too-far') return this.#dropForRoom();
    if (!this.#hasRoomFor(chunk)) {
      const nothingElseHelps =
        chunk.tsn === serialAdd32(this.#tsns.cumulative, 1) && this.#unreleasedCost === 0;
      return nothingElseHelps ? 'no-memory' : this.#dropForRoom();
    }
    if (this.#runs.bytesWith(chunk) > this.#limits.maxMessageSize) return 'message-too-large';
    const hadGaps = this.#tsns.hasGaps;
    this.#tsns.add(chunk.tsn);
    if (hadGaps || this.#tsns.hasGaps) this.#urgency = 'now';
    const message = this.#runs.add(chunk);
    return message && !this.#accept(message) ? 'too-many-streams' : 'received';
  }

  /** Takes a FORWARD TSN chunk (RFC 3758 §3.6). Whether streams stayed within their bound. */
  handleForwardTsn(chunk: ForwardTsn): boolean {
    this.#urgency = 'now';
    if (!this.#tsns.skipTo(chunk.newCumulativeTsn)) return true;
    this.#runs.discardUpTo(chunk.newCumulativeTsn);
    for (const { streamId, ssn } of chunk.skipped) {
      if (streamId >= this.#streamCount) continue;
      const stream = this.#stream(streamId);
      if (!stream) return false;
      this.#skipSsn(stream, ssn);
    }
    return true;
  }

  /** The packet is at its end: decides whether the next SACK may wait (RFC 9260 §6.2). */
  endOfPacket(): void {
    if (!this.#packetHadData) return;
    this.#packetHadData = false;
    this.#packetsSinceSack++;
    if (this.#packetsSinceSack >= 2) this.#urgency = 'now';
    else if (this.#urgency === 'none') this.#urgency = 'delayed';
  }

  /** Asks for a SACK with the next packet. */
  demandSack(): void {
    this.#urgency = 'now';
  }

  /** Appends the SACK, which settles its urgency. */
  writeSack(packet: PacketWriter): void {
    this.#advertisedWindow = this.#freeWindow();
    const sack = {
      cumulativeTsn: this.#tsns.cumulative,
      advertisedWindow: this.#advertisedWindow,
      gaps: this.#tsns.gaps,
    };
    writeSack(packet, sack, this.#tsns.takeDuplicates());
    this.#packetsSinceSack = 0;
    this.#urgency = 'none';
  }

  /** The next whole message in order. Its cost counts until {@link DataReceiver.release}. */
  takeMessage(): InboundMessage | undefined {
    return this.#ready.shift();
  }

  /** Counts `cost` against the window for something that was made of what the peer sent. */
  retain(cost: number): void {
    this.#unreleasedCost += cost;
  }

  /** Gives back the cost of a message; a peer that was held up learns of it (RFC 9260 §6.2, window update). */
  release(cost: number): void {
    this.#unreleasedCost -= cost;
    // Small steps are not worth a packet, and would lead the peer to send small chunks (silly window).
    const quarter = this.#window / 4;
    if (this.#advertisedWindow < quarter && this.#freeWindow() - this.#advertisedWindow >= quarter) {
      this.#urgency = 'now';
    }
  }

  /** The peer starts the streams anew; an empty list means all of them (RFC 6525 §5.2.2). */
  resetStreams(streamIds: readonly number[]): void {
    for (const streamId of streamIds.length > 0 ? streamIds : [...this.#streams.keys()]) {
      const stream = this.#streams.get(streamId);
      if (stream) for (const message of stream.waiting.values()) this.#waitingCost -= message.cost;
      this.#streams.delete(streamId);
    }
    this.#runs.discardStreams(streamIds);
  }

  /** The peer adds outbound streams (RFC 6525 §5.2.5). False, and nothing changed, when they were too many. */
  addStreams(count: number): boolean {
    if (this.#streamCount + count > 65_535) return false;
    this.#streamCount += count;
    return true;
  }

  #freeWindow(): number {
    return Math.max(0, this.#window - this.heldBytes);
  }

  #hasRoomFor(chunk: DataChunk): boolean {
    const after = this.heldBytes + chunk.payload.length + PIECE_OVERHEAD_BYTES;
    if (after <= this.#window) return true;
    // What fills a hole, or completes a message nobody could otherwise take away, is what frees the rest.
    const unblocks = serialDelta32(this.#tsns.highest, chunk.tsn) < 0 || this.#unreleasedCost === 0;
    return unblocks && after <= 2 * this.#window;
  }

  #dropForRoom(): DataOutcome {
    this.#stats.dropped['no-room']++;
    this.#urgency = 'now';
    return 'ignored';
  }

  #accept(message: InboundMessage): boolean {
    if (message.unordered) {
      this.#deliver(message);
      return true;
    }
    const stream = this.#stream(message.streamId);
    if (!stream) return false;
    const ahead = seqDelta16(stream.nextSsn, message.ssn);
    if (ahead === 0) {
      this.#deliver(message);
      stream.nextSsn = seqAdd16(stream.nextSsn, 1);
      this.#drain(stream);
    } else if (ahead < 0 || stream.waiting.has(message.ssn)) {
      this.#stats.dropped['bad-ssn']++;
    } else {
      stream.waiting.set(message.ssn, message);
      this.#waitingCost += message.cost;
    }
    return true;
  }

  #stream(streamId: number): InboundStream | undefined {
    let stream = this.#streams.get(streamId);
    if (!stream && this.#streams.size < this.#limits.maxInboundStreams) {
      stream = { nextSsn: 0, waiting: new Map() };
      this.#streams.set(streamId, stream);
    }
    return stream;
  }

  #skipSsn(stream: InboundStream, ssn: number): void {
    if (seqDelta16(stream.nextSsn, ssn) < 0) return;
    const passed = [...stream.waiting.values()]
      .filter((message) => seqDelta16(message.ssn, ssn) >= 0)
      .sort((a, b) => seqDelta16(b.ssn, a.ssn));
    for (const message of passed) this.#deliverWaiting(stream, message);
    stream.nextSsn = seqAdd16(ssn, 1);
    this.#drain(stream);
  }

  #drain(stream: InboundStream): void {
    for (
      let message = stream.waiting.get(stream.nextSsn);
      message;
      message = stream.waiting.get(stream.nextSsn)
    ) {
      this.#deliverWaiting(stream, message);
      stream.nextSsn = seqAdd16(stream.nextSsn, 1);
    }
  }

  #deliverWaiting(stream: InboundStream, message: InboundMessage): void {
    stream.waiting.delete(message.ssn);
    this.#waitingCost -= message.cost;
    this.#deliver(message);
  }

  #deliver(message: InboundMessage): void {
    this.#unreleasedCost += message.cost;
    this.#ready.push(message);
  }
}

/** The receive window that these limits lead to. */
export function receiveWindow(limits: SctpLimits): number {
  return Math.max(limits.receiveWindow, 2 * limits.maxMessageSize);
}
