import { type NowMs, seqAdd16, serialAdd32, serialDelta32 } from '@conclave/bytes';
import { CongestionControl } from './congestion-control.ts';
import { DATA_HEADER_BYTES, DataFlag, writeData } from './data-chunk.ts';
import { Fifo } from './fifo.ts';
import { type OutstandingChunk, OutstandingChunks } from './outstanding-chunks.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { RetransmissionTimeout } from './retransmission-timeout.ts';
import type { Sack } from './sack-chunk.ts';
import type { SctpLimits } from './sctp-options.ts';
import { COMMON_HEADER_BYTES } from './sctp-packet.ts';
import type { SctpStats } from './sctp-stats.ts';

interface OutgoingMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly bytes: Uint8Array;
}

/** Counted against the send buffer for each message besides its bytes, so that tiny ones cannot fill the memory. */
const MESSAGE_OVERHEAD_BYTES = 128;

/**
 * Room in a packet that is left empty rather than filled with the next piece of a long message: more, smaller
 * pieces cost the peer more than the bytes saved.
 */
const MIN_FRAGMENT_BYTES = 256;

/** What a SACK means for timers and the error count. */
export type SackOutcome = 'old' | 'impossible' | 'unchanged' | 'loss-found' | 'advanced' | 'drained';

/**
 * The sending half of an association: queue, fragmentation, what is in flight, flow and congestion control (RFC 9260
 * §6.1, §6.9, §7). Everything is sent reliably and in order.
 */
export class DataSender {
  readonly #limits: SctpLimits;
  readonly #rto: RetransmissionTimeout;
  readonly #stats: SctpStats;
  readonly #queue = new Fifo<OutgoingMessage>();
  readonly #queuedPerStream = new Map<number, number>();
  readonly #nextSsn = new Map<number, number>();
  readonly #outstanding: OutstandingChunks;
  readonly #congestion: CongestionControl;
  /** TSNs of the last fragments of messages sent whole and not yet acknowledged. */
  readonly #unfinished = new Fifo<number>();
  #queuedBytes = 0;
  /** Bytes of the first message in the queue that were sent. */
  #offset = 0;
  #peerWindow = 0;
  /** A packet of lost chunks may leave whatever the congestion window says. */
  #urgentPacket = false;
  #lastSentAt: NowMs | undefined;

  constructor(initialTsn: number, limits: SctpLimits, rto: RetransmissionTimeout, stats: SctpStats) {
    this.#limits = limits;
    this.#rto = rto;
    this.#stats = stats;
    this.#outstanding = new OutstandingChunks(initialTsn);
    const chunkBytes = limits.mtu - COMMON_HEADER_BYTES - DATA_HEADER_BYTES;
    this.#congestion = new CongestionControl(chunkBytes, Math.max(limits.maxBufferedBytes, 8 * chunkBytes));
  }

  /** Bytes of messages that are not acknowledged. */
  get bufferedBytes(): number {
    return this.#queuedBytes + this.#outstanding.bytes;
  }

  /** Whether chunks wait for their acknowledgement. */
  get hasOutstanding(): boolean {
    return this.#outstanding.length > 0;
  }

  /** Whether nothing waits, neither for being sent nor for being acknowledged. */
  get drained(): boolean {
    return this.#queue.length === 0 && this.#outstanding.length === 0;
  }

  /** The TSN given out last. */
  get lastTsn(): number {
    return serialAdd32(this.#outstanding.nextTsn, -1);
  }

  /** Whether the peer has no room for more (RFC 9260 §6.1 A). */
  get windowClosed(): boolean {
    return this.#peerWindow === 0;
  }

  /** Learns the peer's receive window from its INIT or INIT ACK. */
  start(peerWindow: number): void {
    this.#peerWindow = peerWindow;
  }

  /** Whether a message of this many bytes fits the send buffer. */
  hasRoomFor(bytes: number): boolean {
    const messages = this.#queue.length + this.#unfinished.length;
    return this.bufferedBytes + bytes + messages * MESSAGE_OVERHEAD_BYTES <= this.#limits.maxBufferedBytes;
  }

  /** Queues a message; keeps `bytes`, at least one, until they are acknowledged. */
  enqueue(streamId: number, ppid: number, bytes: Uint8Array): void {
    this.#queue.push({ streamId, ppid, bytes });
    this.#queuedBytes += bytes.length;
    this.#queuedPerStream.set(streamId, (this.#queuedPerStream.get(streamId) ?? 0) + 1);
  }

  /** Whether messages of the stream have not been sent whole. */
  hasQueued(streamId: number): boolean {
    return this.#queuedPerStream.has(streamId);
  }

  /** Drops what is queued for the stream; only before anything was sent. */
  discardStream(streamId: number): void {
    this.#queue.filter((message) => {
      if (message.streamId !== streamId) return true;
      this.#queuedBytes -= message.bytes.length;
      return false;
    });
    this.#queuedPerStream.delete(streamId);
  }

  /** The stream's sequence numbers begin anew: the peer has performed our reset. */
  resetStream(streamId: number): void {
    this.#nextSsn.delete(streamId);
  }

  /** Takes the cumulative TSN of a SHUTDOWN, which says nothing of gaps and window (RFC 9260 §9.2). */
  handleCumulativeTsn(now: NowMs, cumulativeTsn: number): SackOutcome {
    return this.handleSack(now, { cumulativeTsn, advertisedWindow: 0, gaps: [] }, true);
  }

  /** Takes a SACK; with `cumulativeOnly`, neither its gaps nor its window. */
  handleSack(now: NowMs, sack: Sack, cumulativeOnly = false): SackOutcome {
    const verdict = this.#outstanding.judge(sack);
    if (verdict !== 'good') return verdict;
    const flightBefore = this.#outstanding.flightBytes;
    const inRecovery = this.#congestion.inFastRecovery;
    const effect = this.#outstanding.acknowledge(sack, inRecovery, cumulativeOnly);
    if (effect.sampleSentAt !== undefined) this.#rto.measure(now - effect.sampleSentAt);
    if (effect.advanced) {
      this.#congestion.acknowledged(sack.cumulativeTsn, effect.ackedBytes, flightBefore);
      for (let tsn = this.#unfinished.at(0); tsn !== undefined; tsn = this.#unfinished.at(0)) {
        if (serialDelta32(tsn, sack.cumulativeTsn) < 0) break;
        this.#unfinished.shift();
      }
    }
    if (effect.lossFound && !this.#congestion.inFastRecovery) {
      this.#congestion.lossDetected(this.lastTsn);
      this.#stats.fastRecoveries++;
      this.#urgentPacket = true;
    }
    if (this.#outstanding.length === 0) {
      this.#congestion.drained();
      this.#urgentPacket = false;
    }
    if (!cumulativeOnly) {
      this.#peerWindow = Math.max(0, sack.advertisedWindow - this.#outstanding.flightBytes);
    }
    if (!effect.advanced) return effect.lossFound ? 'loss-found' : 'unchanged';
    return this.#outstanding.length === 0 ? 'drained' : 'advanced';
  }

  /** The retransmission timer ran out (RFC 9260 §6.3.3). */
  handleTimeout(): void {
    const given = this.#outstanding.flightBytes;
    this.#outstanding.markAllLost();
    this.#peerWindow += given;
    this.#congestion.timedOut();
    this.#rto.backOff();
    this.#urgentPacket = this.#outstanding.hasLost;
  }

  /** Whether a packet of data could leave now. */
  canSend(): boolean {
    if (this.#outstanding.hasLost) return this.#urgentPacket || this.#windowOpen();
    const next = this.#queue.at(0);
    if (!next || !this.#windowOpen()) return false;
    return this.#peerAllows(Math.min(next.bytes.length - this.#offset, MIN_FRAGMENT_BYTES));
  }

  /** Puts as much data into the packet as it holds and the windows allow. Whether there was any. */
  fill(now: NowMs, packet: PacketWriter): boolean {
    this.#ageWindow(now);
    let wrote = false;
    for (let lost = this.#outstanding.firstLost(); lost; lost = this.#outstanding.firstLost()) {
      if (lost.payload.length > packet.remaining - DATA_HEADER_BYTES) break;
      if (!this.#urgentPacket && !this.#windowOpen()) break;
      writeData(packet, lost.flags, lost.tsn, lost.streamId, lost.ssn, lost.ppid, lost.payload);
      this.#outstanding.resend(lost, now);
      this.#peerWindow = Math.max(0, this.#peerWindow - lost.payload.length);
      this.#stats.retransmittedChunks++;
      wrote = true;
    }
    if (wrote || !this.#outstanding.hasLost) this.#urgentPacket = false;
    if (!this.#outstanding.hasLost) wrote = this.#fillNew(now, packet) || wrote;
    if (wrote) this.#lastSentAt = now;
    return wrote;
  }

  #fillNew(now: NowMs, packet: PacketWriter): boolean {
    let wrote = false;
    for (let message = this.#queue.at(0); message; message = this.#queue.at(0)) {
      const left = message.bytes.length - this.#offset;
      const room = packet.remaining - DATA_HEADER_BYTES;
      const size = Math.min(left, room);
      if (size < Math.min(left, MIN_FRAGMENT_BYTES)) break;
      if (!this.#windowOpen() || !this.#peerAllows(size)) break;
      this.#sendFragment(now, packet, message, size);
      wrote = true;
    }
    return wrote;
  }

  #sendFragment(now: NowMs, packet: PacketWriter, message: OutgoingMessage, size: number): void {
    const { streamId, ppid, bytes } = message;
    const payload = bytes.subarray(this.#offset, this.#offset + size);
    const ends = this.#offset + size === bytes.length;
    const tsn = this.#outstanding.nextTsn;
    const ssn = this.#nextSsn.get(streamId) ?? 0;
    let flags = (this.#offset === 0 ? DataFlag.begin : 0) | (ends ? DataFlag.end : 0);
    // With nothing behind it, a delayed acknowledgement would only hold up the round-trip estimate and make the
    // short retransmission timeout fire for nothing (RFC 7053 §4).
    if (ends && this.#queue.length === 1) flags |= DataFlag.immediate;
    writeData(packet, flags, tsn, streamId, ssn, ppid, payload);
    this.#outstanding.add({
      tsn,
      streamId,
      ssn,
      ppid,
      flags: flags | DataFlag.immediate,
      payload,
      sentAt: now,
      state: 'in-flight',
      missingReports: 0,
      retransmitted: false,
      fastRetransmitted: false,
    } satisfies OutstandingChunk);
    this.#queuedBytes -= size;
    this.#peerWindow = Math.max(0, this.#peerWindow - size);
    this.#offset += size;
    if (!ends) return;
    this.#offset = 0;
    this.#queue.shift();
    this.#unfinished.push(tsn);
    this.#nextSsn.set(streamId, seqAdd16(ssn, 1));
    const queued = this.#queuedPerStream.get(streamId)! - 1;
    if (queued === 0) this.#queuedPerStream.delete(streamId);
    else this.#queuedPerStream.set(streamId, queued);
  }

  /** RFC 9260 §6.1 B: more may leave while less than the window is in flight. */
  #windowOpen(): boolean {
    return this.#outstanding.flightBytes < this.#congestion.window;
  }

  /** RFC 9260 §6.1 A: within the peer's window, or one chunk as a probe when nothing is in flight. */
  #peerAllows(size: number): boolean {
    return (
      size <= this.#peerWindow || (this.#outstanding.length === 0 && this.#outstanding.flightBytes === 0)
    );
  }

  #ageWindow(now: NowMs): void {
    if (this.#lastSentAt === undefined || this.#outstanding.length > 0) return;
    const timeouts = Math.floor((now - this.#lastSentAt) / this.#rto.rtoMs);
    if (timeouts > 0) this.#congestion.idled(timeouts);
  }
}
