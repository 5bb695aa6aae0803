import type { Participant, ParticipantId } from '@conclave/client';
import { type Box, gridCapacity, layOutGrid, type Size } from './grid-layout.ts';
import { layOutStage } from './stage-layout.ts';
import { takePage } from './tile-order.ts';

/** Where a tile stands: among equals, large, small beside the large one, or in a corner over the other. */
export type TilePlace = 'grid' | 'stage' | 'strip' | 'corner';

/** A tile on screen. Without a participant it is the own one. */
export interface PlacedTile {
  readonly participant: Participant | undefined;
  readonly box: Box;
  readonly place: TilePlace;
}

/** All tiles on screen, most important first. */
export interface TileArrangement {
  readonly tiles: readonly PlacedTile[];
  readonly page: number;
  readonly pages: number;
  /** How many of the others the first page holds when it is full, without the one on the stage. */
  readonly inFront: number;
}

/** What is to be arranged. */
export interface TileArrangementOptions {
  /** Empty before it is known. */
  readonly area: Size;
  /** In their order. */
  readonly others: readonly Participant[];
  /** Who is large; undefined: nobody. */
  readonly stage: ParticipantId | undefined;
  /** The wished page, from 0. */
  readonly page: number;
}

/** Height kept free for turning pages. */
const PAGER_HEIGHT = 48;
/** Distance of the own tile from the corner. */
const CORNER_GAP = 12;

/** Arranges the tiles of a call. Alone or in a talk of two, the own tile is in a corner. */
export function arrangeTiles(options: TileArrangementOptions): TileArrangement {
  const { area, others } = options;
  if (area.width === 0 || area.height === 0) return { tiles: [], page: 0, pages: 1, inFront: 1 };
  const large = others.find(({ id }) => id === options.stage);
  if (others.length === 0) return inCorner(area, []);
  if (others.length === 1 && large?.video !== 'screen') return inCorner(area, others);
  return large ? onStage(options, large) : inGrid(options);
}

function inCorner(area: Size, others: readonly Participant[]): TileArrangement {
  const upright = area.height > area.width;
  const width = Math.min(upright ? area.width * 0.28 : area.width * 0.2, 240);
  const height = upright ? width * 1.25 : (width * 9) / 16;
  const corner: PlacedTile = {
    participant: undefined,
    box: { x: area.width - width - CORNER_GAP, y: area.height - height - CORNER_GAP, width, height },
    place: 'corner',
  };
  const whole: Box = { x: 0, y: 0, ...area };
  const tiles = others.map((participant): PlacedTile => ({ participant, box: whole, place: 'stage' }));
  return { tiles: [...tiles, corner], page: 0, pages: 1, inFront: 1 };
}

function inGrid({ area, others, page: wished }: TileArrangementOptions): TileArrangement {
  const all: readonly (Participant | undefined)[] = [undefined, ...others];
  const whole = gridCapacity(area);
  const usable = all.length > whole ? withoutPager(area) : area;
  const capacity = gridCapacity(usable);
  const { items, page, pages } = takePage(all, capacity, wished);
  const { boxes } = layOutGrid(usable, items.length);
  return {
    tiles: items.map((participant, index) => ({ participant, box: boxes[index]!, place: 'grid' })),
    page,
    pages,
    inFront: Math.max(1, capacity - 1),
  };
}

function onStage(
  { area, others, page: wished }: TileArrangementOptions,
  large: Participant,
): TileArrangement {
  const small: readonly (Participant | undefined)[] = [
    undefined,
    ...others.filter((participant) => participant !== large),
  ];
  const fits = layOutStage(area, small.length).capacity >= small.length;
  const usable = fits ? area : withoutPager(area);
  const { capacity } = layOutStage(usable, small.length);
  const { items, page, pages } = takePage(small, capacity, wished);
  const { stage, strip } = layOutStage(usable, items.length);
  return {
    tiles: [
      { participant: large, box: stage, place: 'stage' },
      ...items.map((participant, index): PlacedTile => ({ participant, box: strip[index]!, place: 'strip' })),
    ],
    page,
    pages,
    inFront: Math.max(1, capacity - 1),
  };
}

function withoutPager(area: Size): Size {
  return { width: area.width, height: Math.max(1, area.height - PAGER_HEIGHT) };
}
