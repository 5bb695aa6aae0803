import type { Participant } from '@conclave/client';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Call } from '../state/call.ts';
import { arrangeTiles, type PlacedTile } from '../state/tile-arrangement.ts';
import { watchList } from '../state/watch-list.ts';
import { texts } from '../texts.ts';
import { AloneCard } from './alone-card.tsx';
import { useElementSize } from './element-size.ts';
import { Icon } from './icon.tsx';
import { OwnTile } from './own-tile.tsx';
import { Tile } from './tile.tsx';

/** The people of the call in tiles, as many as fit, in pages beyond. */
export function TileArea({ call }: { readonly call: Call }): VNode {
  const element = useRef<HTMLDivElement>(null);
  const size = useElementSize(element);
  const others = call.others.value;
  const stage = call.stage.value;
  const arranged = arrangeTiles({ area: size, others, stage, page: call.page.value });
  const shown = arranged.tiles.filter((tile): tile is PlacedTile & { participant: Participant } =>
    Boolean(tile.participant),
  );
  useEffect(() => {
    if (size.width === 0) return;
    call.watch(watchList(shown, window.devicePixelRatio));
    call.inFront.value = arranged.inFront;
    call.page.value = arranged.page;
    call.pages.value = arranged.pages;
  });
  return (
    <div class="tile-area" ref={element}>
      <ul class="tiles" aria-label={texts.call.tiles}>
        {arranged.tiles.map((tile) =>
          tile.participant ? (
            <Tile key={tile.participant.id} call={call} participant={tile.participant} tile={tile} />
          ) : (
            <OwnTile key="self" call={call} tile={tile} />
          ),
        )}
      </ul>
      {others.length === 0 && <AloneCard />}
      {arranged.pages > 1 && <Pager call={call} page={arranged.page} pages={arranged.pages} />}
    </div>
  );
}

interface PagerProps {
  readonly call: Call;
  readonly page: number;
  readonly pages: number;
}

function Pager({ call, page, pages }: PagerProps): VNode {
  return (
    <nav class="pager" aria-label={texts.call.tiles}>
      <button
        type="button"
        aria-label={texts.call.previousPage}
        disabled={page === 0}
        onClick={() => call.turnPage(-1)}
      >
        <Icon name="previous" />
      </button>
      <span class="hidden">{texts.call.pageOf(page + 1, pages)}</span>
      <span aria-hidden="true">
        {page + 1} / {pages}
      </span>
      <button
        type="button"
        aria-label={texts.call.nextPage}
        disabled={page === pages - 1}
        onClick={() => call.turnPage(1)}
      >
        <Icon name="next" />
      </button>
    </nav>
  );
}
