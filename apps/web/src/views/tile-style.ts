import type { Box } from '../state/grid-layout.ts';

/** Puts an element where its box is. Whole pixels keep pictures sharp. */
export function boxStyle(box: Box): { width: string; height: string; transform: string } {
  return {
    width: `${Math.round(box.width)}px`,
    height: `${Math.round(box.height)}px`,
    transform: `translate(${Math.round(box.x)}px, ${Math.round(box.y)}px)`,
  };
}
