import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import type { Size } from '../state/grid-layout.ts';

/** The inner size of an element in CSS pixels, as it changes. Empty before it is known. */
export function useElementSize(element: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const measured = element.current!;
    const take = () => setSize({ width: measured.clientWidth, height: measured.clientHeight });
    const observer = new ResizeObserver(take);
    observer.observe(measured);
    take();
    return () => observer.disconnect();
  }, []);
  return size;
}
