import type { VNode } from 'preact';

/** How many colours there are for people without a picture. */
const TONES = 6;

/** A round mark with somebody's initials, in a colour that goes with the name. */
export function Avatar({ name, size }: { readonly name: string; readonly size: number }): VNode {
  const pixels = Math.round(size);
  return (
    <span
      class={`avatar tone-${toneOf(name)}`}
      aria-hidden="true"
      style={{ width: `${pixels}px`, height: `${pixels}px`, fontSize: `${Math.round(pixels * 0.4)}px` }}
    >
      {initialsOf(name)}
    </span>
  );
}

/** First letters of the first and the last word. */
export function initialsOf(name: string): string {
  const words = name.split(' ').filter((word) => word !== '');
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) =>
    word ? [...word][0]! : '',
  );
  return letters.join('').toLocaleUpperCase();
}

function toneOf(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)!) % 9973;
  return sum % TONES;
}
