import type { VNode } from 'preact';
import { texts } from '../texts.ts';

/** Three tiles of a call and the key they share. */
export function StartPicture(): VNode {
  return (
    <svg class="start-picture" viewBox="0 0 480 400" role="img" aria-label={texts.start.pictureLabel}>
      <Person x={20} y={24} width={264} height={176} tone="a" />
      <Person x={300} y={68} width={160} height={132} tone="b" />
      <Person x={76} y={216} width={208} height={150} tone="c" />
      <g class="picture-wave">
        <path d="M44 176v-10M54 176v-18M64 176v-12M74 176v-22M84 176v-8" />
      </g>
      <g transform="translate(300 216)">
        <rect class="picture-card" width="160" height="110" rx="20" />
        <g class="picture-key">
          <circle cx="46" cy="55" r="19" />
          <path d="M65 55h62M106 55v17M127 55v13" />
        </g>
      </g>
    </svg>
  );
}

interface PersonPlace {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly tone: 'a' | 'b' | 'c';
}

function Person({ x, y, width, height, tone }: PersonPlace): VNode {
  const middle = width / 2;
  const head = height * 0.17;
  const clip = `clip-${tone}`;
  return (
    <g transform={`translate(${x} ${y})`}>
      <clipPath id={clip}>
        <rect width={width} height={height} rx="20" />
      </clipPath>
      <g clip-path={`url(#${clip})`} class={`picture-${tone}`}>
        <rect class="picture-back" width={width} height={height} />
        <circle class="picture-head" cx={middle} cy={height * 0.42} r={head} />
        <ellipse class="picture-body" cx={middle} cy={height * 1.02} rx={head * 2.1} ry={head * 2.2} />
      </g>
    </g>
  );
}
