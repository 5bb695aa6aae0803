/** A rectangle in CSS pixels, from the top left corner of the area that is laid out. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** An area in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How tiles may look. */
export interface TileShape {
  /** Pixels between two tiles. */
  readonly gap: number;
  /** Narrowest tile, width through height. Lower fills tall windows better; higher cuts less off pictures. */
  readonly minAspect: number;
  /** Widest tile, width through height. */
  readonly maxAspect: number;
}

const GAP = 8;

/** Tiles of wide windows: from the shape of old cameras to that of new ones, so that little is cut off. */
export const WIDE_SHAPE: TileShape = { gap: GAP, minAspect: 4 / 3, maxAspect: 16 / 9 };

/** Tiles of tall windows, as on phones held upright: they may be taller than wide. */
export const TALL_SHAPE: TileShape = { gap: GAP, minAspect: 4 / 5, maxAspect: 16 / 9 };

/** The shape of tiles that suits an area. */
export function shapeFor(area: Size): TileShape {
  return area.width > area.height ? WIDE_SHAPE : TALL_SHAPE;
}

/** A grid that fits. */
export interface GridLayout {
  readonly columns: number;
  readonly rows: number;
  /** One for each tile, row by row; the last row is centred. */
  readonly boxes: readonly Box[];
}

/** The grid of `count` equal tiles that covers most of the area. Of two that cover the same, the one with fewer columns. */
export function layOutGrid(area: Size, count: number, shape: TileShape = shapeFor(area)): GridLayout {
  let best = { columns: 1, rows: Math.max(1, count), tile: { width: 0, height: 0 } };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tile = fitTile(area, columns, rows, shape);
    if (tile.width * tile.height > best.tile.width * best.tile.height + 0.01) best = { columns, rows, tile };
  }
  return { columns: best.columns, rows: best.rows, boxes: placeTiles(area, count, best, shape.gap) };
}

/** The largest tile of the shape of which `columns` times `rows` fit the area. */
function fitTile(area: Size, columns: number, rows: number, shape: TileShape): Size {
  const width = Math.max(0, (area.width - shape.gap * (columns - 1)) / columns);
  const height = Math.max(0, (area.height - shape.gap * (rows - 1)) / rows);
  if (width > height * shape.maxAspect) return { width: height * shape.maxAspect, height };
  if (width < height * shape.minAspect) return { width, height: width / shape.minAspect };
  return { width, height };
}

function placeTiles(
  area: Size,
  count: number,
  grid: { readonly columns: number; readonly rows: number; readonly tile: Size },
  gap: number,
): Box[] {
  const { columns, rows, tile } = grid;
  const top = (area.height - rows * tile.height - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = (area.width - inRow * tile.width - (inRow - 1) * gap) / 2;
    return {
      x: left + (index % columns) * (tile.width + gap),
      y: top + row * (tile.height + gap),
      width: tile.width,
      height: tile.height,
    };
  });
}

/** Most tiles on one page. Fewer make calmer pages; more cost every device pictures to decode. */
export const MAX_TILES_ON_PAGE = 30;

/** How many tiles of a readable size one page of the area holds, between 1 and {@link MAX_TILES_ON_PAGE}. */
export function gridCapacity(area: Size): number {
  const least = area.width < 600 ? { width: 150, height: 112 } : { width: 190, height: 107 };
  const columns = Math.floor((area.width + GAP) / (least.width + GAP));
  const rows = Math.floor((area.height + GAP) / (least.height + GAP));
  return Math.min(MAX_TILES_ON_PAGE, Math.max(1, columns) * Math.max(1, rows));
}
