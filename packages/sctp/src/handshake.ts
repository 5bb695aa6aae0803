import { equalBytes, type NowMs, type RandomBytes, randomUint32 } from '@conclave/bytes';
import { receiveWindow } from './data-receiver.ts';
import { encodeInit, type InitChunk } from './init-chunk.ts';
import type { SctpLimits, SctpTimings } from './sctp-options.ts';
import { isOpening, type SctpState } from './sctp-state.ts';
import { answersSameInit, createOffer, createTag, type HandshakeOffer } from './state-cookie.ts';

/** Streams announced in both directions: all there are, since WebRTC picks ids by parity and not by density. */
const STREAM_COUNT = 65_535;

/** What is to be done about a COOKIE ECHO (RFC 9260 §5.2.4). */
export type CookieVerdict =
  /** The association comes up with what the offer says (§5.1.5, actions B and D). */
  | { readonly type: 'establish'; readonly offer: HandshakeOffer }
  /** The peer has restarted (action A). */
  | { readonly type: 'restart'; readonly offer: HandshakeOffer }
  /** It brought up the association that is in place; the COOKIE ACK was lost (action D). */
  | { readonly type: 'repeat' }
  /** Too late, by so many milliseconds. */
  | { readonly type: 'stale'; readonly peerTag: number; readonly lateMs: number }
  /** Not of our making, or of no use any more (action C). */
  | { readonly type: 'foreign' }
  /** The packet does not carry the tag that the cookie stands for (§8.5.1 D). */
  | { readonly type: 'wrong-tag' };

/** Tags, initial TSNs and cookies of the two sides: everything about the handshake but the state it is in. */
export class Handshake {
  readonly #random: RandomBytes;
  readonly #limits: SctpLimits;
  readonly #timings: SctpTimings;
  #ownTag: number;
  #initialTsn: number;
  #peer: InitChunk | undefined;
  #offer: HandshakeOffer | undefined;
  #accepted: HandshakeOffer | undefined;

  constructor(random: RandomBytes, limits: SctpLimits, timings: SctpTimings) {
    this.#random = random;
    this.#limits = limits;
    this.#timings = timings;
    this.#ownTag = createTag(random);
    this.#initialTsn = randomUint32(random);
  }

  /** The verification tag that the peer's packets carry. */
  get ownTag(): number {
    return this.#ownTag;
  }

  /** Our first TSN. */
  get initialTsn(): number {
    return this.#initialTsn;
  }

  /** What the peer said in the INIT or INIT ACK that counts. */
  get peer(): InitChunk | undefined {
    return this.#peer;
  }

  /** The verification tag of packets to the peer; zero while unknown. */
  get peerTag(): number {
    return this.#peer?.initiateTag ?? 0;
  }

  /** The value of our INIT. */
  encodeOwnInit(): Uint8Array {
    return encodeInit(this.#own(this.#ownTag, this.#initialTsn, []));
  }

  /** The value of the INIT ACK for an INIT without faults (RFC 9260 §5.1, §5.2.1, §5.2.2). */
  answerInit(now: NowMs, peer: InitChunk, state: SctpState): Uint8Array {
    // While both sides open, the answer carries the tag of our own INIT, so that whichever cookie comes back first
    // leads to the same association; one that is in place gets another tag, to be told from its successor.
    const opening = isOpening(state);
    const ties = opening ? undefined : { ownTag: this.#ownTag, peerTag: this.peerTag };
    let offer = this.#offer;
    if (!offer || !answersSameInit(offer, peer, ties) || now > offer.expiresAt) {
      const own = opening
        ? { tag: this.#ownTag, initialTsn: this.#initialTsn }
        : { tag: createTag(this.#random), initialTsn: randomUint32(this.#random) };
      offer = createOffer(this.#random, own, peer, ties, now + this.#timings.cookieLifetimeMs);
      this.#offer = offer;
    }
    const init = this.#own(offer.ownTag, offer.initialTsn, peer.unrecognized);
    return encodeInit({ ...init, cookie: offer.cookie });
  }

  /** Learns the peer from its INIT ACK. */
  handleInitAck(peer: InitChunk): void {
    this.#peer = peer;
  }

  /** Judges a COOKIE ECHO in a packet with this verification tag (RFC 9260 §5.1.5, §5.2.4). */
  judgeCookie(now: NowMs, verificationTag: number, cookie: Uint8Array, state: SctpState): CookieVerdict {
    if (this.#accepted && equalBytes(cookie, this.#accepted.cookie)) {
      return { type: verificationTag === this.#ownTag ? 'repeat' : 'wrong-tag' };
    }
    const offer = this.#offer;
    if (!offer || !equalBytes(cookie, offer.cookie)) return { type: 'foreign' };
    if (verificationTag !== offer.ownTag) return { type: 'wrong-tag' };
    if (now > offer.expiresAt) {
      return { type: 'stale', peerTag: offer.peerTag, lateMs: now - offer.expiresAt };
    }
    if (isOpening(state)) return { type: 'establish', offer };
    const tied = offer.ties?.ownTag === this.#ownTag && offer.ties.peerTag === this.peerTag;
    return tied ? { type: 'restart', offer } : { type: 'foreign' };
  }

  /** What the offer says holds from now on. */
  adopt(offer: HandshakeOffer): void {
    this.#ownTag = offer.ownTag;
    this.#initialTsn = offer.initialTsn;
    this.#peer = offer.peer;
    this.#accepted = offer;
    this.#offer = undefined;
  }

  #own(tag: number, initialTsn: number, unrecognized: readonly Uint8Array[]): InitChunk {
    return {
      initiateTag: tag,
      advertisedWindow: receiveWindow(this.#limits),
      outboundStreams: STREAM_COUNT,
      inboundStreams: STREAM_COUNT,
      initialTsn,
      forwardTsn: true,
      reconfig: true,
      unrecognized,
    };
  }
}
