import type { ParticipantId } from '@conclave/client';

/** In which order tiles stand. Changes as little as it can, so that people stay where one looks for them. */
export interface TileOrder {
  readonly ids: readonly ParticipantId[];
  /** When each of them was last heard, counted in changes of the order; missing: never. */
  readonly heardAt: ReadonlyMap<ParticipantId, number>;
  readonly turn: number;
}

/** Nobody yet. */
export const EMPTY_ORDER: TileOrder = { ids: [], heardAt: new Map(), turn: 0 };

/**
 * The next order: who left is gone, who came stands last, and a speaker beyond the first `inFront` places changes
 * places with whoever of the front was silent longest. Speakers in front stay where they are.
 */
export function nextOrder(
  order: TileOrder,
  present: readonly ParticipantId[],
  speakers: readonly ParticipantId[],
  inFront: number,
): TileOrder {
  const here = new Set(present);
  const known = new Set(order.ids);
  const ids = [...order.ids.filter((id) => here.has(id)), ...present.filter((id) => !known.has(id))];
  const turn = order.turn + 1;
  const heardAt = new Map([...order.heardAt].filter(([id]) => here.has(id)));
  const talking = speakers.filter((id) => here.has(id)).slice(0, inFront);
  for (const id of talking) heardAt.set(id, turn);
  const heard = (id: ParticipantId) => heardAt.get(id) ?? 0;
  for (const id of talking) {
    const from = ids.indexOf(id);
    if (from < inFront) continue;
    let to = 0;
    for (let place = 1; place < Math.min(inFront, ids.length); place++) {
      if (heard(ids[place]!) <= heard(ids[to]!)) to = place;
    }
    ids[from] = ids[to]!;
    ids[to] = id;
  }
  return { ids, heardAt, turn };
}

/** One page of a list that is shown in pages. */
export interface PageOf<T> {
  readonly items: readonly T[];
  /** From 0; the wished page, or the last one there is. */
  readonly page: number;
  /** At least 1. */
  readonly pages: number;
}

/** Cuts a list into pages of `size` and takes one. */
export function takePage<T>(list: readonly T[], size: number, wished: number): PageOf<T> {
  const perPage = Math.max(1, size);
  const pages = Math.max(1, Math.ceil(list.length / perPage));
  const page = Math.min(Math.max(0, wished), pages - 1);
  return { items: list.slice(page * perPage, (page + 1) * perPage), page, pages };
}
