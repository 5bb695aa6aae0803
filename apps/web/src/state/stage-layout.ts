import type { Box, Size } from './grid-layout.ts';

/** One large picture and a strip of small ones. */
export interface StageLayout {
  readonly stage: Box;
  /** Places of the strip, centred along it. */
  readonly strip: readonly Box[];
  /** How many places the strip could have. */
  readonly capacity: number;
}

const GAP = 8;

/**
 * Puts a strip of at most `count` small tiles beside a wide area, or below a tall one, and gives the stage the rest.
 * Without small tiles the stage has all.
 */
export function layOutStage(area: Size, count: number): StageLayout {
  const wide = area.width >= 700 && area.width > area.height * 1.1;
  const tile = wide ? sideTile(area) : bottomTile(area);
  const along = wide ? area.height : area.width;
  const length = wide ? tile.height : tile.width;
  const capacity = Math.max(1, Math.floor((along + GAP) / (length + GAP)));
  const shown = Math.min(count, capacity);
  if (shown === 0) return { stage: { x: 0, y: 0, ...area }, strip: [], capacity };
  const start = (along - shown * length - (shown - 1) * GAP) / 2;
  const strip = Array.from({ length: shown }, (_, index) => {
    const offset = start + index * (length + GAP);
    return wide
      ? { x: area.width - tile.width, y: offset, ...tile }
      : { x: offset, y: area.height - tile.height, ...tile };
  });
  const stage = wide
    ? { x: 0, y: 0, width: Math.max(0, area.width - tile.width - GAP), height: area.height }
    : { x: 0, y: 0, width: area.width, height: Math.max(0, area.height - tile.height - GAP) };
  return { stage, strip, capacity };
}

function sideTile(area: Size): Size {
  const width = Math.min(260, Math.max(160, area.width * 0.16), area.width / 2);
  return { width, height: Math.min(area.height, (width * 9) / 16) };
}

function bottomTile(area: Size): Size {
  const height = Math.min(140, Math.max(84, area.height * 0.16), area.height / 2);
  return { width: Math.min(area.width, height), height };
}
