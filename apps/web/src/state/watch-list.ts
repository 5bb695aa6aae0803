import type { Participant, VideoWish } from '@conclave/client';
import type { Box } from './grid-layout.ts';

/** A tile on screen. */
export interface ShownTile {
  readonly participant: Participant;
  readonly box: Box;
}

/**
 * What to ask of the server for the tiles on screen: those with a picture, in their order, with the heights of their
 * pictures in pixels of the display. `pixelRatio` is the display's pixels to a CSS pixel.
 */
export function watchList(tiles: readonly ShownTile[], pixelRatio: number): VideoWish[] {
  return tiles
    .filter(({ participant }) => participant.video !== 'off')
    .map(({ participant, box }) => ({ id: participant.id, heightPx: Math.round(box.height * pixelRatio) }));
}

/** Whether two lists wish for the same. */
export function sameWishes(a: readonly VideoWish[], b: readonly VideoWish[]): boolean {
  return (
    a.length === b.length && a.every((wish, at) => wish.id === b[at]!.id && wish.heightPx === b[at]!.heightPx)
  );
}
