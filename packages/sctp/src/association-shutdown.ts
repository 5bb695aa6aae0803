import { FormatError, type NowMs } from '@conclave/bytes';
import type { AssociationCore } from './association-core.ts';
import { settleSack } from './association-transfer.ts';
import { ChunkType, TAG_REFLECTED_FLAG } from './chunk-type.ts';
import type { Chunk } from './sctp-packet.ts';
import { isOpening } from './sctp-state.ts';

/** No new messages from now on; once all are acknowledged, SHUTDOWN goes out (RFC 9260 §9.2). */
export function startShutdown(core: AssociationCore, now: NowMs): void {
  core.state = 'shutdown-pending';
  core.timers.start('shutdown-guard', now + core.timings.shutdownTimeoutMs);
}

/** Goes on with a shutdown once everything has been sent and acknowledged. */
export function advanceShutdown(core: AssociationCore, now: NowMs): void {
  if (!core.sender.drained) return;
  if (core.state === 'shutdown-pending') core.state = 'shutdown-sent';
  else if (core.state === 'shutdown-received') core.state = 'shutdown-ack-sent';
  else return;
  sendShutdown(core, now);
}

/** Sends SHUTDOWN or SHUTDOWN ACK, as the state demands, and waits for the answer. */
export function sendShutdown(core: AssociationCore, now: NowMs): void {
  core.timers.start('shutdown', now + core.rto.rtoMs);
  if (core.state === 'shutdown-ack-sent') {
    core.sendChunk(ChunkType.shutdownAck);
    return;
  }
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, core.receiver!.cumulativeTsn);
  core.sendChunk(ChunkType.shutdown, value);
}

/** SHUTDOWN: the peer has nothing to send any more (RFC 9260 §9.2). */
export function handleShutdown(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  if (isOpening(core.state) || core.state === 'shutdown-ack-sent') {
    core.drop('wrong-state');
    return;
  }
  if (chunk.value.length < 4) throw new FormatError('truncated', 'a SHUTDOWN without TSN');
  const { buffer, byteOffset } = chunk.value;
  const cumulativeTsn = new DataView(buffer, byteOffset, 4).getUint32(0);
  settleSack(core, now, core.sender.handleCumulativeTsn(now, cumulativeTsn));
  if (core.state === 'shutdown-sent') {
    core.state = 'shutdown-ack-sent';
    sendShutdown(core, now);
  } else if (core.state !== 'shutdown-received') {
    core.state = 'shutdown-received';
    core.timers.start('shutdown-guard', now + core.timings.shutdownTimeoutMs);
  }
}

/** SHUTDOWN ACK: both sides are done. */
export function handleShutdownAck(core: AssociationCore): void {
  if (core.state !== 'shutdown-sent' && core.state !== 'shutdown-ack-sent') {
    core.drop('wrong-state');
    return;
  }
  core.sendChunk(ChunkType.shutdownComplete);
  core.end('shut down');
}

/** SHUTDOWN COMPLETE: the peer has heard our SHUTDOWN ACK. */
export function handleShutdownComplete(core: AssociationCore): void {
  if (core.state === 'shutdown-ack-sent') core.end('shut down');
  else core.drop('wrong-state');
}

/** A packet with this tag and first chunk belongs to no association that is (RFC 9260 §8.4). */
export function answerOutOfTheBlue(core: AssociationCore, tag: number, first: Chunk): void {
  switch (first.type) {
    case ChunkType.abort:
    case ChunkType.shutdownComplete:
    case ChunkType.error:
    case ChunkType.cookieAck:
      return;
    case ChunkType.shutdownAck:
      core.outbox.pushChunk(tag, ChunkType.shutdownComplete, TAG_REFLECTED_FLAG);
      return;
    default:
      core.outbox.pushChunk(tag, ChunkType.abort, TAG_REFLECTED_FLAG);
  }
}
