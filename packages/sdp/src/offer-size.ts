import { buildOffer, MAX_SLOT_ID_LENGTH, type OfferOptions, type Slot } from './offer.ts';

/**
 * Longest offer in bytes that every client in use reads: older ones keep it in a buffer of 16,384 bytes, and the
 * message around the text needs a little. A lower value costs video slots; a higher one loses older clients.
 */
export const MAX_OFFER_LENGTH = 16_000;

/** Most video slots any request may have. */
export const MAX_VIDEO_SLOTS = 32;

/**
 * How many of the wanted video slots fit into an offer of at most `maxLength` bytes, with the longest mids, ids and
 * SSRCs that they can have. 0 when not even the rest fits.
 */
export function maxVideoSlots(
  options: Omit<OfferOptions, 'videoSlots'>,
  wanted: number,
  maxLength: number = MAX_OFFER_LENGTH,
): number {
  const slot: Slot = {
    mid: '99',
    ssrc: 0xffffffff,
    rtxSsrc: 0xffffffff,
    id: 'x'.repeat(MAX_SLOT_ID_LENGTH),
  };
  // The text is ASCII throughout, so characters are bytes.
  const base = buildOffer({ ...options, videoSlots: [] }).length;
  const perSlot = buildOffer({ ...options, videoSlots: [slot] }).length - base;
  const room = Math.floor((maxLength - base) / perSlot);
  return Math.max(0, Math.min(room, Math.floor(wanted), MAX_VIDEO_SLOTS));
}
