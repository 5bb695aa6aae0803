import { type NowMs, type RandomBytes, randomUint32 } from '@conclave/bytes';
import type { InitChunk } from './init-chunk.ts';

/** Length of a cookie: too many possibilities to guess. */
const COOKIE_BYTES = 16;

/** The tags of the association that an INIT found in place (RFC 9260 §5.2.2). */
export interface TieTags {
  readonly ownTag: number;
  readonly peerTag: number;
}

/**
 * What an INIT ACK of ours promised. RFC 9260 §5.1.3 packs this, authenticated, into the cookie, so that a server
 * keeps nothing for strangers. Beneath us DTLS has already let in exactly one peer, so the offer is kept and the
 * cookie is a random name for it; only the latest offer stands, which bounds what INITs can cost.
 */
export interface HandshakeOffer {
  readonly cookie: Uint8Array;
  readonly ownTag: number;
  readonly peerTag: number;
  readonly initialTsn: number;
  readonly peer: InitChunk;
  /** Set when an association was in place. */
  readonly ties: TieTags | undefined;
  /** After this the cookie is stale. */
  readonly expiresAt: NowMs;
}

/** An offer in answer to the peer's INIT. */
export function createOffer(
  random: RandomBytes,
  own: { readonly tag: number; readonly initialTsn: number },
  peer: InitChunk,
  ties: TieTags | undefined,
  expiresAt: NowMs,
): HandshakeOffer {
  return {
    cookie: random(COOKIE_BYTES).slice(),
    ownTag: own.tag,
    peerTag: peer.initiateTag,
    initialTsn: own.initialTsn,
    peer,
    ties,
    expiresAt,
  };
}

/** Whether the INIT is a repeat of the one the offer answered, in the same circumstances. */
export function answersSameInit(offer: HandshakeOffer, peer: InitChunk, ties: TieTags | undefined): boolean {
  return (
    offer.peerTag === peer.initiateTag &&
    offer.peer.initialTsn === peer.initialTsn &&
    offer.ties?.ownTag === ties?.ownTag &&
    offer.ties?.peerTag === ties?.peerTag
  );
}

/** A random verification tag, never zero (RFC 9260 §5.3.1). */
export function createTag(random: RandomBytes): number {
  return randomUint32(random) || 1;
}
