import type { ConnectionQuality } from '@conclave/client';
import type { VNode } from 'preact';

const lit: Readonly<Record<ConnectionQuality, number>> = { good: 3, fair: 2, poor: 1 };

/** Three bars for how good a connection is. Whoever uses it says it in words. */
export function QualityBars({ quality }: { readonly quality: ConnectionQuality }): VNode {
  return (
    <svg class={`bars bars-${quality}`} viewBox="0 0 18 16" aria-hidden="true" focusable="false">
      {[0, 1, 2].map((bar) => (
        <rect
          key={bar}
          class={bar < lit[quality] ? 'bar-lit' : 'bar'}
          x={bar * 6 + 1}
          y={11 - bar * 5}
          width="4"
          height={bar * 5 + 5}
          rx="1.4"
        />
      ))}
    </svg>
  );
}
