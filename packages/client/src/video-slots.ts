import type { StreamRequest, VideoQuality } from '@conclave/econn';
import type { ParticipantId, VideoWish } from './conference.ts';

/**
 * Lines of the low simulcast layer of a 720p camera. Taller tiles ask for the high layer. Lower costs bandwidth, higher
 * shows soft pictures.
 */
export const LOW_LAYER_LINES = 360;

/** What is asked for in one slot. */
export interface SlotWish {
  readonly id: ParticipantId;
  readonly quality: VideoQuality;
}

/**
 * Gives wishes to slots. Who has a slot keeps it, since another slot would wait for a key frame; who is new takes a free one.
 * Beyond the number of slots wishes are left out. Of two wishes for one participant the first counts.
 */
export function assignSlots(
  before: readonly (SlotWish | undefined)[],
  wishes: readonly VideoWish[],
  slots: number,
): readonly (SlotWish | undefined)[] {
  const wanted = new Map<ParticipantId, SlotWish>();
  for (const { id, heightPx } of wishes) {
    if (wanted.size === slots) break;
    if (!wanted.has(id)) wanted.set(id, { id, quality: heightPx > LOW_LAYER_LINES ? 2 : 1 });
  }
  const assigned: (SlotWish | undefined)[] = Array.from({ length: slots }, (_, slot) => {
    const kept = before[slot] === undefined ? undefined : wanted.get(before[slot].id);
    if (kept !== undefined) wanted.delete(kept.id);
    return kept;
  });
  for (const [slot, wish] of assigned.entries()) {
    if (wish !== undefined) continue;
    const next = wanted.values().next().value;
    if (next === undefined) break;
    wanted.delete(next.id);
    assigned[slot] = next;
  }
  return assigned;
}

/** The request for these slots. `nobody` holds the place of an empty slot before a used one: an id that sends us no video. */
export function streamRequests(
  slots: readonly (SlotWish | undefined)[],
  nobody: ParticipantId,
): readonly StreamRequest[] {
  const last = slots.findLastIndex((wish) => wish !== undefined);
  return slots
    .slice(0, last + 1)
    .map((wish) => ({ userId: wish?.id ?? nobody, quality: wish?.quality ?? (0 as const) }));
}
