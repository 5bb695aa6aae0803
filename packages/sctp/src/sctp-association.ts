import { equalBytes, FormatError, type NowMs } from '@conclave/bytes';
import { AssociationCore, type TimerName } from './association-core.ts';
import {
  handleCookieAck,
  handleCookieEcho,
  handleError,
  handleInit,
  handleInitAck,
  retryHandshake,
  sendHandshake,
} from './association-setup.ts';
import {
  advanceShutdown,
  answerOutOfTheBlue,
  handleShutdown,
  handleShutdownAck,
  handleShutdownComplete,
  sendShutdown,
  startShutdown,
} from './association-shutdown.ts';
import {
  handleData,
  handleForwardTsn,
  handleReconfig,
  handleSack,
  repeatResetRequest,
  transmit,
  transmitSack,
} from './association-transfer.ts';
import { ChunkType, TAG_REFLECTED_FLAG, unknownTypeAction } from './chunk-type.ts';
import type { OpenChannelOptions } from './data-channels.ts';
import { Ppid } from './dcep-message.ts';
import { describeAbort, ErrorCause, textCause } from './error-cause.ts';
import { encodeText } from './message-text.ts';
import type { SctpEvent } from './sctp-event.ts';
import type { SctpOptions } from './sctp-options.ts';
import { type Chunk, parsePacket, type SctpPacket } from './sctp-packet.ts';
import { isOpening, type SctpState } from './sctp-state.ts';
import type { SctpStats } from './sctp-stats.ts';
import { encodeParameter } from './tlv-parameter.ts';

/** Length of what a heartbeat of ours carries, not to be made up by chance. */
const HEARTBEAT_INFO_BYTES = 12;

/** The only parameter of HEARTBEAT (RFC 9260 §3.3.5). */
const HEARTBEAT_INFO_TYPE = 1;

/**
 * One association with its data channels. Every method takes the current time, which must never go back; those
 * without one leave their packets to the next {@link SctpAssociation.handleTimeout}, which
 * {@link SctpAssociation.pollTimeout} then asks for at once. After each input, drain events and packets.
 */
export class SctpAssociation {
  readonly #core: AssociationCore;
  readonly #localPort: number;
  readonly #remotePort: number;
  /** How often each type but DATA has come up in the packet at hand. */
  readonly #chunkCounts = new Map<number, number>();
  #heartbeat: { readonly value: Uint8Array; readonly sentAt: NowMs } | undefined;
  #lastNow: NowMs = 0;
  /** A method without a time has left something to send. */
  #untimedWork = false;

  /** Throws {@link RangeError} for an MTU outside 512..65535; it is rounded down to a multiple of four. */
  constructor(options: SctpOptions) {
    this.#core = new AssociationCore(options);
    this.#localPort = options.localPort ?? 5000;
    this.#remotePort = options.remotePort ?? 5000;
  }

  /** Where it is in its life (RFC 9260 §4). */
  get state(): SctpState {
    return this.#core.state;
  }

  /** Counters, kept up to date. */
  get stats(): Readonly<SctpStats> {
    return this.#core.stats;
  }

  /** Bytes of messages given to {@link SctpAssociation.send} that the peer has not acknowledged. */
  get bufferedBytes(): number {
    return this.#core.state === 'ended' ? 0 : this.#core.sender.bufferedBytes;
  }

  /** Bytes held for the peer: fragments, messages waiting for their turn, events not polled; bookkeeping included. */
  get heldBytes(): number {
    return this.#core.receiver?.heldBytes ?? 0;
  }

  /** Smoothed round-trip time; `undefined` before it was measured. */
  get roundTripMs(): number | undefined {
    return this.#core.rto.smoothedMs;
  }

  /** Sends an INIT. Both sides may. Does nothing when the association is under way or has ended. */
  connect(now: NowMs): void {
    this.#lastNow = now;
    if (this.#core.state !== 'idle') return;
    this.#core.state = 'cookie-wait';
    sendHandshake(this.#core, now);
  }

  /**
   * Opens a reliable, ordered channel; usable at once, and before the association is up. Returns its stream id. Throws
   * {@link RangeError} when there are too many or a name is too long, `Error` when the association has ended.
   */
  openChannel(options: OpenChannelOptions): number {
    if (this.#core.state === 'ended') throw new Error('the association has ended');
    const streamId = this.#core.channels.open(options);
    this.#noteUntimedWork();
    return streamId;
  }

  /** Closes a channel when all that is queued on it has been sent. Does nothing for an unknown one. */
  closeChannel(streamId: number): void {
    if (this.#core.state === 'ended') return;
    this.#core.channels.close(streamId);
    this.#noteUntimedWork();
  }

  /**
   * Queues a message: text for a string, else binary. Keeps the bytes, which must not change until acknowledged.
   * False, and nothing queued, when the send buffer would overflow, the message is larger than the peer takes, or
   * there is no such channel.
   */
  send(now: NowMs, streamId: number, data: string | Uint8Array): boolean {
    // UTF-8 is never shorter than UTF-16 has units: no need to encode what is refused anyway.
    if (data.length > this.#core.limits.maxOutgoingMessageSize) return false;
    if (typeof data !== 'string') return this.#send(now, streamId, data, Ppid.binary, Ppid.emptyBinary);
    return this.sendUtf8(now, streamId, encodeText(data));
  }

  /** As {@link SctpAssociation.send} for text that is UTF-8 already, as when many peers get the same. */
  sendUtf8(now: NowMs, streamId: number, utf8: Uint8Array): boolean {
    return this.#send(now, streamId, utf8, Ppid.text, Ppid.emptyText);
  }

  /** Ends the association when all that is queued has been acknowledged (RFC 9260 §9.2). */
  close(now: NowMs): void {
    this.#lastNow = now;
    const core = this.#core;
    if (core.state === 'ended') return;
    core.closeRequested = true;
    if (isOpening(core.state)) {
      core.abort(textCause(ErrorCause.userAbort, ''), 'closed before it was up');
    } else if (core.state === 'established') {
      startShutdown(core, now);
      this.#flush(now);
    }
  }

  /** Ends the association at once and tells the peer (RFC 9260 §9.1). */
  abort(now: NowMs): void {
    this.#lastNow = now;
    this.#core.abort(textCause(ErrorCause.userAbort, ''), 'aborted');
  }

  /** Takes a packet from the peer. Never throws for its contents; keeps nothing of its memory. */
  handlePacket(now: NowMs, bytes: Uint8Array): void {
    this.#lastNow = now;
    const core = this.#core;
    core.stats.packetsReceived++;
    core.beginPacket();
    this.#chunkCounts.clear();
    try {
      this.#receive(now, parsePacket(bytes));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      core.drop('malformed');
    }
    core.receiver?.endOfPacket();
    if (core.repeatShutdown && core.state === 'shutdown-sent') sendShutdown(core, now);
    this.#flush(now);
  }

  /** Does what is due. */
  handleTimeout(now: NowMs): void {
    this.#lastNow = now;
    for (const name of this.#core.timers.takeDue(now)) {
      if (this.#core.state !== 'ended') this.#handleTimer(now, name);
    }
    this.#flush(now);
  }

  /** When to call {@link SctpAssociation.handleTimeout}; `undefined`: nothing is due ever. */
  pollTimeout(): NowMs | undefined {
    const next = this.#core.timers.next();
    return this.#untimedWork && (next === undefined || next > this.#lastNow) ? this.#lastNow : next;
  }

  /** The next packet for the peer, at most `mtu` bytes unless the peer's cookie demands more; owned by the caller. */
  pollTransmit(): Uint8Array | undefined {
    const core = this.#core;
    if (core.outbox.isEmpty && core.state !== 'ended') transmitSack(core);
    return core.outbox.shift();
  }

  /** The next event. */
  pollEvent(): SctpEvent | undefined {
    return this.#core.pollEvent();
  }

  #receive(now: NowMs, packet: SctpPacket): void {
    const core = this.#core;
    const { verificationTag, chunks } = packet;
    if (packet.destinationPort !== this.#localPort || packet.sourcePort !== this.#remotePort) {
      core.drop('wrong-port');
      return;
    }
    const first = chunks[0]!;
    checkBundling(chunks);
    if (first.type === ChunkType.init) {
      if (verificationTag === 0) handleInit(core, now, first);
      else core.drop('wrong-tag');
      return;
    }
    if (core.state === 'ended') {
      core.drop('wrong-state');
      answerOutOfTheBlue(core, verificationTag, first);
      return;
    }
    if (!this.#hasRightTag(verificationTag, first)) {
      core.drop('wrong-tag');
      return;
    }
    for (const chunk of chunks) {
      if (this.#isExcessive(chunk.type)) core.drop('excess-chunk');
      else if (!this.#handleChunk(now, verificationTag, chunk) || this.state === 'ended') return;
    }
  }

  /** RFC 9260 §8.5, §8.5.1. The tag of a COOKIE ECHO is judged together with the cookie. */
  #hasRightTag(tag: number, first: Chunk): boolean {
    const { ownTag, peerTag } = this.#core.handshake;
    switch (first.type) {
      case ChunkType.cookieEcho:
        return true;
      case ChunkType.abort:
      case ChunkType.shutdownComplete:
        if ((first.flags & TAG_REFLECTED_FLAG) !== 0) return peerTag !== 0 && tag === peerTag;
        return tag === ownTag;
      case ChunkType.shutdownAck:
        if (!isOpening(this.#core.state)) return tag === ownTag;
        // The peer is still about an association of before (§8.5.1 E).
        answerOutOfTheBlue(this.#core, tag, first);
        return false;
      default:
        return tag === ownTag;
    }
  }

  /**
   * Honest peers put most chunk types into a packet once. Each can cost work or an answer, so a packet packed with
   * them must not be worth more than a packet.
   */
  #isExcessive(type: number): boolean {
    if (type === ChunkType.data) return false;
    const count = (this.#chunkCounts.get(type) ?? 0) + 1;
    this.#chunkCounts.set(type, count);
    return count > (type === ChunkType.reconfig ? 2 : 1);
  }

  /** Whether the rest of the packet is to be processed. */
  #handleChunk(now: NowMs, tag: number, chunk: Chunk): boolean {
    const core = this.#core;
    switch (chunk.type) {
      case ChunkType.data:
        handleData(core, chunk);
        return true;
      case ChunkType.sack:
        handleSack(core, now, chunk);
        return true;
      case ChunkType.initAck:
        handleInitAck(core, now, chunk);
        return false;
      case ChunkType.cookieEcho:
        return handleCookieEcho(core, now, tag, chunk);
      case ChunkType.cookieAck:
        handleCookieAck(core, now);
        return true;
      case ChunkType.heartbeat:
        if (!core.outbox.fits(chunk.value.length)) core.drop('malformed');
        else if (core.handshake.peerTag !== 0) core.sendChunk(ChunkType.heartbeatAck, chunk.value);
        return true;
      case ChunkType.heartbeatAck:
        this.#handleHeartbeatAck(now, chunk);
        return true;
      case ChunkType.abort:
        core.end(`the peer aborted: ${describeAbort(chunk.value)}`);
        return false;
      case ChunkType.error:
        handleError(core, now, chunk);
        return true;
      case ChunkType.shutdown:
        handleShutdown(core, now, chunk);
        return true;
      case ChunkType.shutdownAck:
        handleShutdownAck(core);
        return true;
      case ChunkType.shutdownComplete:
        handleShutdownComplete(core);
        return false;
      case ChunkType.reconfig:
        handleReconfig(core, now, chunk);
        return true;
      case ChunkType.forwardTsn:
        handleForwardTsn(core, chunk);
        return true;
      default:
        return this.#handleUnknown(chunk);
    }
  }

  #handleHeartbeatAck(now: NowMs, chunk: Chunk): void {
    const heartbeat = this.#heartbeat;
    if (!heartbeat || !equalBytes(heartbeat.value, chunk.value)) return;
    this.#heartbeat = undefined;
    this.#core.noteAlive();
    this.#core.rto.measure(now - heartbeat.sentAt);
  }

  /** RFC 9260 §3.2: the two highest bits of the type say what to do. Whether to go on with the packet. */
  #handleUnknown(chunk: Chunk): boolean {
    const core = this.#core;
    core.drop('unknown-chunk');
    const action = unknownTypeAction(chunk.type >>> 6);
    const length = 4 + chunk.value.length;
    if (action.report && core.outbox.fits(4 + length)) {
      const whole = new Uint8Array(length);
      whole.set([chunk.type, chunk.flags, length >>> 8, length & 255]);
      whole.set(chunk.value, 4);
      core.report(encodeParameter(ErrorCause.unrecognizedChunk, whole));
    }
    return action.proceed;
  }

  #send(now: NowMs, streamId: number, bytes: Uint8Array, ppid: number, emptyPpid: number): boolean {
    this.#lastNow = now;
    const { state, channels, sender, limits, stats } = this.#core;
    const accepting = isOpening(state) || state === 'established';
    if (!accepting || !channels.isUsable(streamId)) return false;
    if (bytes.length > limits.maxOutgoingMessageSize || !sender.hasRoomFor(bytes.length)) return false;
    // SCTP cannot carry nothing: an empty message is one zero byte under an id of its own (RFC 8831 §6.6).
    if (bytes.length === 0) sender.enqueue(streamId, emptyPpid, new Uint8Array(1));
    else sender.enqueue(streamId, ppid, bytes);
    stats.messagesSent++;
    this.#flush(now);
    return true;
  }

  #flush(now: NowMs): void {
    const core = this.#core;
    this.#untimedWork = false;
    if (isOpening(core.state) || core.state === 'ended') return;
    transmit(core, now);
    advanceShutdown(core, now);
  }

  #handleTimer(now: NowMs, name: TimerName): void {
    const core = this.#core;
    switch (name) {
      case 'handshake':
        retryHandshake(core, now);
        return;
      case 'retransmission':
        core.stats.timeouts++;
        if (core.countFailure()) core.sender.handleTimeout();
        return;
      case 'delayed-ack':
        core.receiver?.demandSack();
        return;
      case 'heartbeat':
        this.#sendHeartbeat(now);
        return;
      case 'reconfig':
        repeatResetRequest(core, now);
        return;
      case 'shutdown':
        if (!core.countFailure()) return;
        core.rto.backOff();
        sendShutdown(core, now);
        return;
      case 'shutdown-guard':
        core.abort(textCause(ErrorCause.userAbort, 'shutdown timed out'), 'the shutdown took too long');
        return;
    }
  }

  #sendHeartbeat(now: NowMs): void {
    const core = this.#core;
    if (this.#heartbeat) {
      this.#heartbeat = undefined;
      if (!core.countFailure()) return;
    }
    // Data under way tells as much as a heartbeat would (RFC 9260 §8.3).
    if (!core.sender.hasOutstanding) {
      const value = encodeParameter(HEARTBEAT_INFO_TYPE, core.random(HEARTBEAT_INFO_BYTES));
      this.#heartbeat = { value, sentAt: now };
      core.sendChunk(ChunkType.heartbeat, value);
    }
    core.timers.start('heartbeat', now + core.timings.heartbeatIntervalMs + core.rto.rtoMs);
  }

  #noteUntimedWork(): void {
    this.#untimedWork = !isOpening(this.#core.state);
  }
}

/** INIT, INIT ACK and SHUTDOWN COMPLETE stand alone, COOKIE ECHO comes first (RFC 9260 §6.10). */
function checkBundling(chunks: readonly Chunk[]): void {
  if (chunks.length === 1) return;
  for (const [index, { type }] of chunks.entries()) {
    const standsAlone =
      type === ChunkType.init || type === ChunkType.initAck || type === ChunkType.shutdownComplete;
    if (standsAlone || (type === ChunkType.cookieEcho && index > 0)) {
      throw new FormatError('bad-bundle', `chunk type ${type} in a packet with others`);
    }
  }
}
