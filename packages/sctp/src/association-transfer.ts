import type { NowMs } from '@conclave/bytes';
import type { AssociationCore } from './association-core.ts';
import { ChunkType } from './chunk-type.ts';
import { parseData } from './data-chunk.ts';
import type { SackOutcome } from './data-sender.ts';
import { ErrorCause } from './error-cause.ts';
import { parseForwardTsn } from './forward-tsn-chunk.ts';
import { parseReconfig } from './reconfig-chunk.ts';
import { parseSack } from './sack-chunk.ts';
import type { Chunk } from './sctp-packet.ts';
import { isOpening, mayReceiveData, maySendData } from './sctp-state.ts';
import { encodeParameter } from './tlv-parameter.ts';

/** DATA (RFC 9260 §6.2). */
export function handleData(core: AssociationCore, chunk: Chunk): void {
  const { receiver } = core;
  if (!receiver || !mayReceiveData(core.state)) {
    core.drop('wrong-state');
    return;
  }
  if (chunk.value.length === 12) {
    const tsn = chunk.value.subarray(0, 4);
    core.abort(encodeParameter(ErrorCause.noUserData, tsn), 'the peer sent DATA without data');
    return;
  }
  const data = parseData(chunk);
  core.repeatShutdown = true;
  switch (receiver.handleData(data)) {
    case 'received':
      takeMessages(core);
      return;
    case 'ignored':
      return;
    case 'bad-stream': {
      const value = Uint8Array.of(data.streamId >>> 8, data.streamId & 255, 0, 0);
      core.report(encodeParameter(ErrorCause.invalidStream, value));
      return;
    }
    case 'message-too-large':
      core.violated('message too large');
      return;
    case 'too-many-streams':
      core.violated('too many streams');
      return;
    case 'no-memory':
      core.abort(
        encodeParameter(ErrorCause.outOfResource, new Uint8Array(0)),
        'the receive buffer is exhausted',
      );
      return;
  }
}

/** FORWARD TSN (RFC 3758 §3.6). */
export function handleForwardTsn(core: AssociationCore, chunk: Chunk): void {
  const { receiver } = core;
  if (!receiver || !mayReceiveData(core.state)) {
    core.drop('wrong-state');
    return;
  }
  if (receiver.handleForwardTsn(parseForwardTsn(chunk.value))) takeMessages(core);
  else core.violated('too many streams');
}

function takeMessages(core: AssociationCore): void {
  const { receiver, channels } = core;
  for (let message = receiver?.takeMessage(); message; message = receiver?.takeMessage()) {
    const result = channels.handleMessage(message);
    if (result !== 'kept') receiver?.release(message.cost);
    if (result === 'too-many') {
      core.violated('too many data channels');
      return;
    }
  }
}

/** SACK (RFC 9260 §6.2.1). */
export function handleSack(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  if (isOpening(core.state)) core.drop('wrong-state');
  else settleSack(core, now, core.sender.handleSack(now, parseSack(chunk.value)));
}

/** What an acknowledgement means for the retransmission timer and the error count (RFC 9260 §6.3.2, §8.1). */
export function settleSack(core: AssociationCore, now: NowMs, outcome: SackOutcome): void {
  switch (outcome) {
    case 'impossible':
      core.drop('bad-sack');
      return;
    case 'old':
      return;
    case 'drained':
      core.noteAlive();
      core.timers.stop('retransmission');
      return;
    case 'advanced':
      core.noteAlive();
      core.timers.start('retransmission', now + core.rto.rtoMs);
      return;
    case 'loss-found':
      core.timers.start('retransmission', now + core.rto.rtoMs);
      return;
    case 'unchanged':
      // A peer that says it has no room is alive (RFC 9260 §6.1 A).
      if (core.sender.windowClosed) core.noteAlive();
      return;
  }
}

/** RE-CONFIG (RFC 6525 §5.2). */
export function handleReconfig(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  const { resets, receiver, channels } = core;
  if (!resets || !receiver || isOpening(core.state)) {
    core.drop('wrong-state');
    return;
  }
  const { effects, reply } = resets.handle(parseReconfig(chunk.value), receiver);
  for (const effect of effects) {
    if (effect.type === 'peer-reset') {
      receiver.resetStreams(effect.streamIds);
      channels.handlePeerReset(effect.streamIds);
    } else {
      channels.handleOwnReset(effect.streamIds);
    }
  }
  if (!resets.pending) core.timers.stop('reconfig');
  if (resets.takeAnswered()) {
    core.noteAlive();
    if (core.resetSentAt !== undefined) core.rto.measure(now - core.resetSentAt);
    core.resetSentAt = undefined;
  }
  if (reply) core.sendChunk(ChunkType.reconfig, reply);
}

/** Sends the unanswered reset request again. */
export function repeatResetRequest(core: AssociationCore, now: NowMs): void {
  const request = core.resets?.repeatRequest();
  if (!request || !core.countFailure()) return;
  core.rto.backOff();
  core.resetSentAt = undefined;
  core.sendChunk(ChunkType.reconfig, request);
  core.timers.start('reconfig', now + core.rto.rtoMs);
}

/** Sends what the state and the windows allow: acknowledgements, data, reset requests. */
export function transmit(core: AssociationCore, now: NowMs): void {
  const { receiver, sender, outbox, timers, limits } = core;
  if (!receiver) return;
  const mayData = maySendData(core.state);
  let burst = 0;
  while (!outbox.isFull) {
    const withData = mayData && burst < limits.maxBurstPackets && sender.canSend();
    if (!withData && receiver.sackUrgency !== 'now') break;
    const packet = outbox.create(core.handshake.peerTag);
    if (receiver.sackUrgency !== 'none') receiver.writeSack(packet);
    if (withData && sender.fill(now, packet)) burst++;
    if (packet.empty) break;
    outbox.push(packet);
  }
  if (receiver.sackUrgency === 'none') timers.stop('delayed-ack');
  else timers.startIfStopped('delayed-ack', now + core.timings.delayedAckMs);
  if (sender.hasOutstanding) timers.startIfStopped('retransmission', now + core.rto.rtoMs);
  if (mayData) sendResetRequest(core, now);
}

/** Sends an acknowledgement that is due, when there is no time to be had: the window has opened by polling. */
export function transmitSack(core: AssociationCore): void {
  const { receiver, outbox } = core;
  if (receiver?.sackUrgency !== 'now') return;
  const packet = outbox.create(core.handshake.peerTag);
  receiver.writeSack(packet);
  outbox.push(packet);
}

function sendResetRequest(core: AssociationCore, now: NowMs): void {
  const { sender } = core;
  const request = core.resets?.nextRequest(sender.lastTsn, (streamId) => !sender.hasQueued(streamId));
  if (!request) return;
  core.resetSentAt = now;
  core.sendChunk(ChunkType.reconfig, request);
  core.timers.start('reconfig', now + core.rto.rtoMs);
}
