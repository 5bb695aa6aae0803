import type { NowMs, RandomBytes } from '@conclave/bytes';
import { ChunkType } from './chunk-type.ts';
import { DataChannels } from './data-channels.ts';
import type { DataReceiver } from './data-receiver.ts';
import { DataSender } from './data-sender.ts';
import { ErrorCause, textCause } from './error-cause.ts';
import { Fifo } from './fifo.ts';
import { PIECE_OVERHEAD_BYTES } from './fragment-runs.ts';
import { Handshake } from './handshake.ts';
import { PacketOutbox } from './packet-outbox.ts';
import { RetransmissionTimeout } from './retransmission-timeout.ts';
import type { SctpEvent } from './sctp-event.ts';
import {
  defaultSctpLimits,
  defaultSctpTimings,
  type SctpLimits,
  type SctpOptions,
  type SctpTimings,
} from './sctp-options.ts';
import type { SctpState } from './sctp-state.ts';
import { createSctpStats, type SctpDropReason, type SctpStats } from './sctp-stats.ts';
import type { StreamReset } from './stream-reset.ts';
import { TimerSet } from './timer-set.ts';

/** The timers of an association: T1, T3, delayed acknowledgement, heartbeat, RFC 6525's, T2 and T5. */
export type TimerName =
  | 'handshake'
  | 'retransmission'
  | 'delayed-ack'
  | 'heartbeat'
  | 'reconfig'
  | 'shutdown'
  | 'shutdown-guard';

interface QueuedEvent {
  readonly event: SctpEvent;
  /** What it counts against the receive window of `receiver` until it is polled. */
  readonly cost: number;
  readonly receiver: DataReceiver | undefined;
}

/**
 * The parts of one association and what all that happens to it has in common: events, refusals, and its end. The
 * procedures that work on it stand in files of their own: coming up, carrying data, going down.
 */
export class AssociationCore {
  readonly stats: SctpStats = createSctpStats();
  readonly random: RandomBytes;
  readonly limits: SctpLimits;
  readonly timings: SctpTimings;
  readonly timers: TimerSet<TimerName> = new TimerSet();
  readonly rto: RetransmissionTimeout;
  readonly handshake: Handshake;
  readonly channels: DataChannels;
  readonly outbox: PacketOutbox;
  state: SctpState = 'idle';
  sender: DataSender;
  /** From the moment the association is up. */
  receiver: DataReceiver | undefined;
  /** From the moment the association is up. */
  resets: StreamReset | undefined;
  /** The owner wants it to end once everything is delivered. */
  closeRequested = false;
  /** INITs or COOKIE ECHOs sent again in a row. */
  handshakeRetries = 0;
  handshakeSentAt: NowMs = 0;
  /** When the unanswered reset request was sent, if only once: its answer gives a round-trip time. */
  resetSentAt: NowMs | undefined;
  /** DATA came although we have sent SHUTDOWN, which is to be repeated (RFC 9260 §9.2). */
  repeatShutdown = false;
  /** Timeouts in a row without a sign of life (RFC 9260 §8.1). */
  #failures = 0;
  #reportedInPacket = false;
  readonly #events = new Fifo<QueuedEvent>();

  constructor(options: SctpOptions) {
    const limits = { ...defaultSctpLimits, ...options };
    if (!(limits.mtu >= 512 && limits.mtu <= 65_535)) throw new RangeError(`MTU of ${limits.mtu} bytes`);
    this.limits = { ...limits, mtu: limits.mtu & ~3 };
    this.timings = { ...defaultSctpTimings, ...options.timings };
    this.random = options.random;
    this.rto = new RetransmissionTimeout(this.timings);
    this.handshake = new Handshake(options.random, this.limits, this.timings);
    const { localPort = 5000, remotePort = 5000 } = options;
    this.outbox = new PacketOutbox(localPort, remotePort, this.limits.mtu, this.stats);
    this.sender = this.createSender();
    this.channels = new DataChannels(options.role, this.limits, this.stats, this.sender, (event, cost) =>
      this.emit(event, cost),
    );
  }

  /** A sending half that begins with the TSN of our handshake. */
  createSender(): DataSender {
    return new DataSender(this.handshake.initialTsn, this.limits, this.rto, this.stats);
  }

  /** Queues an event. The cost of a message is counted already; that of another begins here. */
  emit(event: SctpEvent, cost: number): void {
    let total = cost;
    if (event.type === 'channel-open' || event.type === 'channel-closed') {
      total += PIECE_OVERHEAD_BYTES;
      this.receiver?.retain(total);
    }
    this.#events.push({ event, cost: total, receiver: this.receiver });
  }

  /** The next event, whose cost is given back. */
  pollEvent(): SctpEvent | undefined {
    const queued = this.#events.shift();
    if (queued && queued.cost > 0) queued.receiver?.release(queued.cost);
    return queued?.event;
  }

  /** Counts something received that is not processed. */
  drop(reason: SctpDropReason): void {
    this.stats.dropped[reason]++;
  }

  /** A packet to be worked through begins. */
  beginPacket(): void {
    this.#reportedInPacket = false;
    this.repeatShutdown = false;
  }

  /** Queues a packet for the peer with one chunk. */
  sendChunk(type: number, value?: Uint8Array): void {
    this.outbox.pushChunk(this.handshake.peerTag, type, 0, value);
  }

  /** Sends an ERROR, one for each packet received at most. */
  report(cause: Uint8Array): void {
    if (this.#reportedInPacket || this.handshake.peerTag === 0) return;
    this.#reportedInPacket = true;
    this.sendChunk(ChunkType.error, cause);
  }

  /** The peer is there. */
  noteAlive(): void {
    this.#failures = 0;
  }

  /** One more timeout. False when that was one too many and the association has ended (RFC 9260 §8.1). */
  countFailure(): boolean {
    this.#failures++;
    if (this.#failures <= this.timings.maxRetransmissions) return true;
    this.abort(textCause(ErrorCause.userAbort, 'no answer'), 'the peer does not answer');
    return false;
  }

  /** The peer did what no honest one does. */
  violated(reason: string): void {
    this.abort(textCause(ErrorCause.protocolViolation, reason), `the peer went too far: ${reason}`);
  }

  /** Tells the peer, if it is known, that the association ends, and ends it (RFC 9260 §9.1). */
  abort(cause: Uint8Array, reason: string): void {
    if (this.state === 'ended') return;
    if (this.handshake.peerTag !== 0) this.sendChunk(ChunkType.abort, cause);
    this.end(reason);
  }

  /** Ends the association: nothing runs any more, and its last event is queued. */
  end(reason: string): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.timers.stopAll();
    this.emit({ type: 'closed', reason }, 0);
  }
}
