import type { Participant, ParticipantId } from '@conclave/client';

/** How people want to see the others. `grid`: all alike; `speaker`: who speaks large. */
export type View = 'grid' | 'speaker';

/** What decides who is shown large. */
export interface StageWishes {
  readonly view: View;
  /** Somebody the person wants to see large, whoever speaks. */
  readonly pinned: ParticipantId | undefined;
  /** Who shares a screen, latest last. */
  readonly sharing: readonly ParticipantId[];
  /** The person went back to the grid although a screen is shared. */
  readonly screensInGrid: boolean;
  /** Of the others, who spoke last. */
  readonly lastSpeaker: ParticipantId | undefined;
}

/** Who is shown large; undefined: nobody, all are in the grid. Only others are, never the person itself. */
export function stageSubject(others: readonly Participant[], wishes: StageWishes): ParticipantId | undefined {
  const here = (id: ParticipantId | undefined) => others.find((participant) => participant.id === id)?.id;
  const pinned = here(wishes.pinned);
  if (pinned !== undefined) return pinned;
  if (!wishes.screensInGrid) {
    const screen = here(wishes.sharing.at(-1));
    if (screen !== undefined) return screen;
  }
  if (wishes.view === 'grid') return undefined;
  return here(wishes.lastSpeaker) ?? others[0]?.id;
}

/** Who shares a screen now, in the order in which they began. */
export function nextSharing(
  before: readonly ParticipantId[],
  others: readonly Participant[],
): readonly ParticipantId[] {
  const now = others.filter((participant) => participant.video === 'screen').map(({ id }) => id);
  return [...before.filter((id) => now.includes(id)), ...now.filter((id) => !before.includes(id))];
}
