import { useSignal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { LevelMeter } from '../state/level-meter.ts';

/** How loud a microphone is at the moment, for the eye. */
export function LevelBar({ track }: { readonly track: MediaStreamTrack | undefined }): VNode {
  const meter = useMemo(() => new LevelMeter(), []);
  const peak = useSignal(0);
  useEffect(() => {
    meter.follow(track);
    return () => meter.close();
  }, [track]);
  useEffect(
    () =>
      meter.level.subscribe((level) => {
        peak.value = Math.max(level, peak.peek() * 0.85);
      }),
    [],
  );
  return (
    <span class="level" aria-hidden="true">
      <span class="level-fill" style={{ transform: `scaleX(${peak.value.toFixed(3)})` }} />
    </span>
  );
}
