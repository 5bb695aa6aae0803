import { describe, expect, test } from 'vitest';
import { SPEAKING_HOLD_MS, SpeakerRanking } from './speaker-ranking.ts';

/** Readings each quarter of a second. */
function listen(
  ranking: SpeakerRanking,
  from: number,
  levels: Record<string, number>,
  times: number,
): number {
  const end = from + times * 250;
  for (let now = from + 250; now <= end; now += 250) ranking.update(now, new Map(Object.entries(levels)));
  return end;
}

describe('speaker ranking', () => {
  test('the loudest comes first, the quiet are no speakers', () => {
    const ranking = new SpeakerRanking();
    listen(ranking, 0, { a: 0.05, b: 0.4, c: 0.001 }, 4);
    expect(ranking.speakers).toEqual(['b', 'a']);
  });

  test('similar voices keep their order, a clearly louder one overtakes', () => {
    const ranking = new SpeakerRanking();
    let now = listen(ranking, 0, { a: 0.2, b: 0.1 }, 4);
    const order = ranking.speakers;
    now = listen(ranking, now, { a: 0.2, b: 0.25 }, 8);
    expect(ranking.speakers).toBe(order);
    listen(ranking, now, { a: 0.2, b: 0.5 }, 8);
    expect(ranking.speakers).toEqual(['b', 'a']);
  });

  test('a pause between words does not end speaking, silence does', () => {
    const ranking = new SpeakerRanking();
    const now = listen(ranking, 0, { a: 0.2 }, 2);
    expect(ranking.update(now + SPEAKING_HOLD_MS, new Map())).toBe(false);
    expect(ranking.speakers).toEqual(['a']);
    expect(ranking.update(now + SPEAKING_HOLD_MS + 1, new Map())).toBe(true);
    expect(ranking.speakers).toEqual([]);
  });
});
