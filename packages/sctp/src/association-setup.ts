import type { NowMs } from '@conclave/bytes';
import type { AssociationCore } from './association-core.ts';
import { startShutdown } from './association-shutdown.ts';
import { ChunkType } from './chunk-type.ts';
import { DataReceiver } from './data-receiver.ts';
import { ErrorCause } from './error-cause.ts';
import { parseInit } from './init-chunk.ts';
import type { Chunk } from './sctp-packet.ts';
import { StreamReset } from './stream-reset.ts';
import { encodeParameter, parseParameters } from './tlv-parameter.ts';

const NOTHING = new Uint8Array(0);

/** Sends INIT or COOKIE ECHO, as the state demands, and waits for the answer (RFC 9260 §5.1). */
export function sendHandshake(core: AssociationCore, now: NowMs): void {
  core.handshakeSentAt = now;
  core.timers.start('handshake', now + core.rto.rtoMs);
  if (core.state === 'cookie-wait') {
    core.outbox.pushChunk(0, ChunkType.init, 0, core.handshake.encodeOwnInit());
  } else {
    core.sendChunk(ChunkType.cookieEcho, core.handshake.peer!.cookie);
  }
}

/** Sends INIT or COOKIE ECHO again, unless that was in vain too often. */
export function retryHandshake(core: AssociationCore, now: NowMs): void {
  core.handshakeRetries++;
  if (core.handshakeRetries > core.timings.maxInitRetransmissions) {
    core.end('the peer does not answer the handshake');
    return;
  }
  core.rto.backOff();
  sendHandshake(core, now);
}

/** INIT: answered in every state without changing it (RFC 9260 §5.1, §5.2.1, §5.2.2, §9.2). */
export function handleInit(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  const { init, fault } = parseInit(chunk.value);
  if (fault === 'zero-tag') {
    core.drop('bad-init');
  } else if (fault !== undefined || core.state === 'ended') {
    core.drop('bad-init');
    const code = fault === 'host-name' ? ErrorCause.unresolvableAddress : ErrorCause.invalidParameter;
    const cause = fault === undefined ? NOTHING : encodeParameter(code, NOTHING);
    core.outbox.pushChunk(init.initiateTag, ChunkType.abort, 0, cause);
  } else if (core.state === 'shutdown-ack-sent') {
    core.sendChunk(ChunkType.shutdownAck);
  } else {
    const answer = core.handshake.answerInit(now, init, core.state);
    core.outbox.pushChunk(init.initiateTag, ChunkType.initAck, 0, answer);
  }
}

/** INIT ACK: its cookie is echoed (RFC 9260 §5.1 C). */
export function handleInitAck(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  if (core.state !== 'cookie-wait') {
    core.drop('wrong-state');
    return;
  }
  const { init, fault } = parseInit(chunk.value);
  core.handshake.handleInitAck(init);
  if (fault !== undefined) {
    core.drop('bad-init');
    const cause = encodeParameter(ErrorCause.invalidParameter, NOTHING);
    core.abort(cause, `the peer's INIT ACK has a fault: ${fault}`);
    return;
  }
  if (!init.cookie) {
    core.drop('bad-init');
    // One missing parameter, of type 7 (RFC 9260 §3.3.10.2).
    const missing = Uint8Array.of(0, 0, 0, 1, 0, 7);
    core.abort(encodeParameter(ErrorCause.missingParameter, missing), "the peer's INIT ACK has no cookie");
    return;
  }
  if (core.handshakeRetries === 0) core.rto.measure(now - core.handshakeSentAt);
  core.handshakeRetries = 0;
  core.state = 'cookie-echoed';
  sendHandshake(core, now);
  if (init.unrecognized.length > 0) {
    const padded = init.unrecognized.flatMap((whole) => [...whole, ...new Uint8Array(-whole.length & 3)]);
    core.report(encodeParameter(ErrorCause.unrecognizedParameters, Uint8Array.from(padded)));
  }
}

/** COOKIE ECHO (RFC 9260 §5.1.5, §5.2.4). Whether the rest of the packet belongs to the association. */
export function handleCookieEcho(core: AssociationCore, now: NowMs, tag: number, chunk: Chunk): boolean {
  const verdict = core.handshake.judgeCookie(now, tag, chunk.value, core.state);
  switch (verdict.type) {
    case 'wrong-tag':
      core.drop('wrong-tag');
      return false;
    case 'foreign':
      core.drop('bad-cookie');
      return false;
    case 'stale': {
      core.drop('bad-cookie');
      const staleness = new Uint8Array(4);
      new DataView(staleness.buffer).setUint32(0, Math.min(verdict.lateMs * 1000, 0xffff_ffff));
      const cause = encodeParameter(ErrorCause.staleCookie, staleness);
      core.outbox.pushChunk(verdict.peerTag, ChunkType.error, 0, cause);
      return false;
    }
    case 'repeat':
      break;
    case 'establish':
      core.handshake.adopt(verdict.offer);
      establish(core, now);
      break;
    case 'restart':
      if (core.state === 'shutdown-ack-sent') {
        core.sendChunk(ChunkType.shutdownAck);
        core.report(encodeParameter(ErrorCause.cookieWhileShuttingDown, NOTHING));
        return false;
      }
      core.handshake.adopt(verdict.offer);
      restart(core, now);
      break;
  }
  core.sendChunk(ChunkType.cookieAck);
  return true;
}

/** COOKIE ACK: the association is up (RFC 9260 §5.1 E). */
export function handleCookieAck(core: AssociationCore, now: NowMs): void {
  if (core.state === 'cookie-echoed') establish(core, now);
}

/** ERROR: the only one that matters says that our cookie was stale; begin again for a fresh one (§5.2.6). */
export function handleError(core: AssociationCore, now: NowMs, chunk: Chunk): void {
  const isStale = parseParameters(chunk.value).some((cause) => cause.type === ErrorCause.staleCookie);
  if (!isStale || core.state !== 'cookie-echoed') return;
  core.state = 'cookie-wait';
  retryHandshake(core, now);
}

function establish(core: AssociationCore, now: NowMs): void {
  const peer = core.handshake.peer!;
  const resets = new StreamReset(core.handshake.initialTsn, peer.initialTsn);
  core.receiver = new DataReceiver(peer.initialTsn, peer.outboundStreams, core.limits, core.stats);
  core.resets = resets;
  core.state = 'established';
  core.noteAlive();
  core.timers.stop('handshake');
  core.timers.start('heartbeat', now + core.timings.heartbeatIntervalMs + core.rto.rtoMs);
  core.sender.start(peer.advertisedWindow);
  core.emit({ type: 'connected' }, 0);
  core.channels.start(resets, peer.inboundStreams, peer.reconfig);
  if (core.closeRequested) startShutdown(core, now);
}

/** The peer lost its state and came back (RFC 9260 §5.2.4 action A): nothing of before can be kept. */
function restart(core: AssociationCore, now: NowMs): void {
  core.timers.stopAll();
  core.resetSentAt = undefined;
  core.sender = core.createSender();
  core.channels.restart(core.sender);
  establish(core, now);
}
